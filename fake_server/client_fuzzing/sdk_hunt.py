"""`hunt_sdk`: many cases on the installed SDK, in several processes."""

import logging
import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

from fake_server.client_fuzzing.case import batches
from fake_server.client_fuzzing.fuzz import ClientFuzz, hunt
from fake_server.client_fuzzing.sdk_known import is_known
from fake_server.client_fuzzing.sdk_player import SdkPlayer
from fake_server.client_fuzzing.sdk_tls import one_tls
from fake_server.client_fuzzing.tally import Tally
from fake_server.fake import FakeServer
from fake_server.fast_sdk import fast_sdk
from fake_server.scenarios.trial import scenario_server

__all__ = ["SdkHunted", "hunt_sdk", "sdk_fuzz"]

PER_SHARE = 250
"""Ours: most cases of one share of the work; one that finds something ends, the others go on."""
PER_BATCH = 3
"""Cases of one draw, about: `batches()` draws 1 to 5."""
PER_WORLD = 200
"""Ours: a new client of the SDK costs 0.1 s."""
HURRIED = frozenset({"CLI-07", "CLI-08"})
"""Rules about pauses, which `fast_sdk` shortens."""
STRIDE = 1_000_003
"""Keeps the seeds of shares apart. Source: ours: a prime."""


@dataclass(slots=True)
class SdkHunted:
    """What came of it."""

    tally: Tally = field(default_factory=Tally)
    found: list[str] = field(default_factory=list)
    """Each with the smallest case that finds it."""
    empty: list[str] = field(default_factory=list)
    """Why it proves less than it says."""


def hunt_sdk(
    cases: int,
    seed_number: int,
    *,
    jobs: int = 1,
    database: Path | None = None,
    on_share: Callable[[Tally], None] = lambda _tally: None,
) -> SdkHunted:
    """Try cases on the SDK that is installed, below `fast_sdk`.

    Args:
        cases: at least so many.
        seed_number: of the draws.
        jobs: processes.
        database: a folder of earlier findings, which are tried first; new ones are added.
        on_share: told of each share of the work that is done.

    Raises:
        LookupError: if no SDK is installed.
    """
    hunted = SdkHunted()
    shares = ceil(cases / PER_SHARE)
    seeds = [seed_number * STRIDE + number for number in range(shares)]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for tally, found in pool.map(partial(_share, cases=ceil(cases / shares), database=database), seeds):
            hunted.tally += tally
            hunted.found += [found] if found else []
            on_share(tally)
    hunted.empty = hunted.tally.emptiness(ALL_STEPS)
    return hunted


def sdk_fuzz(server: FakeServer) -> ClientFuzz:
    """Tries cases on the SDK, without what is known of it, and what comes of `fast_sdk`."""
    return ClientFuzz(server, SdkPlayer, cases_per_world=PER_WORLD, known=is_known, ignored_rules=HURRIED)


ALL_STEPS = SdkPlayer.kinds - {"create_sampler_of_checkpoint"}
"""Steps of which each must have succeeded once; that kind is a `create_sampler` like the other."""


@contextmanager
def _silence() -> Iterator[None]:
    """The SDK tells of each failure that is asked for here; nobody needs to hear of them."""
    log = logging.getLogger("tinker")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _share(seed_number: int, cases: int, database: Path | None) -> tuple[Tally, str]:
    """One share of the work: what was tried, and what was found, if anything."""
    with (
        _silence(),
        scenario_server() as server,
        fast_sdk(),
        one_tls(),
        sdk_fuzz(server) as fuzz,
    ):
        drawn, draws = batches(SdkPlayer.kinds), 0
        while fuzz.tally.cases < cases:
            numbered = seed_number * STRIDE + draws
            examples = ceil(cases / PER_BATCH)
            hunted = hunt(fuzz, drawn, examples=examples, seed_number=numbered, database=database)
            if hunted.found is not None:
                return fuzz.tally, f"{'found once: ' if hunted.flaky else ''}{hunted.found}"
            draws += 1
    return fuzz.tally, ""
