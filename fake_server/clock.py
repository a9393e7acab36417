"""Time, as something that is handed in: the system's, or one that stands still until it is moved.

Everything that waits or expires asks a `Clock`. Times are seconds since the epoch.
"""

import asyncio
import heapq
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

__all__ = ["Cancel", "Clock", "SystemClock", "VirtualClock"]

Cancel = Callable[[], object]


class Clock(Protocol):
    """What the server needs of time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call `callback` once the time is `when`; the returned function cancels that."""
        ...


class SystemClock:
    """The machine's time. `call_at` needs a running event loop."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call `callback` on the running event loop once the time is `when`."""
        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback).cancel


class VirtualClock:
    """A clock that stands still until `advance` moves it. Any thread may use it."""

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._now = start
        self._order = count()
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._lock = threading.RLock()

    def now(self) -> float:
        """Seconds since the epoch, as far as this clock was moved."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call `callback`, on the thread that advances the clock, once the time is `when`."""
        with self._lock:
            number = next(self._order)
            heapq.heappush(self._calls, (when, number, callback))
        return lambda: self._cancelled.add(number)

    def advance(self, seconds: float) -> None:
        """Move the clock and make the calls that fall due, in order of their times.

        Raises:
            ValueError: if `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"seconds: expected 0 or more, got {seconds!r}")
        end = self._now + seconds
        while due := self._pop_until(end):
            due()
        self._now = end

    def _pop_until(self, end: float) -> Callable[[], None] | None:
        with self._lock:
            while self._calls and self._calls[0][0] <= end:
                when, number, callback = heapq.heappop(self._calls)
                self._now = max(self._now, when)
                if number not in self._cancelled:
                    return callback
                self._cancelled.discard(number)
        return None
