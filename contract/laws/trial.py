"""`try_law`: one law on one server, and what came of it."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from contract.laws.driver import Trace
from contract.laws.features import require
from contract.laws.law import Broken, Law, Skipped
from contract.laws.subject import Subject
from contract.versions import SdkVersion

__all__ = ["Outcome", "Verdict", "try_law", "try_laws"]

Verdict = Literal["holds", "broken", "skipped", "error"]
"""`error`: the law itself failed, which is a bug of the suite, or an answer nobody thought of."""
MOST_TRACES = 50
"""Ours: of a failed law, the newest requests."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a law."""

    law: Law
    verdict: Verdict
    text: str
    """What was expected and what came; the reason of a skip; empty where the law holds."""
    seconds: float
    trace: tuple[Trace, ...] = ()
    """The requests of a law that does not hold."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What else is told of it."""

    @property
    def id(self) -> str:
        """Of the law."""
        return self.law.id

    @property
    def case(self) -> Law:
        """What was tried."""
        return self.law


def try_law(law: Law, subject: Subject, time_now: Callable[[], float] = time.perf_counter) -> Outcome:
    """Try one law. Never raises."""
    start, before = time_now(), len(subject.driver.trace)
    verdict, text = _verdict(law, subject)
    trace = tuple(subject.driver.trace[before:][-MOST_TRACES:]) if verdict in ("broken", "error") else ()
    return Outcome(law, verdict, text, time_now() - start, trace)


def _verdict(law: Law, subject: Subject) -> tuple[Verdict, str]:
    if (reason := _unfit(law, subject.profile)) is not None:
        return "skipped", reason
    try:
        for name in law.needs:
            require(subject, name)
        law.check(subject)
    except Skipped as skipped:
        return "skipped", str(skipped)
    except Broken as broken:
        return "broken", str(broken)
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}"
    return "holds", ""


def _unfit(law: Law, profile: SdkVersion) -> str | None:
    """Why a law does not concern the clients of a release."""
    if profile < SdkVersion.parse(law.since):
        return f"holds for clients from {law.since} on; the profile is {profile}"
    if law.until is not None and profile > SdkVersion.parse(law.until):
        return f"holds for clients up to {law.until}; the profile is {profile}"
    return None


def try_laws(
    laws: Iterable[Law], subject: Subject, time_now: Callable[[], float] = time.perf_counter
) -> Iterator[Outcome]:
    """Try laws one after the other."""
    for law in laws:
        yield try_law(law, subject, time_now)
