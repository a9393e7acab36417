"""`Fault`: something that is done to a request on purpose. What is done, and when; the kinds are beside this.

A fault stands before the service as an interceptor does: it may wait, answer instead, let the service work
and change its answer, or change how that is sent. Several nest, the first outermost.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from pydantic import Field

from contract import Endpoint, WireModel
from fake_server.occasions import When
from fake_server.service import Service
from fake_server.traffic import Exchange, Serve
from fake_server.wire import Answer, Incoming

__all__ = ["Blow", "Fault", "Standing"]


class Standing(Protocol):
    """A fault that is set."""

    is_set: bool
    """Until it is cleared; then it lets go of who waits."""
    memory: dict[str, Any]
    """What it keeps from one request to the next."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One request that a fault strikes."""

    service: Service
    exchange: Exchange
    row: Endpoint
    incoming: Incoming
    call: int
    """Its number among the calls of the fault."""
    standing: Standing
    """Of the fault that strikes."""
    shut: Callable[[], Awaitable[None]]
    """Refuses connections for as long as the fault says."""

    async def wait(self, seconds: float, wakes: list[Callable[[], None]], ready: Callable[[], bool]) -> None:
        """Let the request wait for so long on the tenant's clock, or until `ready`; `wakes` make it look.

        No longer once the fault is cleared or the server stops.

        Raises:
            ClientGone: if its client left.
        """
        traffic = self.service.traffic
        until = traffic.clock.now() + seconds

        def over() -> bool:
            return ready() or not self.standing.is_set

        while traffic.clock.now() < until and not traffic.ended and not over():
            await traffic.wait(self.exchange, until, wakes, over)

    async def park(self, seconds: float = inf) -> None:
        """Let the request wait on the tenant's clock, as `wait`."""
        await self.wait(seconds, [], lambda: False)


class Fault(WireModel):
    """A kind of fault, and when it strikes."""

    kind: str
    when: When = Field(default_factory=When)

    @abstractmethod
    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Answer a request in the fault's way; `serve` lets the service do its work."""
        ...

    def __str__(self) -> str:
        """As a test author would tell it: `status on optim_step, status=503, times=2`."""
        what = self.model_dump(exclude={"kind", "when"}, exclude_defaults=True)
        when = self.when.model_dump(exclude={"operation"}, exclude_defaults=True)
        told = ", ".join(f"{name}={value!r}" for name, value in {**what, **when}.items())
        return f"{self.kind} on {self.when.operation}" + (f", {told}" if told else "")
