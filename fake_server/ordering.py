"""`Sequencer`: puts operations that arrive in any order into the order of their numbers. Pure data."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["Sequencer"]

T = TypeVar("T")
MOST_USED_UP = 1000
"""Ours: used up numbers ahead of their turn that are remembered; clients have a few at a time, if any."""


class Sequencer(Generic[T]):
    """Holds back what came too early. A missing number holds every item behind it."""

    __slots__ = ("_used_up", "_waiting", "next_seq_id")

    def __init__(self, next_seq_id: int = 1, used_up: Iterable[int] = ()) -> None:
        self.next_seq_id = next_seq_id
        """The number whose turn it is."""
        self._waiting: dict[int, T] = {}
        self._used_up = set(used_up)
        """Numbers without an item that are still to come."""

    @property
    def used_up(self) -> frozenset[int]:
        """Numbers ahead that no item will come with."""
        return frozenset(self._used_up)

    def __iter__(self) -> Iterator[T]:
        """All items that are held back."""
        return iter(self._waiting.values())

    def push(self, seq_id: int, item: T | None) -> list[T]:
        """Take `item` under its number and return all items whose turn has come, in order.

        None stands for a number that was used up by a rejected request. Such a number waits for nobody, and
        however far ahead it is, the order goes on without it.

        Raises:
            ValueError: if the number was taken or passed before.
        """
        if not self.takes(seq_id):
            raise ValueError(f"seq_id: expected a new number from {self.next_seq_id} on, got {seq_id}")
        if item is None:
            self._used_up.add(seq_id)
            if len(self._used_up) > MOST_USED_UP:
                self._used_up.remove(max(self._used_up))
        else:
            self._waiting[seq_id] = item
        return self._ready()

    def takes(self, seq_id: int) -> bool:
        """Whether the number is still free."""
        return seq_id >= self.next_seq_id and seq_id not in self._waiting and seq_id not in self._used_up

    def _ready(self) -> list[T]:
        ready: list[T] = []
        while True:
            if self.next_seq_id in self._waiting:
                ready.append(self._waiting.pop(self.next_seq_id))
            elif self.next_seq_id in self._used_up:
                self._used_up.remove(self.next_seq_id)
            else:
                return ready
            self.next_seq_id += 1

    @property
    def missing(self) -> int | None:
        """The number that holds others back, or None."""
        return self.next_seq_id if self._waiting else None

    @property
    def free(self) -> int:
        """The first number after all items that was not used up."""
        number = max(self._waiting, default=self.next_seq_id - 1) + 1
        while number in self._used_up:
            number += 1
        return number

    def give_up(self) -> list[T]:
        """Stop waiting for missing numbers: return all held items in order and go on behind them."""
        held = [item for _, item in sorted(self._waiting.items())]
        self.next_seq_id = self.free
        self._waiting.clear()
        self._used_up = {number for number in self._used_up if number > self.next_seq_id}
        return held
