"""`Injector`: the faults that are set on one tenant. Where none is, nothing stands before the service."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any

from contract import ApiError, Deferred, Endpoint, FutureRetrieveRequest, Operation
from fake_server.doors import Door, Doors
from fake_server.fault import Blow, Fault
from fake_server.fault_methods import FaultMethods
from fake_server.fault_refusals import Refuse
from fake_server.faults import Schedule
from fake_server.service import Service
from fake_server.traffic import Exchange, Serve
from fake_server.wire import Answer, Incoming, read

__all__ = ["Injector", "SetFault"]


@dataclass(slots=True, eq=False)
class SetFault:
    """A fault that is set, and what it has done so far."""

    fault: Fault
    calls: int = 0
    """Requests that matched it."""
    fired: int = 0
    """Requests that it struck."""
    is_set: bool = True
    """Until it is cleared."""
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def at_once(self) -> bool:
        """Whether it struck when it was set, and strikes no request."""
        return isinstance(self.fault, Refuse) and self.fault.at_once

    def __str__(self) -> str:
        return f"{self.fault}: struck {self.fired} of {self.calls} calls"


class Injector(FaultMethods):
    """All faults of a tenant, the first outermost. Any thread may use it."""

    def __init__(self, service: Service, doors: Doors) -> None:
        self._service = service
        self._doors = doors
        self._door: Door | None = None
        self._set: list[SetFault] = []
        self._lock = threading.Lock()
        """Held while calls are counted, faults set, and the door opened."""
        self._shut_until = 0.0
        self.url_is_known = False
        """Whether somebody was given the tenant's url: too late to give it a door of its own."""

    def add(self, schedule: Schedule) -> list[SetFault]:
        """Set all faults of a schedule; their counts begin at 0."""
        return [self.set(fault) for fault in schedule.faults]

    def set(self, fault: Fault) -> SetFault:
        """Set a fault, inside of those that are there.

        Raises:
            RuntimeError: if it refuses connections and the tenant's url was given away before.
            LookupError: if it refuses connections and no server of tinkerproof's own runs.
        """
        if isinstance(fault, Refuse) and self._door is None and self.url_is_known:
            raise RuntimeError(
                "refuse: expected to be set before the fake's url is given to anybody, since it gets a port "
                "of its own; set it first, or use a fresh fake"
            )
        made = self._placed(fault)
        if made.at_once and self._door is not None:
            until = self._hold(made)
            self._door.shut().result()
            self._open_at(until)
        return made

    async def add_soon(self, schedule: Schedule) -> None:
        """As `add`, on the server's own loop, and however late: clients are told the new url.

        Raises:
            LookupError: if a fault refuses connections and no server of tinkerproof's own runs. None is set.
        """
        if self._door is None and any(isinstance(fault, Refuse) for fault in schedule.faults):
            self._door = self._doors.make()
        for fault in schedule.faults:
            made = self._placed(fault)
            if made.at_once:
                await self._shut(made)

    def _placed(self, fault: Fault) -> SetFault:
        made = SetFault(fault)
        if isinstance(fault, Refuse) and self._door is None:
            self._door = self._doors.make()
        made.fired += made.at_once
        with self._lock:
            self._set.append(made)
            interceptors = self._service.traffic.interceptors
            if self._intercept not in interceptors:
                interceptors.insert(0, self._intercept)
        return made

    def clear(self) -> None:
        """Take all faults away; who waits for one goes on, and the door opens."""
        with self._lock:
            gone, self._set = self._set, []
            if self._intercept in self._service.traffic.interceptors:
                self._service.traffic.interceptors.remove(self._intercept)
        for one in gone:
            one.is_set = False
        self._shut_until = 0.0
        if self._door is not None:
            self._door.open()
        self._service.traffic.wake_all()

    def close(self) -> None:
        """The tenant ends."""
        self.clear()
        if self._door is not None:
            self._door.close()

    @property
    def fired(self) -> dict[str, int]:
        """How many requests each fault struck, by what it says of itself."""
        counts: dict[str, int] = {}
        for one in self:
            counts[str(one.fault)] = counts.get(str(one.fault), 0) + one.fired
        return counts

    @property
    def unfired(self) -> list[SetFault]:
        """Those that struck nothing: a test that asked for them has tested nothing."""
        return [one for one in self if not one.fired]

    @property
    def door_url(self) -> str | None:
        """Where the tenant's own door is; None where it needs none."""
        return None if self._door is None else self._door.url

    def __iter__(self) -> Iterator[SetFault]:
        """Those that are set, the outermost first."""
        return iter(list(self._set))

    def __len__(self) -> int:
        """How many are set."""
        return len(self._set)

    async def _intercept(self, exchange: Exchange, row: Endpoint, incoming: Incoming, serve: Serve) -> Answer:
        due = self._due(exchange, row, incoming)
        exchange.faults += [one.fault.kind for one, _ in due]
        for one, call in reversed(due):
            blow = Blow(self._service, exchange, row, incoming, call, one, partial(self._shut, one))
            serve = partial(one.fault.strike, blow, serve)
        return await serve()

    def _due(self, exchange: Exchange, row: Endpoint, incoming: Incoming) -> list[tuple[SetFault, int]]:
        """The faults that strike this request, and its number among the calls of each."""
        chosen = list(self._set)
        polled = None
        if any(one.fault.when.needs_request for one in chosen):
            exchange.request = self._decoded(row, incoming)
            polled = self._polled(exchange.request)
        due = []
        for one in chosen:
            if not one.at_once and one.fault.when.matches(exchange, polled):
                with self._lock:
                    one.calls += 1
                    struck = one.fault.when.strikes(one.calls, one.fired, one.fault.kind)
                    one.fired += struck
                if struck:
                    due.append((one, one.calls))
        return due

    def _decoded(self, row: Endpoint, incoming: Incoming) -> object:
        """The request; None where it does not fit, which the service will tell the client."""
        if not isinstance(row, Operation | Deferred):
            return None
        limit = self._service.settings.max_body_bytes
        try:
            return read(row, row.request, incoming, limit, lambda _: None)
        except ApiError:
            return None

    def _polled(self, request: object) -> str | None:
        if not isinstance(request, FutureRetrieveRequest):
            return None
        try:
            return self._service.futures.get(request.request_id).operation
        except ApiError:
            return None

    async def _shut(self, made: SetFault) -> None:
        assert self._door is not None  # made when the fault was set
        until = self._hold(made)
        await asyncio.wrap_future(self._door.shut())
        self._open_at(until)

    def _hold(self, made: SetFault) -> float:
        """Let nobody else open the door before the time of this fault is over: infinite where it has none."""
        seconds = getattr(made.fault, "seconds", None)
        until = inf if seconds is None else self._service.clock.now() + seconds
        with self._lock:
            self._shut_until = max(self._shut_until, until)
        return until

    def _open_at(self, until: float) -> None:
        if until < inf:
            self._doors.call_soon(partial(self._service.clock.call_at, until, self._open))

    def _open(self) -> None:
        """Open the door, unless another fault holds it."""
        with self._lock:
            if self._door is not None and self._service.clock.now() >= self._shut_until:
                self._door.open()
