"""`docs/compatibility.json`: what the last green run of each release found."""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contract.versions import SdkVersion
from tests.sdk.matrix.runs import Outcome

__all__ = ["FILE", "read_measurements", "short", "write_measurement"]

FILE = Path(__file__).parents[3] / "docs" / "compatibility.json"
PACKAGES = ("anyio", "click", "httpx", "numpy", "protobuf", "pydantic", "pyqwest", "torch", "transformers")
"""What releases are sensitive to."""


def read_measurements() -> dict[str, Any]:
    """The file as it is; empty if there is none."""
    return dict(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.exists() else {"releases": {}}


def write_measurement(release: str, backends: Mapping[str, Mapping[str, Outcome]]) -> None:
    """Put what was found with a release into the file, with the day and the packages."""
    data = read_measurements()
    found = {
        "measured": datetime.now(UTC).date().isoformat(),
        **{name: {key: short(outcome) for key, outcome in own.items()} for name, own in backends.items()},
    }
    releases = {**data["releases"], release: found}
    data = {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "releases": {name: releases[name] for name in sorted(releases, key=SdkVersion.parse)},
    }
    FILE.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def short(found: Outcome) -> str | list[str]:
    """`ok`, or the state and why."""
    return "ok" if found["state"] == "ok" else [found["state"], found["text"]]
