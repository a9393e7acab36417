"""`Record`: what came of a run, as plain values. Its JSON is the report for machines."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field

__all__ = ["Exchanged", "Record", "Row", "RowVerdict", "Stale", "expectation"]

RowVerdict = Literal["holds", "broken", "error", "known", "skipped"]
"""`error`: the law itself failed, which proves nothing. `known`: it does not hold, as the baseline says."""
EXPECTATION = re.compile(r"(?s)(?:(?P<what>.*?): )?expected (?P<expected>.*?), got (?P<got>.*)\Z")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Exchanged(_Frozen):
    """One request and its answer. Long bodies are cut; there are no keys in them."""

    method: str
    path: str
    request: str
    status: int
    """0 where no answer came; `answer` says why."""
    answer: str


class Row(_Frozen):
    """One law or scenario, and what came of it."""

    id: str
    statement: str
    source: str
    breaks: str
    """How it is usually broken, and what that does to users."""
    verdict: RowVerdict
    text: str = ""
    """What was expected and what came; the reason of a skip; empty where the law holds."""
    excuse: str = ""
    """The baseline's reason for a failure that is known."""
    seconds: float = 0.0
    trace: tuple[Exchanged, ...] = ()
    """The last requests of a law that does not hold, oldest first."""
    details: Mapping[str, str] = {}
    """What else is told of one that does not hold: of a client its exit status and what it printed."""

    @property
    def group(self) -> str:
        """The letters of its id."""
        return self.id.partition("-")[0]

    @property
    def fails(self) -> bool:
        """Whether it fails the run."""
        return self.verdict in ("broken", "error")


class Stale(_Frozen):
    """An entry of the baseline that fails the run."""

    id: str
    text: str


class Record(_Frozen):
    """What came of a run."""

    version: Literal[1] = 1
    """Of this form."""
    kind: Literal["server", "client"] = "server"
    """What was judged."""
    subject: str
    """Its name: a URL, or a command."""
    about: Mapping[str, str] = {}
    """What else is told of the run: base model, profile."""
    started_at: str
    """ISO 8601, UTC."""
    seconds: float
    groups: Mapping[str, str]
    """Words for the letters before the numbers, in the order of the reports."""
    rows: tuple[Row, ...]
    stale: tuple[Stale, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def counts(self) -> dict[RowVerdict, int]:
        """How many laws there are of each verdict."""
        return _counts(self.rows)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tried(self) -> int:
        """How many laws were tried: all but the skipped ones."""
        return len(self.rows) - self.counts["skipped"]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def percent(self) -> int:
        """Of the laws that were tried, how many hold; 100 only where all do, 0 where none was tried."""
        return self.counts["holds"] * 100 // self.tried if self.tried else 0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether laws were tried, none of them failed but those the baseline knows, and that one is true."""
        return bool(self.tried) and not self.stale and not any(row.fails for row in self.rows)

    @property
    def headline(self) -> str:
        """All of it in a sentence."""
        counts, noun = self.counts, "laws" if self.kind == "server" else "scenarios"
        if not self.tried:
            return f"no {noun} were tried, which proves nothing; {counts['skipped']} skipped"
        words = {
            "broken": "broken",
            "error": "could not be judged",
            "known": "known to be broken",
            "skipped": "skipped",
        }
        rest = [f"{counts[name]} {words[name]}" for name in ("broken", "error", "known") if counts[name]]
        rest += [f"{counts['skipped']} skipped"] if counts["skipped"] else []
        rest += [f"{len(self.stale)} stale in the baseline"] if self.stale else []
        hold = f"{counts['holds']} of {self.tried} {noun} hold ({self.percent} %)"
        return ", ".join([hold, *rest])

    @property
    def failures(self) -> tuple[Row, ...]:
        """Rows that fail the run."""
        return tuple(row for row in self.rows if row.fails)

    def reasons(self, verdict: Literal["known", "skipped"]) -> dict[str, tuple[str, ...]]:
        """Why laws fail no run though they do not hold, each reason with the ids that it concerns."""
        found: dict[str, tuple[str, ...]] = {}
        for row in self.rows:
            if row.verdict == verdict:
                reason = row.excuse if verdict == "known" else row.text
                found[reason] = (*found.get(reason, ()), row.id)
        return found

    def of_groups(self) -> dict[str, tuple[Row, ...]]:
        """The rows of each group that has any."""
        known = dict.fromkeys((*self.groups, *(row.group for row in self.rows)))
        groups = {group: tuple(row for row in self.rows if row.group == group) for group in known}
        return {group: rows for group, rows in groups.items() if rows}

    def counts_of(self, group: str) -> dict[RowVerdict, int]:
        """How many laws of a group there are of each verdict."""
        return _counts(self.of_groups()[group])


def _counts(rows: tuple[Row, ...]) -> dict[RowVerdict, int]:
    found = Counter(row.verdict for row in rows)
    order: tuple[RowVerdict, ...] = ("holds", "broken", "error", "known", "skipped")
    return {verdict: found[verdict] for verdict in order}


def expectation(text: str) -> tuple[str, str, str] | None:
    """What, what was expected, and what came, where a text says these in the usual words."""
    if (found := EXPECTATION.match(text)) is None:
        return None
    return found["what"] or "", found["expected"], found["got"]
