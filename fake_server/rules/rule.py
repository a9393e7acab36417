"""What a rule is, and what it finds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fake_server.entries import Entry
from fake_server.history import History

__all__ = ["Check", "Finding", "Found", "Rule", "Severity"]

Severity = Literal["error", "warning", "note"]
"""Errors spoil results; warnings cost time, or fail on a worse day; notes are for information."""


class Found(NamedTuple):
    """One place where a rule is broken."""

    detail: str
    """What happened there, with numbers."""
    entries: Sequence[Entry]
    """What shows it."""


Check = Callable[[History], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that a client should not do."""

    id: str
    severity: Severity
    title: str
    why: str
    """What comes of it."""
    fix: str
    """What to do instead, in one line."""
    check: Check


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that was broken, where, and what shows it."""

    rule: Rule
    detail: str
    evidence: tuple[int, ...]
    """Numbers of journal entries."""
