"""`python -m tests.sdk.matrix [VERSION ...]`: run releases, all of them if none is named.

Prints what fails. What is green is written to `docs/compatibility.json`, from which
`python -m tools.write_compatibility` makes the page. Environment: JOBS, how many releases run at once (2);
TIMES=1 to see how long each feature took.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from tests.sdk.matrix.measurements import write_measurement
from tests.sdk.matrix.releases import RELEASES, unpacked
from tests.sdk.matrix.runs import Outcome, Run, Servers, servers

__all__: list[str] = []

Told = dict[str, dict[str, Outcome]]


def told_of(version: str, backends: Servers) -> Told:
    """Run a release, and print how it went."""
    start, run = time.monotonic(), Run(version)
    try:
        outcomes = run.outcomes(backends)
    except Exception as error:
        outcomes = {name: {"whole: a life": {"state": "failed", "text": f"{error}"}} for name in backends}
    if os.environ.get("TIMES"):
        print(run.errors, flush=True)
    counts = [f"{name} {sum(o['state'] == 'ok' for o in own.values())} ok" for name, own in outcomes.items()]
    print(f"{version}: {', '.join(counts)} in {time.monotonic() - start:.0f} s", flush=True)
    for backend, own in outcomes.items():
        for key, found in own.items():
            if found["state"] != "ok":
                print(f"  {backend}: {key}: {found['state']}: {found['text'][:500]}", flush=True)
    return outcomes


def main(versions: list[str]) -> int:
    """The exit status: 1 if something failed."""
    chosen = versions or list(RELEASES)
    for version in chosen:
        unpacked(version)
    failed = []
    with servers() as backends, ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        running = {pool.submit(told_of, version, backends): version for version in chosen}
        for done in as_completed(running):
            told = done.result()
            if any(found["state"] == "failed" for own in told.values() for found in own.values()):
                failed.append(running[done])
            else:
                write_measurement(running[done], told)
    print(
        f"{len(chosen) - len(failed)} of {len(chosen)} releases are green; failed: {' '.join(failed) or '-'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)
