"""`recorded`: the outcomes of laws or scenarios as a `Record`, with what a baseline knows of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from contract.laws.baseline import Baseline, Judged
from contract.laws.law import GROUPS
from contract.laws.reports.record import Exchanged, Record, Row, RowVerdict, Stale
from contract.laws.reports.scrubbing import Scrubber

__all__ = ["Case", "Request", "Tried", "recorded"]

MOST_TEXT = 2000
"""Ours: characters of what a law says of a failure; a server's answer may be in it."""


class Case(Protocol):
    """A law, or a scenario."""

    @property
    def id(self) -> str:
        """Its letters and number."""
        ...

    @property
    def statement(self) -> str:
        """One sentence."""
        ...

    @property
    def source(self) -> str:
        """Where it comes from."""
        ...

    @property
    def breaks(self) -> str:
        """How it is usually broken."""
        ...


class Request(Protocol):
    """A request and its answer, as texts."""

    @property
    def method(self) -> str:
        """Of HTTP."""
        ...

    @property
    def path(self) -> str:
        """Below the base URL."""
        ...

    @property
    def request(self) -> str:
        """Its body."""
        ...

    @property
    def status(self) -> int:
        """0 where no answer came."""
        ...

    @property
    def answer(self) -> str:
        """Its body."""
        ...


class Tried(Judged, Protocol):
    """What came of a law or a scenario."""

    @property
    def case(self) -> Case:
        """What was tried."""
        ...

    @property
    def verdict(self) -> Literal["holds", "broken", "error", "skipped"]:
        """What came of it."""
        ...

    @property
    def text(self) -> str:
        """What was expected and what came."""
        ...

    @property
    def seconds(self) -> float:
        """How long it took."""
        ...

    @property
    def trace(self) -> Sequence[Request]:
        """Its requests, where it does not hold."""
        ...

    @property
    def details(self) -> Mapping[str, str]:
        """What else is told of it, by name."""
        ...


def recorded(
    outcomes: Sequence[Tried],
    subject: str,
    *,
    started_at: datetime,
    known_ids: Collection[str],
    kind: Literal["server", "client"] = "server",
    groups: Mapping[str, str] = GROUPS,
    seconds: float | None = None,
    about: Mapping[str, str] | None = None,
    baseline: Baseline | None = None,
    secrets: Collection[str] = (),
) -> Record:
    """What came of laws or scenarios.

    Args:
        outcomes: in the order of the report.
        subject: the server's URL, or the client's command.
        started_at: with a time zone; its day is the one on which excuses expire.
        known_ids: of all that there are, tried or not.
        kind: what was judged.
        groups: words for the letters before the numbers.
        seconds: how long all took; the sum of all where absent, as where one follows the other.
        about: what else to tell of the run.
        baseline: failures that are known.
        secrets: keys that must not be shown.
    """
    baseline, scrubber, today = baseline or Baseline(), Scrubber(secrets), started_at.date()
    stale = baseline.stale(outcomes, known_ids, today)
    total = sum(outcome.seconds for outcome in outcomes) if seconds is None else seconds
    return Record(
        kind=kind,
        subject=scrubber.clean(subject),
        about={name: scrubber.clean(value) for name, value in (about or {}).items()},
        started_at=started_at.isoformat(timespec="seconds"),
        seconds=round(total, 3),
        groups=groups,
        rows=tuple(_row(outcome, baseline.excuse(outcome, today), scrubber) for outcome in outcomes),
        stale=tuple(Stale(id=law_id, text=text) for law_id, text in stale.items()),
    )


def _row(outcome: Tried, excuse: str, scrubber: Scrubber) -> Row:
    law = outcome.case
    verdict: RowVerdict = "known" if excuse else outcome.verdict
    return Row(
        id=law.id,
        statement=law.statement,
        source=law.source,
        breaks=law.breaks,
        verdict=verdict,
        text=scrubber.clean(_short(outcome.text)),
        excuse=scrubber.clean(excuse),
        details={name: scrubber.clean(_end_of(text)) for name, text in outcome.details.items()},
        seconds=round(outcome.seconds, 3),
        trace=tuple(
            Exchanged(
                method=each.method,
                path=scrubber.clean(each.path),
                request=scrubber.clean(each.request),
                status=each.status,
                answer=scrubber.clean(each.answer),
            )
            for each in outcome.trace
        ),
    )


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}… ({len(text)} characters)"


def _end_of(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"… {text[-MOST_TEXT:]}"
