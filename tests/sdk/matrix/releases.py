"""The releases of the SDK that the matrix runs, each from its unpacked wheel under `.cache/sdk`.

All of them run on the packages of this environment: no release needs others. Only its own wheel differs.
"""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

__all__ = ["RELEASES", "ROOT", "SLICE", "environment_of", "unpacked"]

ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".cache" / "sdk"
RELEASES = (
    *("0.1.0", "0.1.5", "0.2.2", "0.3.0", "0.4.1", "0.5.1", "0.6.1", "0.6.3", "0.7.0", "0.8.1", "0.9.0"),
    *("0.10.0", "0.11.0", "0.12.0", "0.13.1", "0.14.0", "0.15.0", "0.16.1", "0.18.2", "0.19.0", "0.20.0"),
    *("0.21.0", "0.22.7", "0.23.4", "0.24.1", "0.25.0", "0.26.2", "0.27.2", "0.28.1", "0.29.1", "0.30.4"),
    *("0.31.0", "0.32.0", "0.33.1", "0.34.0", "0.35.0", "0.36.0", "0.38.0"),
)
"""The first release, the newest patch of every minor release, and 0.6.1. There is no 0.17 and no 0.37."""
SLICE = ("0.1.0", "0.6.1", "0.24.1", "0.25.0", "0.38.0")
"""What `make sdk` runs: both ends, and each side of the changes of the wire."""


def unpacked(version: str) -> Path:
    """The folder with a release's packages; its wheel is fetched from the index if it is not there yet."""
    folder = CACHE / "unpacked" / version
    if not folder.exists():
        wheels = CACHE / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        fetch += ["--no-deps", "--only-binary", ":all:", "--dest", str(wheels), f"tinker=={version}"]
        subprocess.run(fetch, check=True)
        half = folder.with_name(f"{version}.{os.getpid()}")
        with ZipFile(wheels / f"tinker-{version}-py3-none-any.whl") as wheel:
            wheel.extractall(half)
        half.rename(folder)
    return folder


def environment_of(version: str) -> dict[str, str]:
    """Variables of a process in which `import tinker` is that release; settings of the SDK are left out."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("TINKER_", "PYTHON"))}
    return {**kept, "PYTHONPATH": f"{unpacked(version)}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"}
