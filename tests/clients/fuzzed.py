"""`python -m tests.clients.fuzzed [MUTANT …]`: the broken clients that the fuzzer finds, all but a few."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from fake_server.client_fuzzing import ClientFuzz, Found, Hazards, batches, hunt
from fake_server.client_fuzzing.hazards import WORLDS
from fake_server.client_fuzzing.rewrites import REWRITES
from fake_server.client_fuzzing.stage import OpenPlayer
from fake_server.clock import VirtualClock
from fake_server.fake import Fake, FakeServer
from fake_server.scenarios.trial import scenario_server
from tests.clients.mini import MiniClient
from tests.clients.mutants import MUTANTS
from tests.clients.player import KINDS_OF_STEPS, MiniPlayer
from tests.clients.unseen import UNSEEN

__all__ = ["ALL_HAZARDS", "MOST_FAULTS", "MOST_STEPS", "SOUND", "Hit", "found_by", "fuzz_of", "main", "told"]

MOST_STEPS, MOST_FAULTS = 5, 2
"""What was found has to shrink to so many. Source: ours."""
ALL_HAZARDS = Hazards(rewrites=tuple(REWRITES), worlds=tuple(WORLDS), long=True, starts=True)
ROUNDS, EXAMPLES = 12, 60
"""Ours: hunts on one mutant, each of which begins with what is simple, and programs of each."""
STRIDE = 10_007
"""Keeps the seeds of rounds apart. Source: ours: a prime."""
PROCESSES = 2
SOUND = "sound"
"""The client that nothing is wrong with."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What came of the hunt on one client."""

    mutant_id: str
    text: str
    """What was found, with the case; empty where nothing was."""
    steps: int = 0
    """Of the case, shrunk."""
    faults: int = 0
    """The same, with late outcomes and rewrites."""
    cases: int = 0
    cpu_seconds: float = 0.0
    """Both ends of the wire, and the reference."""

    @property
    def is_small(self) -> bool:
        """Whether a person can read it."""
        return self.steps <= MOST_STEPS and self.faults <= MOST_FAULTS


def playing(kind: type[MiniClient]) -> OpenPlayer:
    """Opens a player of a client in a world."""
    return lambda world: MiniPlayer(world, kind)


def open_sound(world: Fake) -> MiniPlayer:
    """The reference."""
    return MiniPlayer(world)


def fuzz_of(server: FakeServer, mutant_id: str) -> ClientFuzz:
    """Tries cases on a mutant, or on the sound client, in virtual time."""
    kind = MiniClient if mutant_id == SOUND else MUTANTS[mutant_id].client
    return ClientFuzz(server, playing(kind), open_sound, clocks=lambda: VirtualClock(auto=True))


def found_by(mutant_id: str, seed: int = 0, rounds: int = ROUNDS) -> Hit:
    """Hunt on a client until something is found, which is shrunk."""
    began, cases, found = time.process_time(), 0, None
    with scenario_server() as server:
        for number in range(rounds):
            with fuzz_of(server, mutant_id) as fuzz:
                drawn = batches(KINDS_OF_STEPS, ALL_HAZARDS)
                seed_number = seed * STRIDE + number
                hunted = hunt(fuzz, drawn, examples=EXAMPLES, seed_number=seed_number, simple_values=False)
            cases += hunted.tally.cases
            if hunted.found is not None and not hunted.flaky:  # a connection's end is seen sooner or later
                found = hunted.found
                break
    return _hit(mutant_id, found, cases, time.process_time() - began)


def _hit(mutant_id: str, found: Found | None, cases: int, seconds: float) -> Hit:
    if found is None:
        return Hit(mutant_id, "", cases=cases, cpu_seconds=seconds)
    case = found.case
    faults = len(case.faults) + len(case.rules)
    return Hit(mutant_id, str(found), len(case.program.steps), faults, cases, seconds)


def told(hits: Iterable[Hit], unseen: Iterable[str] = UNSEEN) -> bool:
    """Print each, and the sum; whether all are found that are not listed, small enough, and no listed one."""
    listed, wrong, found = frozenset(unseen), 0, 0
    for hit in hits:
        should = hit.mutant_id not in listed and hit.mutant_id != SOUND
        fits = bool(hit.text) == should and hit.is_small
        wrong, found = wrong + (not fits), found + bool(hit.text)
        word = "found" if hit.text else "unseen"
        size = f"{hit.steps} steps, {hit.faults} faults"
        told = hit.text.replace("\n", " ")[:1200]
        print(
            f"{'' if fits else 'WRONG '}{word} {hit.mutant_id}: {size}, {hit.cases} cases, "
            f"{hit.cpu_seconds:.0f} s of CPU: {told}",
            flush=True,
        )
    print(f"{found} found, {len(listed)} listed as unseen, {wrong} not as they should be")
    return not wrong


def _spread(names: Sequence[str], seed: int) -> Iterator[Hit]:
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(found_by, name, seed) for name in names]):
            yield done.result()


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt on each, and say by the exit status whether all is as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients.fuzzed", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"ids of mutants, or {SOUND}; all where absent")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    names = options.only or [SOUND, *MUTANTS]
    if unknown := set(names) - {SOUND, *MUTANTS}:
        parser.error(f"expected ids of mutants, got {', '.join(sorted(unknown))}")
    return 0 if told(_spread(names, options.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
