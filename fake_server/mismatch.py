"""`JournalMismatch`: a claim about a journal that is not true, and what comes nearest to it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fake_server.entries import Entry
from fake_server.selectors import MISSING, matches, value_at

__all__ = ["JournalMismatch", "brief", "counted", "differing", "nearest", "shown"]

_UUID = re.compile(r"([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Ids are long; their first eight digits tell them apart."""
MOST_LETTERS = 80
SHOWN = 2
"""Ours: nearest entries in a message; more are not read."""
Differences = Mapping[str, tuple[Any, Any]]
"""By name: what is expected and what is there."""


class JournalMismatch(AssertionError):
    """A claim that is not true: what was expected, the nearest entries, and a fix in one line."""

    def __init__(self, claim: str, lines: Sequence[str], fix: str) -> None:
        self.claim, self.lines, self.fix = claim, tuple(lines), fix
        super().__init__("\n".join([claim, *(f"  {line}" for line in lines), f"  fix: {fix}"]))


def differing(entry: Entry, fields: Mapping[str, Any]) -> Differences:
    """The fields of an entry that are not as expected; of objects, the parts."""
    found: dict[str, tuple[Any, Any]] = {}
    for name, expected in fields.items():
        actual = value_at(entry, name)
        if matches(expected, actual):
            continue
        if isinstance(expected, Mapping) and isinstance(actual, Mapping):
            for part, value in expected.items():
                if not matches(value, actual.get(part, MISSING)):
                    found[f"{name}.{part}"] = (value, actual.get(part, MISSING))
        else:
            found[name] = (expected, actual)
    return found


def nearest(entries: Iterable[Entry], fields: Mapping[str, Any]) -> list[Entry]:
    """Those that differ in the fewest fields, the newest first among equals."""
    ranked = sorted(entries, key=lambda entry: (len(differing(entry, fields)), -entry.number))
    return ranked[:SHOWN]


def shown(entry: Entry, differences: Differences | None = None) -> str:
    """An entry in one line, and a line for each difference."""
    number = "" if entry.seq_id is None else f", seq_id {entry.seq_id}"
    owner = entry.model_id or entry.session_id
    of = "" if owner is None else ", " + _UUID.sub(r"\1…", owner)
    faults = "" if not entry.faults else f", faults {', '.join(entry.faults)}"
    status = entry.status or "no answer"
    lines = [f"#{entry.number} {entry.operation}{number}: {status}{of}{faults}"]
    for name, (expected, actual) in (differences or {}).items():
        lines.append(f"    {name}: expected {brief(expected)}, got {brief(actual)}")
    return "\n  ".join(lines)


def counted(calls: Iterable[Entry]) -> str:
    """What there is instead, where there is nothing of the kind."""
    counts = Counter(entry.operation for entry in calls)
    if not counts:
        return "no request has come; does the client have the fake's URL (tinker_fake.env())?"
    told = ", ".join(f"{name} x{count}" for name, count in counts.most_common(6))
    return f"look at what came: {told}"


def brief(value: Any) -> str:
    """A value as Python writes it, cut where it is long; functions by their name."""
    text = getattr(value, "__name__", None) or repr(value)
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"
