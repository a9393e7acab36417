"""`AuditLog`: the latest of what was done, and the truth about what is no longer kept."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from contract import AuditLogEntry

__all__ = ["Audit", "AuditLog"]

NEVER = datetime.min.replace(tzinfo=UTC)
MOST_ENTRIES = 10_000
"""Ours: entries that are kept; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What is in a log at one moment."""

    entries: tuple[AuditLogEntry, ...] = ()
    dropped: int = 0
    dropped_from: datetime = NEVER
    dropped_until: datetime = NEVER


class AuditLog:
    """What was done, oldest first."""

    def __init__(self, most_entries: int = MOST_ENTRIES) -> None:
        self._entries: deque[AuditLogEntry] = deque()
        self._most_entries = most_entries
        self._dropped = 0
        self._dropped_from = self._dropped_until = NEVER
        """Times of the first and the last entry that were dropped."""

    def add(self, entry: AuditLogEntry) -> None:
        """Take an entry."""
        self._entries.append(entry)
        if len(self._entries) > self._most_entries:
            gone = self._entries.popleft()
            self._dropped_from = self._dropped_from if self._dropped else gone.timestamp
            self._dropped_until = gone.timestamp
            self._dropped += 1

    def state(self) -> Audit:
        """All entries as they are now."""
        return Audit(tuple(self._entries), self._dropped, self._dropped_from, self._dropped_until)

    def restore(self, state: Audit) -> None:
        """Have these entries in the place of all others."""
        self._entries = deque(state.entries)
        self._dropped = state.dropped
        self._dropped_from, self._dropped_until = state.dropped_from, state.dropped_until

    def of(self, day: date, resource: str = "") -> list[AuditLogEntry]:
        """A day's entries, in UTC, whose event begins with `resource`.

        Where entries that may have been the day's are no longer kept, an entry `audit_drop` comes first,
        whatever the resource; its details say how many were dropped in all, and of which time.
        """
        kept = [e for e in self._entries if e.timestamp.date() == day and e.event.startswith(resource)]
        if self._dropped and self._dropped_from.date() <= day <= self._dropped_until.date():
            return [self._told(day), *kept]
        return kept

    def _told(self, day: date) -> AuditLogEntry:
        last = min(self._dropped_until, datetime.combine(day, time.max, UTC))
        details: dict[str, object] = {
            "dropped": self._dropped,
            "from": self._dropped_from.isoformat(),
            "until": self._dropped_until.isoformat(),
            "kept": self._most_entries,
        }
        return AuditLogEntry(timestamp=last, event="audit_drop", event_details=details)
