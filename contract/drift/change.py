"""`Change`: one difference between two releases of the SDK, and what it means for whom."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["SEVERITIES", "Change", "Drift", "Severity", "by_severity"]

Severity: TypeAlias = Literal["breaking", "additive", "compatible"]
SEVERITIES: dict[Severity, str] = {
    "breaking": "a server, or a program, that did for the older release fails with the newer",
    "additive": "seen by a server; one that ignores it keeps working",
    "compatible": "nothing that a server sees",
}
"""From the worst."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    severity: Severity
    place: str
    """What differs: `request header accept`, `type SampleRequest.seed`."""
    text: str
    """What it was, and what it is now."""
    advice: str
    """One sentence: what the author of a server or client has to do."""
    operations: tuple[str, ...] = ()
    """Names of the operations concerned."""
    words: tuple[str, ...] = ()
    """Names of fields, headers and the like, by which laws about it are found."""
    seen: bool = False
    """Whether it was observed by running both releases; else it is read in their code."""


@dataclass(frozen=True, slots=True)
class Drift:
    """All that was found between two releases."""

    older: str
    newer: str
    changes: tuple[Change, ...]
    """The worst first."""
    unchecked: tuple[str, ...] = ()
    """What could not be looked at, with the reason."""
    laws: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """By the index of a change: the ids of the laws that it concerns."""

    @property
    def verdict(self) -> Severity:
        """The worst severity; compatible where nothing differs."""
        found = {change.severity for change in self.changes}
        return next((severity for severity in SEVERITIES if severity in found), "compatible")

    @property
    def status(self) -> int:
        """Exit status: 2 where something could not be checked, else 1 where something breaks, else 0."""
        return 2 if self.unchecked else 1 if self.verdict == "breaking" else 0


def by_severity(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes, each once, the worst and those that were seen first."""
    order = list(SEVERITIES)
    unique = dict.fromkeys(changes)
    return tuple(sorted(unique, key=lambda c: (order.index(c.severity), not c.seen, c.place, c.text)))
