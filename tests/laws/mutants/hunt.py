"""The hunt: which law notices which mutant."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from contract.laws import LAWS
from contract.laws.trial import Outcome, try_law
from tests.laws.mutants import MUTANTS
from tests.laws.mutants.bench import serving
from tests.laws.mutants.mutant import Mutant

__all__ = ["Control", "Kill", "control", "hunt", "kills_of", "ordered", "sweep"]

PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Kill:
    """A law that noticed a mutant."""

    mutant_id: str
    law_id: str
    text: str
    """What the law says."""
    is_error: bool = False
    """Whether the law stumbled rather than said: it should expect what came."""


@dataclass(frozen=True, slots=True)
class Control:
    """What the laws say of the server that nobody broke."""

    fit: list[str] = field(default_factory=list)
    """Laws that hold there: only they can notice a mutant."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Laws that cannot be tried there, and why."""
    failed: dict[str, str] = field(default_factory=dict)
    """Laws that do not hold there, though they should."""


class _Stumbles(logging.Handler):
    """Hears of exceptions that are a mutant's own mistake: who breaks by accident proves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exception, if it is one that no mutant means."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, TypeError | AttributeError | NameError | LookupError):
            self.found.append(error)


@contextmanager
def _hearing() -> Iterator[list[BaseException]]:
    """A mutant's exceptions are no news, but its own mistakes are."""
    logger, stumbles = logging.getLogger("tinkerproof"), _Stumbles()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(stumbles)
    try:
        yield stumbles.found
    finally:
        logger.removeHandler(stumbles)
        logger.propagate = propagate


def control() -> Control:
    """Try all laws on the sound server."""
    found = Control()
    with serving() as subject_for:
        for law in LAWS.values():
            outcome = try_law(law, subject_for(law))
            if outcome.verdict == "holds":
                found.fit.append(law.id)
            else:
                kept = found.skipped if outcome.verdict == "skipped" else found.failed
                kept[law.id] = outcome.text
    return found


def ordered(mutant: Mutant, law_ids: Iterable[str]) -> list[str]:
    """The laws, those of the mutant's groups first."""
    rank = {group: place for place, group in enumerate(mutant.groups)}
    return sorted(law_ids, key=lambda law_id: rank.get(LAWS[law_id].group, len(rank)))


def kills_of(mutant_id: str, law_ids: Sequence[str], most: int | None = None) -> list[Kill]:
    """The laws that notice a mutant, tried in this order; at most so many.

    Raises:
        RuntimeError: if the mutant makes a mistake of its own.
    """
    kills: list[Kill] = []
    with _hearing() as mistakes, serving(MUTANTS[mutant_id].breaks) as subject_for:
        for law_id in law_ids:
            outcome = try_law(LAWS[law_id], subject_for(LAWS[law_id]))
            if mistakes:
                raise RuntimeError(f"mutant {mutant_id!r}: a mistake of its own: {mistakes[0]!r}")
            if outcome.verdict in ("broken", "error"):
                kills.append(_kill(mutant_id, outcome))
                if most is not None and len(kills) >= most:
                    break
    return kills


def _kill(mutant_id: str, outcome: Outcome) -> Kill:
    return Kill(mutant_id, outcome.law.id, outcome.text, outcome.verdict == "error")


def hunt(mutants: Iterable[Mutant], law_ids: Sequence[str], tell: Callable[[str, list[Kill]], None]) -> None:
    """Find the first law that notices each mutant; `tell` hears of each mutant's id and its kill, or none."""
    work = ((mutant.id, ordered(mutant, law_ids), 1) for mutant in mutants)
    _spread(work, tell)


def sweep(mutants: Sequence[Mutant], idle: set[str], tell: Callable[[str, list[Kill]], None]) -> None:
    """Try laws that noticed none so far, first on the mutants of their groups, until each has one.

    Args:
        mutants: The zoo.
        idle: Ids of the laws; those that notice one are taken out.
        tell: Called with a mutant's id and the laws that noticed it.
    """

    def told(mutant_id: str, kills: list[Kill]) -> None:
        idle.difference_update(kill.law_id for kill in kills)
        tell(mutant_id, kills)

    def work(own: bool) -> Iterator[tuple[str, list[str], None]]:
        for mutant in mutants:
            left = sorted(law_id for law_id in idle if (LAWS[law_id].group in mutant.groups) is own)
            if left:
                yield mutant.id, left, None

    for own in (True, False):
        _spread(work(own), told)


def _spread(work: Iterator[Any], tell: Callable[[str, list[Kill]], None]) -> None:
    """Do the work on all processes; what comes later is made once there is room, with what is known then."""
    running: dict[Future[list[Kill]], str] = {}
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for job in work:
            running[pool.submit(kills_of, *job)] = job[0]
            while len(running) > PROCESSES:
                _collect(running, tell)
        while running:
            _collect(running, tell)


def _collect(running: dict[Future[list[Kill]], str], tell: Callable[[str, list[Kill]], None]) -> None:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        tell(running.pop(future), future.result())
