"""`Shelf`: the entries of a cassette in play; finds the one that answers a request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fake_server.cassettes.cassette import DOWNLOAD, Entry
from fake_server.cassettes.misses import differences, told
from fake_server.cassettes.takes import CONFIGURATION, numbered
from fake_server.cassettes.values import ROWS, as_text, compared

__all__ = ["Shelf", "Slot"]

FORGIVEN = frozenset({*CONFIGURATION, DOWNLOAD, "finish_session"})
"""May stay unused: how often they come is up to the client's life, not to the code under test."""
MOST_COMPARED = 500
"""Ours: entries that a miss is compared with."""


@dataclass(slots=True, eq=False)
class Slot:
    """An entry and what has become of it."""

    number: int
    """From 1, the line after the first."""
    entry: Entry
    wanted: Any
    """Its request as requests are compared."""
    used: bool = False
    pending: list[Any] = field(default_factory=list)

    def __str__(self) -> str:
        lane = f" of {self.entry.lane}" if self.entry.lane else ""
        number = "" if self.entry.seq_id is None else f", seq_id {self.entry.seq_id}"
        return f"entry {self.number} ({self.entry.operation}{lane}{number})"


class Shelf:
    """All entries, by what they answer."""

    def __init__(self, entries: Sequence[Entry], *, strict: bool) -> None:
        self._strict = strict
        self._slots: dict[str, list[Slot]] = {}
        self._by_operation: dict[str, list[Slot]] = {}
        self._given: dict[str, Slot] = {}
        """What numbered requests got: the same one again is a replay."""
        for number, entry in enumerate(entries, 1):
            if entry.operation == DOWNLOAD:
                continue
            operation, wanted = compared(ROWS[entry.operation], entry.request)
            slot = Slot(number, entry, wanted, pending=list(entry.pending))
            self._slots.setdefault(self._key(operation, wanted), []).append(slot)
            self._by_operation.setdefault(operation, []).append(slot)

    def has(self, operation: str) -> bool:
        """Whether there is any entry of the operation."""
        return operation in self._by_operation

    def _key(self, operation: str, wanted: dict[str, Any]) -> str:
        """What requests of one meaning have in common.

        The number of a sample is not: which of two samples at once gets which is left to chance by the SDK.
        """
        if operation in CONFIGURATION:
            return operation
        if operation == "asample" and "seq_id" in wanted:
            return as_text([operation, {**wanted, "seq_id": 0}])
        return as_text([operation, wanted])

    def take(self, operation: str, wanted: dict[str, Any]) -> Slot | None:
        """The entry that answers a request; None if there is none, or it is used up."""
        key = self._key(operation, wanted)
        slots = self._slots.get(key, [])
        itself = as_text([operation, wanted])
        given = self._given.get(itself)
        if given is not None and given.entry.status < 400:
            return given
        number = wanted.get("seq_id")
        fresh = [slot for slot in slots if not slot.used]
        chosen = next((slot for slot in fresh if slot.wanted.get("seq_id") == number), None)
        if chosen is None:
            again = slots[-1:] if not self._strict or operation in CONFIGURATION else []
            chosen = next(iter([*fresh, *([given] if given else []), *again]), None)
        if chosen is not None:
            chosen.used = True
            if numbered(wanted):
                self._given[itself] = chosen
        return chosen

    def nearest(self, operation: str, wanted: dict[str, Any]) -> str:
        """What a request without an entry differs in from the nearest one."""
        slots = self._by_operation.get(operation, [])
        if not slots:
            known = ", ".join(sorted(self._by_operation)) or "nothing"
            return f"expected an operation of the cassette, which has {known}; got none of them"
        found = [(differences(slot.wanted, wanted), slot) for slot in slots[:MOST_COMPARED]]
        places, slot = min(found, key=lambda pair: (len(pair[0]), pair[1].used))
        if not places:
            return f"expected at most what was recorded, got one more like {slot}"
        return f"{told(places)}; the nearest is {slot}"

    def unused(self) -> list[str]:
        """Entries that answered nothing, in the order of the file."""
        slots = [slot for slots in self._by_operation.values() for slot in slots]
        left = [slot for slot in slots if not slot.used and slot.entry.operation not in FORGIVEN]
        return [str(slot) for slot in sorted(left, key=lambda slot: slot.number)]
