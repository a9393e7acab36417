"""`Traffic`: the requests of one tenant as they come and go. Whoever watches a tenant watches here."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from contract import Endpoint
from contract.versions import SdkVersion
from fake_server.clock import Clock
from fake_server.wire import Answer, Incoming

__all__ = ["Exchange", "Interceptor", "Serve", "Traffic"]


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
    idempotency_key: str | None = None
    request: object = None
    """The decoded request; None where it could not be decoded, or takes none."""
    unknown_fields: tuple[str, ...] = ()
    """Fields of the request that the contract does not know, and that were dropped."""
    parked_until: float | None = None
    """Where it waits for the clock: the time until which."""
    answered_at: float | None = None
    """None while it is open."""
    status: int = 0
    """Of the answer; 0 where the client left before, or none was sent."""
    answer: object = None
    """The decoded answer, or the error that was answered. Of a poll: the outcome of the future."""
    faults: list[str] = field(default_factory=list)
    """What was done to it on purpose, in order."""


Serve = Callable[[], Awaitable[Answer]]
"""Serves the request at hand, from its bytes to the answer's. May be called again: a second delivery."""
Interceptor = Callable[["Exchange", Endpoint, Incoming, Serve], Awaitable[Answer]]
"""Stands before the service: may wait, answer in its place, call it, and change its answer."""


class Traffic:
    """All exchanges of a tenant that are open, and those who hear of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._open: dict[int, Exchange] = {}
        self.observers: list[Callable[[Exchange], None]] = []
        """Called with each exchange once its answer is made, before the client has it."""
        self.interceptors: list[Interceptor] = []
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
        exchange = Exchange(number, self._clock.now(), operation, sdk_version, retry_count, idempotency_key)
        self._open[number] = exchange
        return exchange

    def end(self, exchange: Exchange) -> None:
        """Its answer is made, or its client has left."""
        del self._open[exchange.number]
        exchange.answered_at = self._clock.now()
        for observer in self.observers:
            observer(exchange)

    def __iter__(self) -> Iterator[Exchange]:
        """Those that are open, oldest first."""
        return iter(list(self._open.values()))
