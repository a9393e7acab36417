"""`Traffic`: the requests of one tenant as they come and go. Whoever watches a tenant watches here."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from math import inf
from time import monotonic

from pydantic_core import from_json

from contract import Endpoint
from contract.codec import JSON, media_type_of
from contract.versions import SdkVersion
from fake_server.clock import Clock
from fake_server.wire import Answer, Incoming

__all__ = ["ClientGone", "Exchange", "Interceptor", "Serve", "StrayInterceptor", "Traffic", "Wait"]


class ClientGone(Exception):
    """The client of a request that waited has left; nobody reads an answer."""


def _stays() -> Awaitable[object]:
    return asyncio.Event().wait()


@dataclass(slots=True, eq=False)
class Exchange:
    """A request and, once there is one, its answer. Times are on the tenant's clock."""

    number: int
    """From 1, in the order of arrival."""
    arrived_at: float
    operation: str
    sdk_version: SdkVersion
    retry_count: int = 0
    """How often the client has tried this request before, as it says itself."""
    idempotency_key: str | None = field(default=None, repr=False)
    request: object = field(default=None, repr=False)
    """The decoded request; None where it could not be decoded, or takes none."""
    unknown_fields: tuple[str, ...] = ()
    """Fields of the request that the contract does not know, and that were dropped."""
    parked_until: float | None = None
    """Where it waits for the clock: the time until which."""
    answered_at: float | None = None
    """None while it is open."""
    status: int = 0
    """Of the answer; 0 where the client left before, or none was sent."""
    answer: object = field(default=None, repr=False)
    """The decoded answer, or the error that was answered. Of a poll: the outcome of the future."""
    faults: list[str] = field(default_factory=list)
    """What was done to it on purpose, in order."""
    gone: Callable[[], Awaitable[object]] = _stays
    """Returns once the client has left; never, unless the app says."""
    digest: bytes = b""
    """Of the body, where a promise is asked for: the same for a true replay."""
    real_at: float = 0.0
    """When it arrived, by the machine's monotonic clock: people and programs wait on that one, too."""
    skipped_seconds: float = 0.0
    """Of the time until it arrived: what was skipped, so that no client could do anything in it."""
    says_version: bool = True
    """Whether the client names its version; who does not is taken for the newest."""
    request_bytes: int = 0
    """Size of the body as it arrived."""
    request_type: str = JSON
    """Media type of the body."""
    answer_bytes: int = 0
    """Size of the answer's body."""
    answer_type: str = JSON
    """Media type of the answer."""
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the answer beside type and length."""

    def note_request(self, incoming: Incoming) -> None:
        """Keep what observers want to know of the request's bytes."""
        self.real_at = monotonic()
        self.says_version = bool(incoming.headers.get("x-stainless-package-version"))
        self.request_bytes = len(incoming.body)
        self.request_type = media_type_of(incoming.headers.get("content-type")) or JSON

    def note_answer(self, answer: Answer) -> None:
        """Keep what observers want to know of the answer's bytes."""
        self.answer_bytes = len(answer.body)
        self.answer_type = answer.media_type
        self.answer_headers = dict(answer.headers or {})
        if self.answer is None and answer.body and answer.media_type == JSON:
            with suppress(ValueError):  # bytes that were made to be no JSON
                self.answer = from_json(answer.body)


Serve = Callable[[], Awaitable[Answer]]
"""Serves the request at hand, from its bytes to the answer's. May be called again: a second delivery."""
Interceptor = Callable[["Exchange", Endpoint, Incoming, Serve], Awaitable[Answer]]
"""Stands before the service: may wait, answer in its place, call it, and change its answer."""
StrayInterceptor = Callable[[Incoming, Serve], Awaitable[Answer]]
"""The same for requests that are no operation: downloads, and paths that nobody knows."""


@dataclass(slots=True, eq=False)
class Wait:
    """One request that waits."""

    exchange: Exchange
    since: float
    until: float
    """The time on the clock; infinite where nothing but a wake ends it."""
    idle: bool
    """Whether its end by the clock is no event: a poll that is answered with nothing."""
    loop: asyncio.AbstractEventLoop
    """Where it goes on."""
    woken: asyncio.Event


def _nobody() -> None:
    pass


class Traffic:
    """All exchanges of a tenant that are open, those that wait, and those who hear of them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ended = False
        """Whether nobody waits any more, since the server stops."""
        self.on_rest: Callable[[], None] = _nobody
        """Called when a request begins to wait or ends: perhaps nothing moves now but the clock."""
        self.changes = 0
        """Grows with whatever happens."""
        self._waits: dict[int, Wait] = {}
        self._lock = threading.Lock()
        """Held while a wait ends, which the clock, a release and its own loop may do at once."""
        self._numbers = count(1)
        self._open: dict[int, Exchange] = {}
        self.skipped_seconds = 0.0
        """Time that was skipped, so far, and is held against no client."""
        self.observers: list[Callable[[Exchange], None]] = []
        """Called with each exchange once its answer is made, before the client has it."""
        self.interceptors: list[Interceptor] = []
        """Outermost first."""
        self.strays: list[StrayInterceptor] = []
        """Outermost first."""

    def begin(
        self,
        operation: str,
        sdk_version: SdkVersion,
        retry_count: int = 0,
        idempotency_key: str | None = None,
    ) -> Exchange:
        """A request has come."""
        number = next(self._numbers)
        exchange = Exchange(number, self.clock.now(), operation, sdk_version, retry_count, idempotency_key)
        exchange.skipped_seconds = self.skipped_seconds
        self._open[number] = exchange
        self.changes += 1
        return exchange

    def end(self, exchange: Exchange) -> None:
        """Its answer is made, or its client has left."""
        del self._open[exchange.number]
        self.changes += 1
        exchange.answered_at = self.clock.now()
        exchange.gone = _stays  # who keeps exchanges shall not keep connections
        for observer in self.observers:
            observer(exchange)
        self.on_rest()

    def __iter__(self) -> Iterator[Exchange]:
        """Those that are open, oldest first."""
        return iter(list(self._open.values()))

    @property
    def rests(self) -> bool:
        """Whether somebody waits, and all open requests do; an answer on its way may wait, too."""
        return bool(self._waits) and self._open.keys() <= self._waits.keys()

    @property
    def waits(self) -> list[Wait]:
        """Those that wait and were not woken, oldest first."""
        return list(self._waits.values())

    async def park(self, exchange: Exchange, until: float = inf) -> None:
        """Let a request wait until the clock shows `until`; for ever where absent.

        Ends early where the server stops.

        Raises:
            ClientGone: if its client left.
        """
        while self.clock.now() < until and not self.ended:
            await self.wait(exchange, until, [], lambda: False)

    async def wait(
        self,
        exchange: Exchange,
        until: float,
        waiters: list[Callable[[], None]],
        ready: Callable[[], object],
        *,
        idle: bool = False,
    ) -> None:
        """Wait until `waiters` are woken or the clock shows `until`; not at all if it is `ready` by now.

        May end early: who needs more than that waits again.

        Raises:
            ClientGone: if its client left.
        """
        wait = Wait(exchange, self.clock.now(), until, idle, asyncio.get_running_loop(), asyncio.Event())
        wake = partial(self._wake, wait)
        self._waits[exchange.number] = wait
        self.changes += 1
        exchange.parked_until = until
        waiters.append(wake)
        try:
            if not ready() and not self.ended:  # another thread may have come since the caller looked
                await self._sleep(wait, wake)
        finally:
            waiters.remove(wake)
            self._forget(wait)

    async def _sleep(self, wait: Wait, wake: Callable[[], None]) -> None:
        cancel = self.clock.call_at(wait.until, wake) if wait.until < inf else _nobody
        watcher = asyncio.ensure_future(wait.exchange.gone())
        watcher.add_done_callback(lambda _: wake())
        try:
            self.on_rest()
            await wait.woken.wait()
            if watcher.done():
                raise ClientGone
        finally:
            watcher.cancel()
            cancel()

    def _wake(self, wait: Wait) -> None:
        self._forget(wait)  # at once: from now on it moves, and nobody may take it for one that waits
        if not wait.loop.is_closed():
            wait.loop.call_soon_threadsafe(wait.woken.set)

    def _forget(self, wait: Wait) -> None:
        with self._lock:
            if self._waits.get(wait.exchange.number) is wait:
                del self._waits[wait.exchange.number]
                wait.exchange.parked_until = None

    def end_waits(self) -> None:
        """Wake who waits, and let nobody wait from now on."""
        self.ended = True
        self.wake_all()

    def wake_all(self) -> None:
        """Let all that wait look again."""
        for wait in self.waits:
            self._wake(wait)
