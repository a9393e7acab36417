"""Usage: tokens and checkpoints counted by hour, for the billing operations."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple

__all__ = ["Bucket", "Kind", "Usage"]

Kind = Literal["training", "sampling_prefill", "sampling_sample", "checkpoint"]
HOUR = 3600


class Bucket(NamedTuple):
    """What is counted together."""

    hour: int
    """First second of the hour."""
    kind: Kind
    base_model: str
    session_id: str


class Usage:
    """All counts of a tenant. Any thread may use it."""

    __slots__ = ("_counts", "_lock")

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._counts: Counter[Bucket] = Counter()
        self._lock = lock

    def add(self, now: float, kind: Kind, base_model: str, session_id: str, count: int) -> None:
        """Count `count` tokens or checkpoints."""
        if count:
            with self._lock:
                self._counts[Bucket(int(now) // HOUR * HOUR, kind, base_model, session_id)] += count

    def counts(self) -> dict[Bucket, int]:
        """All counts as they are now."""
        with self._lock:
            return dict(self._counts)

    def restore(self, counts: Mapping[Bucket, int]) -> None:
        """Have these counts in the place of all others."""
        with self._lock:
            self._counts = Counter(counts)

    def between(self, start: float, end: float) -> Iterator[tuple[Bucket, int]]:
        """Counts of the hours from `start` up to `end`, by hour and then largest first."""
        with self._lock:
            chosen = [(b, n) for b, n in self._counts.items() if start <= b.hour < end]
        return iter(sorted(chosen, key=lambda row: (row[0].hour, -row[1], row[0])))
