"""The front: the connection below HTTP, for who wants to break it.

The server's protocol puts its transport into the scope of each request. Nothing stands between client and
app, so that it costs nothing; and what is done to the transport is done to a real TCP connection.
"""

import asyncio
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["Front", "transport_of"]

TRANSPORT = "tinkerproof.transport"


class Front(HttpToolsProtocol):
    """uvicorn's protocol; each scope holds the connection that it came by."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment] # a key that ASGI does not name
        scope[TRANSPORT] = self.transport


def transport_of(scope: Scope) -> asyncio.Transport:
    """The TCP connection of a request.

    Raises:
        LookupError: if the app is not served by tinkerproof's own server.
    """
    transport: asyncio.Transport | None = scope.get(TRANSPORT)
    if transport is None:
        raise LookupError(
            "connection: expected a request over tinkerproof's own server, got one in process "
            "or over another; use the fixture's url, or `tinkerproof serve`"
        )
    return transport
