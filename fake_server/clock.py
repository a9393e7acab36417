"""Time, as something that is handed in: the system's, or one that stands still until it is moved.

Everything that waits or expires asks a `Clock`. Times are seconds since the epoch.
"""

import asyncio
import threading
import time
from bisect import bisect_left, insort
from collections.abc import Callable
from functools import partial
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
        """Those to come, in order."""
        self._lock = threading.Lock()
        """Held while the calls are read or changed."""
        self._turn = threading.RLock()
        """Held by the thread that advances; others wait, so that their seconds add up."""

    def now(self) -> float:
        """Seconds since the epoch, as far as this clock was moved."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call `callback`, on the thread that advances the clock, once the time is `when`, now or later."""
        number = next(self._order)
        with self._lock:
            waits = when > self._now
            if waits:
                insort(self._calls, (when, number, callback))
        if not waits:
            callback()
        return partial(self._cancel, when, number)

    def _cancel(self, when: float, number: int) -> None:
        with self._lock:
            at = bisect_left(self._calls, (when, number))
            if self._calls[at : at + 1] and self._calls[at][1] == number:
                del self._calls[at]

    def advance(self, seconds: float) -> None:
        """Move the clock and make the calls that fall due, in order of their times.

        A call may advance the clock itself.

        Raises:
            ValueError: if `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"seconds: expected 0 or more, got {seconds!r}")
        with self._turn:
            end = self._now + seconds
            while due := self._pop_until(end):
                due()

    def _pop_until(self, end: float) -> Callable[[], None] | None:
        """The next call, with the clock at its time; None with the clock at `end`, where no call is left."""
        with self._lock:
            if self._calls and self._calls[0][0] <= end:
                when, _, callback = self._calls.pop(0)
                self._now = max(self._now, when)
                return callback
            self._now = max(self._now, end)
        return None
