"""Outcomes and records of laws that were made up."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from contract.laws.baseline import Baseline, Excuse
from contract.laws.driver import Trace
from contract.laws.law import Law
from contract.laws.recording import recorded
from contract.laws.reports.record import Record
from contract.laws.trial import Outcome, Verdict

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
REQUEST = Trace("POST", "/api/v1/optim_step", '{"seq_id": 1}', 200, '{"request_id": "one"}')
SAID = {
    "holds": "",
    "broken": "request_id of the replay: expected 'one', got 'two'",
    "error": "KeyError: 'request_id'",
    "skipped": "learning: three steps lower no loss",
}


def outcome(law_id: str, verdict: Verdict = "holds", text: str | None = None, **fields: Any) -> Outcome:
    """An outcome of a law that was made up."""
    law = Law(law_id, f"What {law_id} says.", "a source", "breaks it, and users suffer", lambda _: None)
    trace = fields.pop("trace", (REQUEST,) if verdict in ("broken", "error") else ())
    return Outcome(law, verdict, SAID[verdict] if text is None else text, 0.25, trace, **fields)


def record(outcomes: Sequence[Outcome], excuses: dict[str, Excuse] | None = None, **fields: Any) -> Record:
    """A record of outcomes, with excuses for some."""
    given = {
        "started_at": NOW,
        "known_ids": {each.law.id for each in outcomes},
        "about": {"base model": "a-model", "SDK": "0.38.0"},
        "baseline": Baseline(excuses or {}),
    }
    return recorded(outcomes, "http://server", **{**given, **fields})


def mixed() -> Record:
    """A record with each of the verdicts, and a stale entry."""
    outcomes = [
        outcome("FUT-01"),
        outcome("FUT-02", "broken"),
        outcome("FUT-03", "error"),
        outcome("SES-01", "broken"),
        outcome("SES-02", "skipped"),
        outcome("ACC-01", "skipped"),
    ]
    return record(outcomes, {"SES-01": Excuse("not yet"), "FUT-01": Excuse("was so")})
