"""`python -m tests.fake_server.fuzzing.fuzzed`: the share of the broken servers that the fuzzer finds."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from fake_server.fuzzing import fuzz_server
from fake_server.running import LiveServer
from tests.fake_server.fuzzing.unseen import UNSEEN
from tests.laws.mutants import MUTANTS
from tests.laws.mutants.bench import serving_app

__all__ = ["SHARE", "VISIBLE", "Hit", "found_by", "main", "told"]

SHARE = 0.9
"""At least so many of what a schema can see have to be found. Source: ours."""
MOST_SECONDS = 60.0
PROCESSES = 2
VISIBLE = [name for name in MUTANTS if name not in UNSEEN]
"""Ids of the mutants that a schema, or a check of one request, can see."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What came of the search in one mutant."""

    mutant_id: str
    law: str
    """That is broken; empty where nothing was found."""
    text: str
    seconds: float
    cpu_seconds: float
    """The same, whatever else the machine has to do; both ends of the wire."""


def found_by(mutant_id: str, seed: int = 0) -> Hit:
    """Try a mutant as a stranger's server, by its URL, until the first finding."""
    began, cpu = time.monotonic(), time.process_time()
    with serving_app(MUTANTS[mutant_id].breaks) as app, LiveServer(app) as server:
        law, text = _first_finding(server.url, seed)
    return Hit(mutant_id, law, text, time.monotonic() - began, time.process_time() - cpu)


def _first_finding(url: str, seed: int) -> tuple[str, str]:
    try:
        report = fuzz_server(url, seed=seed, most_findings=1)
    except (AssertionError, ValueError) as error:  # it cannot even begin: that is told, too
        return "begin", str(error)
    return (report.findings[0].law, report.findings[0].text) if report.findings else ("", "")


def main(arguments: list[str] | None = None) -> int:
    """Try them, tell of each, and say by the exit status whether enough are found soon enough."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_server.fuzzing.fuzzed", description=__doc__)
    parser.add_argument("only", nargs="*", help="ids of mutants; all that can be seen where absent")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - set(MUTANTS):
        parser.error(f"expected ids of mutants, got {', '.join(sorted(unknown))}")
    return 0 if told(_spread(options.only or VISIBLE, options.seed)) else 1


def _spread(names: Iterable[str], seed: int) -> Iterator[Hit]:
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(found_by, name, seed) for name in names]:
            yield done.result()


def told(hits: Iterable[Hit]) -> bool:
    """Print each, and the sum; whether that is enough."""
    all_hits = []
    for hit in hits:
        all_hits.append(hit)
        line = f"{hit.law or 'MISSED':8} {hit.cpu_seconds:5.1f} s, {hit.seconds:5.1f} s  {hit.mutant_id}: "
        print(line + (hit.text[:110] if hit.law else MUTANTS[hit.mutant_id].sentence), flush=True)
    found = [hit for hit in all_hits if hit.law and hit.cpu_seconds < MOST_SECONDS]
    share = len(found) / len(all_hits)
    slowest = max(hit.cpu_seconds for hit in all_hits)
    print(
        f"{len(found)} of {len(all_hits)} found ({share:.0%}), the slowest in {slowest:.0f} s of CPU; "
        f"{len(UNSEEN)} of all {len(MUTANTS)} cannot be seen"
    )
    return share >= SHARE


if __name__ == "__main__":
    sys.exit(main())
