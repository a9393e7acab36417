"""Faults that only Python can say: an answer that is rewritten, something that happens before a request."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from fake_server.fault import Blow, Fault
from fake_server.service import Service
from fake_server.traffic import Serve
from fake_server.wire import Answer

__all__ = ["Interlude", "Rewrite"]


class Rewrite(Fault):
    """The work is done; its answer goes through a function."""

    kind: Literal["rewrite"] = "rewrite"
    what: str
    """What the function does to it, for people."""
    change: Callable[[Answer, Blow], Answer] = Field(exclude=True)
    """The answer that the client gets."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Serve, then change."""
        return self.change(await serve(), blow)


class Interlude(Fault):
    """Something happens to the tenant just before the request is served."""

    kind: Literal["interlude"] = "interlude"
    what: str
    """What happens, for people."""
    act: Callable[[Service], None] = Field(exclude=True)
    """Called with the tenant, its lock held."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Let it happen, then serve."""
        with blow.service.lock:
            self.act(blow.service)
        return await serve()
