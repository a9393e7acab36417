"""Every release and the one before: what drift says of all of them. Run: `make drift-history`.

A row for each pair; the details are written below `.cache/drift`. Fails where something could not be checked.
"""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from contract.drift.change import SEVERITIES
from contract.drift.told import as_json
from contract.drift.wheels import find_wheel, unpacked
from fake_server.drift import Release, drift_between

__all__ = ["last_of_minors"]

CACHE = Path(__file__).parent.parent / ".cache"


def last_of_minors(versions: list[str]) -> list[str]:
    """The last release of each minor, oldest first."""
    numbers = sorted(tuple(map(int, version.split("."))) for version in versions)
    return [".".join(map(str, number)) for number in {number[:2]: number for number in numbers}.values()]


def main(versions: list[str]) -> int:
    """Compare these releases, each with the one before; of all minors where none is named."""
    if not versions:
        command = [sys.executable, "-m", "pip", "index", "versions", "tinker"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        listed = re.search(r"Available versions: (.*)", said)
        versions = last_of_minors(listed[1].split(", ")) if listed else []
    wheels, told = CACHE / "sdk-wheels", CACHE / "drift"
    told.mkdir(parents=True, exist_ok=True)
    releases = [Release(version, unpacked(find_wheel(version, [], wheels), wheels)) for version in versions]
    unchecked = 0
    for older, newer in pairwise(releases):
        found = drift_between(older, newer)
        unchecked += bool(found.unchecked)
        counts = [sum(c.severity == severity for c in found.changes) for severity in SEVERITIES]
        row = ", ".join(f"{count} {name}" for count, name in zip(counts, SEVERITIES, strict=True))
        print(
            f"{older.version:>7} -> {newer.version:7} {found.verdict:10} {row}", *found.unchecked, flush=True
        )
        (told / f"{older.version}-{newer.version}.json").write_text(as_json(found))
    return min(unchecked, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
