"""Releases of the SDK as folders: wheels from the package index, or given, unpacked into a cache."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile

__all__ = ["find_wheel", "previous_release", "unpacked"]

WHEEL = re.compile(r"tinker-(\d+\.\d+\.\d+)-.+\.whl\Z")


def find_wheel(version: str, given: Sequence[Path], cache: Path) -> Path:
    """The wheel of a release: one that is given, one in the cache, or else from the package index.

    Args:
        version: such as `0.25.0`.
        given: wheels that are there already.
        cache: a folder for wheels; it is made.

    Raises:
        LookupError: if there is none, with what the index said.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for path in (*given, *sorted(cache.glob("tinker-*.whl"))):
        found = WHEEL.match(path.name)
        if found and found[1] == version:
            return path
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(cache), f"tinker=={version}"]
    done = subprocess.run(command, capture_output=True, text=True)
    fetched = list(cache.glob(f"tinker-{version}-*.whl"))
    if done.returncode != 0 or not fetched:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise LookupError(
            f"tinker {version}: expected a wheel, got {(said or ['none'])[-1]!r}; "
            "give one by --wheel, or a release that there is"
        )
    return fetched[0]


def previous_release(version: str, given: Sequence[Path]) -> str:
    """The release before one: of those that are given, or else of all that the package index has.

    Raises:
        LookupError: if there is none.
    """
    releases = [found[1] for path in given if (found := WHEEL.match(path.name))]
    older = _older(releases, version)
    if not older:
        command = [sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check", "tinker"]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        older = _older(re.findall(r"(\d+\.\d+\.\d+)(?=,|$)", said, re.MULTILINE), version)
    if not older:
        raise LookupError(f"tinker {version}: expected a release before it, got none; name one by --against")
    return older[-1]


def _older(releases: Sequence[str], version: str) -> list[str]:
    """Those before a release, oldest first."""
    return sorted((each for each in releases if _number(each) < _number(version)), key=_number)


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def unpacked(wheel: Path, cache: Path) -> Path:
    """The folder with the packages of a wheel; unpacked if it is not there yet.

    Raises:
        ValueError: if the file is no wheel of the SDK.
    """
    folder = cache / "unpacked" / wheel.stem
    if not (folder / "tinker").is_dir():
        try:
            with ZipFile(wheel) as archive:
                if "tinker/__init__.py" not in archive.namelist():
                    raise ValueError(f"{wheel}: expected a wheel of tinker, got one of something else")
                archive.extractall(folder)
        except (BadZipFile, OSError) as error:
            raise ValueError(f"{wheel}: expected a wheel, got {error}") from None
    return folder
