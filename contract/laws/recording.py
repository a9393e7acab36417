"""`recorded`: the outcomes of laws on a server as a `Record`, with what a baseline knows of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from contract.laws.baseline import Baseline
from contract.laws.law import GROUPS
from contract.laws.reports.record import Exchanged, Record, Row, RowVerdict, Stale
from contract.laws.reports.scrubbing import Scrubber
from contract.laws.trial import Outcome

__all__ = ["recorded"]

MOST_TEXT = 2000
"""Ours: characters of what a law says of a failure; a server's answer may be in it."""


def recorded(
    outcomes: Sequence[Outcome],
    subject: str,
    *,
    started_at: datetime,
    known_ids: Collection[str],
    about: Mapping[str, str] | None = None,
    baseline: Baseline | None = None,
    secrets: Collection[str] = (),
) -> Record:
    """What came of laws.

    Args:
        outcomes: in the order of the report.
        subject: the server's URL.
        started_at: with a time zone; its day is the one on which excuses expire.
        known_ids: of all laws that there are, tried or not.
        about: what else to tell of the run.
        baseline: failures that are known.
        secrets: keys that must not be shown.
    """
    baseline, scrubber, today = baseline or Baseline(), Scrubber(secrets), started_at.date()
    stale = baseline.stale(outcomes, known_ids, today)
    return Record(
        subject=scrubber.clean(subject),
        about={name: scrubber.clean(value) for name, value in (about or {}).items()},
        started_at=started_at.isoformat(timespec="seconds"),
        seconds=round(sum(outcome.seconds for outcome in outcomes), 3),
        groups=GROUPS,
        rows=tuple(_row(outcome, baseline.excuse(outcome, today), scrubber) for outcome in outcomes),
        stale=tuple(Stale(id=law_id, text=text) for law_id, text in stale.items()),
    )


def _row(outcome: Outcome, excuse: str, scrubber: Scrubber) -> Row:
    law = outcome.law
    verdict: RowVerdict = "known" if excuse else outcome.verdict
    return Row(
        id=law.id,
        statement=law.statement,
        source=law.source,
        breaks=law.breaks,
        verdict=verdict,
        text=scrubber.clean(_short(outcome.text)),
        excuse=scrubber.clean(excuse),
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
