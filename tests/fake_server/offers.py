"""Backends and formats of packages that a test installs for itself."""

from pathlib import Path

import pytest


def offer_backend(
    folder: Path, patch: pytest.MonkeyPatch, name: str, source: str, group: str = "backends"
) -> None:
    """Install a package that offers, under `name`, `open_it` of `source`."""
    (folder / f"package_of_{name}.py").write_text(source)
    installed = folder / f"package_of_{name}-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: package-of-{name}\nVersion: 1\n")
    entry = f"{name} = package_of_{name}:open_it"
    (installed / "entry_points.txt").write_text(f"[tinkerproof.{group}]\n{entry}\n")
    patch.syspath_prepend(str(folder))
