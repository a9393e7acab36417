"""`Journal`: what a tenant was asked and what it answered, decoded, in the order of the answers."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from pydantic_core import to_jsonable_python

from contract import ApiError
from fake_server.traffic import Exchange

__all__ = ["Journal", "as_fields"]

MOST_ENTRIES = 10_000
"""Ours: entries that are kept, with their bodies; older ones are counted and dropped."""


class Journal:
    """The exchanges of a tenant that are over, oldest first. Keys and tokens are never in it."""

    def __init__(self, limit: int = MOST_ENTRIES) -> None:
        self._entries: deque[Exchange] = deque(maxlen=limit)
        self.total = 0
        """How many there were, those that were dropped included."""

    def add(self, exchange: Exchange) -> None:
        """Take an exchange that is over."""
        self._entries.append(exchange)
        self.total += 1

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.total = 0

    def __iter__(self) -> Iterator[Exchange]:
        """All entries that are kept, oldest first."""
        return iter(list(self._entries))

    def __len__(self) -> int:
        """How many entries are kept."""
        return len(self._entries)


def as_fields(exchange: Exchange) -> dict[str, Any]:
    """An entry as JSON has it."""
    return {
        "number": exchange.number,
        "operation": exchange.operation,
        "arrived_at": exchange.arrived_at,
        "answered_at": exchange.answered_at,
        "sdk_version": str(exchange.sdk_version),
        "retry_count": exchange.retry_count,
        "idempotency_key": exchange.idempotency_key,
        "status": exchange.status,
        "faults": list(exchange.faults),
        "unknown_fields": list(exchange.unknown_fields),
        "request": _plain(exchange.request),
        "answer": _plain(exchange.answer),
    }


def _plain(value: object) -> Any:
    if isinstance(value, ApiError):
        return {"detail": value.detail}
    return to_jsonable_python(value, inf_nan_mode="strings", bytes_mode="base64", fallback=repr)
