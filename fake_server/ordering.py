"""`Sequencer`: puts operations that arrive in any order into the order of their numbers. Pure data."""

from typing import Generic, TypeVar

__all__ = ["Sequencer"]

T = TypeVar("T")


class Sequencer(Generic[T]):
    """Holds back what came too early. A missing number holds everything behind it."""

    __slots__ = ("_waiting", "next_seq_id")

    def __init__(self, next_seq_id: int = 1) -> None:
        self.next_seq_id = next_seq_id
        """The number whose turn it is."""
        self._waiting: dict[int, T | None] = {}

    def push(self, seq_id: int, item: T | None) -> list[T]:
        """Take `item` under its number and return all items whose turn has come, in order.

        None stands for a number that was used up by a rejected request.

        Raises:
            ValueError: if the number was taken or passed before.
        """
        if not self.takes(seq_id):
            raise ValueError(f"seq_id: expected a new number from {self.next_seq_id} on, got {seq_id}")
        self._waiting[seq_id] = item
        return self._ready()

    def takes(self, seq_id: int) -> bool:
        """Whether the number is still free."""
        return seq_id >= self.next_seq_id and seq_id not in self._waiting

    def _ready(self) -> list[T]:
        ready: list[T] = []
        while self.next_seq_id in self._waiting:
            item = self._waiting.pop(self.next_seq_id)
            self.next_seq_id += 1
            if item is not None:
                ready.append(item)
        return ready

    @property
    def missing(self) -> int | None:
        """The number that holds others back, or None."""
        return self.next_seq_id if self._waiting else None

    @property
    def free(self) -> int:
        """The number after all that were taken."""
        return max(self._waiting, default=self.next_seq_id - 1) + 1

    def give_up(self) -> list[T]:
        """Stop waiting for missing numbers: return all held items in order and go on behind them."""
        held = [item for _, item in sorted(self._waiting.items()) if item is not None]
        self.next_seq_id = self.free
        self._waiting.clear()
        return held
