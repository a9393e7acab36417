"""`Timekeeper`: the tenant's time, as a test author holds it."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from fake_server.clock import SystemClock, VirtualClock
from fake_server.service import Service
from fake_server.skipping import report
from fake_server.traffic import Wait

__all__ = ["Timekeeper", "Timer"]

log = logging.getLogger("tinkerproof")


class Timer(Protocol):
    """What a watchdog needs of `threading.Timer`."""

    daemon: bool

    def start(self) -> None:
        """Call the function once the seconds are over."""
        ...

    def cancel(self) -> None:
        """Do not."""
        ...


class Timekeeper:
    """The time of one tenant."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._service.clock.now()

    @property
    def is_virtual(self) -> bool:
        """Whether it moves only when it is moved, or by itself where nothing else moves."""
        return isinstance(self._service.clock, VirtualClock)

    @property
    def is_auto(self) -> bool:
        """Whether it moves by itself while all requests wait for it."""
        clock = self._service.clock
        return isinstance(clock, VirtualClock) and clock.auto

    @property
    def virtual_clock(self) -> VirtualClock:
        """The clock that can be moved.

        Raises:
            ValueError: if the time is the machine's.
        """
        clock = self._service.clock
        if not isinstance(clock, VirtualClock):
            raise ValueError(
                "clock: expected a virtual one, got the machine's, which cannot be moved; "
                'use clock.virtual(), or PUT /-/clock with {"virtual": true}'
            )
        return clock

    def virtual(self, *, auto: bool = False) -> None:
        """From now on the time stands still until it is moved.

        Args:
            auto: whether it moves by itself, to the next event, while all requests wait for it.
        """
        if self.is_virtual:
            self.virtual_clock.auto = auto
        else:
            self._service.use_clock(VirtualClock(self.now(), auto=auto))

    def system(self) -> None:
        """From now on the time goes on as the machine's does, from where it is."""
        self._service.use_clock(SystemClock(self.now() - SystemClock().now()))

    def auto(self, on: bool = True) -> AbstractContextManager[None]:
        """Let the time move by itself, or not; as a context manager, until its end.

        Raises:
            ValueError: if the time is the machine's.
        """
        clock = self.virtual_clock
        before, clock.auto = clock.auto, on
        return _restored(clock, before)

    def advance(self, seconds: float, *, heartbeats: bool = False) -> None:
        """Move the time; what falls due happens before this returns.

        Args:
            seconds: 0 or more.
            heartbeats: whether clients count as having sent their heartbeats meanwhile. The SDK sends them
                by the machine's time, so that its session ends where a lot of time passes at once.

        Raises:
            ValueError: if `seconds` is negative or leads beyond the calendar, or the time is the machine's.
        """
        clock, service = self.virtual_clock, self._service
        with service.lock:
            alive, start = service.sessions_alive(), clock.now()
        clock.advance(seconds)
        if heartbeats:
            with service.lock:
                service.keep_alive(alive, start)

    @property
    def parked(self) -> list[Wait]:
        """The requests that wait, oldest first."""
        return self._service.traffic.waits

    @property
    def stalls(self) -> int:
        """How often nothing was to come for those who waited; each is told in the log."""
        return self._service.skipper.stalls

    def report(self) -> str:
        """Every open request: what it is, since when, and until when it waits."""
        return report(self._service)

    @contextmanager
    def watchdog(
        self,
        seconds: float,
        tell: Callable[[str], object] = log.warning,
        timer: Callable[[float, Callable[[], None]], Timer] = threading.Timer,
    ) -> Iterator[None]:
        """Tell the report each time when for so many real seconds nothing moved that somebody waits for."""
        traffic, running = self._service.traffic, True
        current: Timer

        def start() -> None:
            nonlocal current
            current = timer(seconds, check(traffic.changes))
            current.daemon = True
            current.start()

        def check(before: int) -> Callable[[], None]:
            def look() -> None:
                if traffic.changes == before and any(traffic):
                    tell(f"nothing moved for {seconds:g} s: {self.report()}")
                if running:
                    start()

            return look

        start()
        try:
            yield
        finally:
            running = False
            current.cancel()


@contextmanager
def _restored(clock: VirtualClock, auto: bool) -> Iterator[None]:
    try:
        yield
    finally:
        clock.auto = auto
