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
LATEST = 253_402_300_799.0
"""The last second of the year 9999; dates, in answers and logs, end there. Source: datetime.MAXYEAR."""


def _nothing() -> None:
    pass


class Clock(Protocol):
    """What the server needs of time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call `callback` once the time is `when`; the returned function cancels that."""
        ...


class SystemClock:
    """The machine's time, or one that is ahead of it. `call_at` needs a running event loop."""

    def __init__(self, ahead_seconds: float = 0.0) -> None:
        self._ahead_seconds = ahead_seconds

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self._ahead_seconds

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call `callback` on the running event loop once the time is `when`.

        The loop's own time is another: where its timer is early by a hair, it is set again.
        """
        loop = asyncio.get_running_loop()
        timer = loop.call_later(max(0.0, when - self.now()), lambda: due())

        def due() -> None:
            nonlocal timer
            early = when - self.now()
            if early > 0:
                timer = loop.call_later(early, due)
            else:
                callback()

        return lambda: timer.cancel()


class VirtualClock:
    """A clock that stands still until `advance` moves it. Any thread may use it.

    Args:
        start: its first time, in seconds since the epoch.
        auto: whether it moves by itself, to the next call, while all requests of its tenant wait for it.
    """

    def __init__(self, start: float = 1_750_000_000.0, *, auto: bool = False) -> None:
        self._now = start
        self._auto = auto
        self.on_change: Callable[[], None] = _nothing
        """Called when there may be something new to move to, or the clock begins to move by itself."""
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

    @property
    def auto(self) -> bool:
        """Whether it moves by itself while all requests of its tenant wait for it."""
        return self._auto

    @auto.setter
    def auto(self, on: bool) -> None:
        self._auto = on
        self.on_change()

    @property
    def calls(self) -> int:
        """How many calls are to come."""
        return len(self._calls)

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call `callback`, on the thread that advances the clock, once the time is `when`, now or later."""
        number = next(self._order)
        with self._lock:
            waits = when > self._now
            if waits:
                insort(self._calls, (when, number, callback))
        if not waits:
            callback()
        self.on_change()
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
            ValueError: if `seconds` is negative or no number, or leads to a time that no calendar has.
        """
        if not seconds >= 0:  # NaN is neither
            raise ValueError(f"seconds: expected 0 or more, got {seconds!r}")
        with self._turn:
            end = self._now + seconds
            if end > LATEST:
                raise ValueError(f"seconds: expected a time before the year 10000, got {seconds!r} from now")
            while due := self._pop_until(end):
                due()
        self.on_change()

    def skip(self) -> bool:
        """Move to the time of the next call and make it; returns whether there was one.

        Not while another thread advances: then that one moves the clock.
        """
        if not self._turn.acquire(blocking=False):
            return False
        try:
            with self._lock:
                end = self._calls[0][0] if self._calls and self._calls[0][0] <= LATEST else None
            due = None if end is None else self._pop_until(end)
            if due is not None:
                due()
            return due is not None
        finally:
            self._turn.release()

    def move_to(self, now: float) -> None:
        """Set the clock. Forward, the calls that fall due are made; back, those that were made stay made."""
        self.advance(max(0.0, now - self._now))
        with self._lock:
            self._now = now

    def _pop_until(self, end: float) -> Callable[[], None] | None:
        """The next call, with the clock at its time; None with the clock at `end`, where no call is left."""
        with self._lock:
            if self._calls and self._calls[0][0] <= max(end, self._now):  # a call may have moved the time
                when, _, callback = self._calls.pop(0)
                self._now = max(self._now, when)
                return callback
            self._now = max(self._now, end)
        return None
