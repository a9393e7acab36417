"""Connections that are refused: the tenant's own door is shut for a while, as when a server restarts."""

from typing import Literal

from pydantic import Field

from fake_server.fault import Blow, Fault
from fake_server.fault_connections import NOTHING, broken_off
from fake_server.traffic import Serve
from fake_server.wire import Answer

__all__ = ["Refuse"]


class Refuse(Fault):
    """The server goes away: its connections are reset, and new ones are refused (ECONNREFUSED).

    The attempts that are refused cannot be counted: the kernel answers them by itself.
    """

    kind: Literal["refuse"] = "refuse"
    seconds: float | None = Field(default=None, gt=0)
    """How long, on the tenant's clock; until the fault is cleared where absent."""
    work: bool = False
    """Whether the service does the work of the request that it strikes."""
    at_once: bool = False
    """Whether it strikes as soon as it is set, not at a request."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Shut the door."""
        answer = await serve() if self.work else NOTHING
        await blow.shut()
        return broken_off(answer, blow, None, "reset")
