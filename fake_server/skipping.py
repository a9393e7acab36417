"""`Skipper`: moves a tenant's virtual clock on while everybody waits for it.

Everything is at rest when each open request waits, and no work is queued, running or promised. Then the time
goes to the next call of the clock. Its event loop has to be quiet for a few rounds first, so that what has
arrived already is served before.
"""

import logging
import threading
from asyncio import AbstractEventLoop
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING

from fake_server.clock import Clock, VirtualClock
from fake_server.traffic import Wait

if TYPE_CHECKING:
    from fake_server.service import Service

__all__ = ["Skipper", "report"]

QUIET_ROUNDS = 5
"""Ours: rounds of the event loop without a change before the time moves; clients in process need a few."""
IDLE_PAUSE_SECONDS = 0.02
"""Ours: real time between moves to the end of polls where nothing else is to come: they would only race."""
GAP_PAUSE_SECONDS = 1.0
"""Ours: real time before moves while a number is missing whose client polls for nothing: it is submitting."""
IDLE_MOVES = 20
"""Ours: so many of them in a row, 10 minutes of polls, are told as a stall."""

log = logging.getLogger("tinkerproof")


class Skipper:
    """Watches one tenant. What it does on a clock that does not move by itself is nothing."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._lock = threading.Lock()
        self._loop: AbstractEventLoop | None = None
        """Where a move is being considered."""
        self._idle_moves = 0
        self._told = -1
        """The state of the traffic that was told as a stall."""
        self.stalls = 0
        """How often nothing was to come for those who waited."""
        service.traffic.on_rest = service.load.on_rest = self.consider
        self.attach(service.clock)

    def attach(self, clock: Clock) -> None:
        """Watch this clock."""
        if isinstance(clock, VirtualClock):
            clock.on_change = self.consider
            self.consider()

    def consider(self) -> None:
        """Something came to rest. Any thread may call."""
        if not self._may_move():
            return
        with self._lock:
            running = self._loop is not None and self._loop.is_running()
            loops = [wait.loop for wait in self._service.traffic.waits if wait.loop.is_running()]
            if running or not loops:
                return
            self._loop = loops[0]
        loops[0].call_soon_threadsafe(self._round, loops[0], QUIET_ROUNDS, self._state(), False)

    def _may_move(self) -> bool:
        clock = self._service.clock
        if not (isinstance(clock, VirtualClock) and clock.auto):
            return False
        traffic = self._service.traffic
        return traffic.rests and self._service.load.now == 0 and not traffic.ended

    def _state(self) -> int:
        return self._service.traffic.changes + self._service.load.begun

    def _round(self, loop: AbstractEventLoop, rounds: int, state: int, paused: bool) -> None:
        """Look whether everything still rests; move the time after enough rounds of that."""
        if not self._may_move():
            self._loop = None
            self.consider()  # again: another thread may have found a move being considered just now
        elif (now := self._state()) != state:
            loop.call_soon(self._round, loop, QUIET_ROUNDS, now, False)
        elif rounds:
            loop.call_soon(self._round, loop, rounds - 1, state, paused)
        elif not paused and (pause := self._pause()):
            loop.call_later(pause, self._round, loop, 0, state, True)
        else:
            self._loop = None
            self._move(idle=paused)

    def _pause(self) -> float:
        """Real seconds before the next move: none, unless it would only race."""
        service = self._service
        with service.lock:
            polled = {_request_id(wait) for wait in service.traffic.waits}
            owners = {future.owner for future in service.futures if future.request_id in polled}
        if set(service.lanes.stalled) - owners:
            return GAP_PAUSE_SECONDS
        return IDLE_PAUSE_SECONDS if self._is_idle() else 0.0

    def _is_idle(self) -> bool:
        """Whether the clock would only end polls that are asked again at once."""
        clock = self._service.clock
        assert isinstance(clock, VirtualClock)
        idle = sum(wait.idle and wait.until < inf for wait in self._service.traffic.waits)
        return 0 < clock.calls <= idle

    def _move(self, *, idle: bool) -> None:
        service, clock = self._service, self._service.clock
        with service.lock:  # no handler runs now
            if not self._may_move():
                return
            assert isinstance(clock, VirtualClock)
            alive, moved, start = service.sessions_alive(), clock.calls > 0, clock.now()
            try:
                clock.skip()
            finally:
                service.keep_alive(alive, start)
                if moved:  # else nothing is to come before something changes, which tells us
                    self.consider()
        self._idle_moves = self._idle_moves + 1 if idle else 0
        if self._idle_moves == IDLE_MOVES or not moved:
            self._tell()

    def _tell(self) -> None:
        if self._told != (state := self._state()):
            self._told = state
            self.stalls += 1
            log.warning("nothing is to come for those who wait: %s", report(self._service))


def report(service: "Service") -> str:
    """Every open request of a tenant: what it is, since when, and until when it waits."""
    waits = {wait.exchange.number: wait for wait in service.traffic.waits}
    now = service.clock.now()
    lines = [
        f"  #{exchange.number} {exchange.operation}{_subject(exchange.request)}, "
        f"since {now - exchange.arrived_at:g} s: {_fate(waits.get(exchange.number), now)}"
        for exchange in service.traffic
    ]
    time = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    head = f"at {time}, {len(lines)} open, {service.load.now} pieces of work not done"
    return "\n".join([head, *lines])


def _subject(request: object) -> str:
    names = ("request_id", "model_id", "sampling_session_id", "session_id", "seq_id")
    values = [str(value) for name in names if (value := getattr(request, name, None)) is not None]
    return f" {' '.join(values)}" if values else ""


def _request_id(wait: Wait) -> str:
    """The future that a poll asks for; empty where it is none of one."""
    return getattr(wait.exchange.request, "request_id", "")


def _fate(wait: Wait | None, now: float) -> str:
    if wait is None:
        return "being served"
    return "waits for ever" if wait.until == inf else f"waits {wait.until - now:g} s more"
