"""Environments with packages of their own, made once and kept under `.cache/sdk-envs`; scripts in them."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "sdk-envs"
TORCH = "torch==2.13.0"
"""The version that the project pins. Plain `torch` would bring gigabytes of CUDA."""


def environment(name: str, requirements: list[str], bare: tuple[str, ...] = ()) -> Path:
    """The interpreter of an environment that has these packages; it is made if it is not there yet.

    `bare` packages are installed without what they say they need.
    """
    wanted = [*requirements, *bare]
    folder = CACHE / name
    python = folder / "bin" / "python"
    ready = folder / "requirements.json"
    if ready.exists() and json.loads(ready.read_text()) == wanted and python.exists():
        return python
    _tell(f"making the environment {name}: {' '.join(wanted)}")
    start = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    install.append("--no-compile")  # of thousands of files a few are imported; it would take half of the time
    _run(*install, *requirements)
    if bare:
        _run(*install, "--no-deps", *bare)
    ready.write_text(json.dumps(wanted))
    _tell(f"made the environment {name} in {time.monotonic() - start:.0f} s")
    return python


def run_script(python: Path, script: Path, env: dict[str, str], *arguments: str) -> dict[str, object]:
    """Run a script and read the JSON object in the last line that it prints."""
    done = subprocess.run(
        [str(python), "-W", "ignore", str(script), *arguments],
        env=plain_environment() | env,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, f"{script.name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def plain_environment() -> dict[str, str]:
    """This process's environment without settings of the SDK and of Python."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("TINKER_", "PYTHON"))}


def _run(*command: str) -> None:
    subprocess.run(command, check=True, env=plain_environment())


def _tell(text: str) -> None:
    print(f"\n[sdk] {text}", file=sys.__stderr__, flush=True)
