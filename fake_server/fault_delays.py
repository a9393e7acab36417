"""Faults of time and order: requests that come late, twice, or in another order.

Times are the tenant's clock's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from pydantic import Field

from fake_server.fault import Blow, Fault
from fake_server.occasions import roll
from fake_server.traffic import Serve
from fake_server.wire import Answer

__all__ = ["Duplicate", "Latency", "Reorder"]


class Latency(Fault):
    """The request reaches the service late."""

    kind: Literal["latency"] = "latency"
    seconds: float = Field(default=0.0, ge=0)
    jitter: float = Field(default=0.0, ge=0)
    """Seconds more at most, rolled from the seed and the call's number."""

    def seconds_of(self, call: int) -> float:
        """How late a call is."""
        return self.seconds + self.jitter * roll(self.when.seed, "jitter", call)

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Wait, then serve."""
        await blow.park(self.seconds_of(blow.call))
        return await serve()


class Duplicate(Fault):
    """The request is delivered more than once, as by a proxy that tries again by itself."""

    kind: Literal["duplicate"] = "duplicate"
    copies: int = Field(default=2, ge=2, le=100)
    answer: Literal["first", "last"] = "first"
    """Which answer the client gets."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Serve again and again."""
        first = await serve()
        told = blow.exchange.answer
        for _ in range(self.copies - 1):
            last = await serve()
        if self.answer == "last":
            return last
        blow.exchange.answer = told
        return first


class Reorder(Fault):
    """Requests wait for each other, and are served in the reverse of the order in which they came.

    One that waits longer than `patience` lets all go that wait by then. A request of a client that does one
    thing after the other is late by that much, and nothing is reordered.
    """

    kind: Literal["reorder"] = "reorder"
    window: int = Field(default=2, ge=2, le=10_000)
    """Requests that wait for each other."""
    patience: float = Field(default=1.0, gt=0)
    """Seconds."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Wait for the others, then for those that go before it."""
        turns: _Turns = blow.standing.memory.setdefault("turns", _Turns())
        turn = _Turn()
        try:
            turns.waiting.append(turn)
            if len(turns.waiting) < self.window:
                await blow.wait(self.patience, turn.wakes, lambda: turn not in turns.waiting)
            if turn in turns.waiting:
                turns.start()
            await blow.wait(inf, turn.wakes, lambda: turns.order[0] is turn)
            return await serve()
        finally:
            turns.leave(turn)


@dataclass(slots=True, eq=False)
class _Turn:
    wakes: list[Callable[[], None]] = field(default_factory=list)
    """What wakes the request that waits for it."""


@dataclass(slots=True, eq=False)
class _Turns:
    waiting: list[_Turn] = field(default_factory=list)
    """Those that wait for more, in the order in which they came."""
    order: list[_Turn] = field(default_factory=list)
    """Those that wait for their turn; the first has it."""

    def start(self) -> None:
        """All that wait go, the last one first."""
        self.order += reversed(self.waiting)
        self.waiting.clear()
        self._wake()

    def leave(self, turn: _Turn) -> None:
        """It was served, or its client left."""
        for turns in (self.waiting, self.order):
            turns[:] = [other for other in turns if other is not turn]
        self._wake()

    def _wake(self) -> None:
        for turn in self.order:
            for wake in turn.wakes[:]:
                wake()
