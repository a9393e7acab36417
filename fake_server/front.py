"""The front: the connection below HTTP, for who wants to break it.

The server's protocol puts its transport into the scope of each request. Nothing stands between client and
app, so that it costs nothing; and what is done to the transport is done to a real TCP connection.
"""

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["Front", "reset", "transport_of"]

TRANSPORT = "tinkerproof.transport"
NO_LINGER = struct.pack("ii", 1, 0)
"""A socket that lingers for 0 s is reset when it is closed. Source: socket(7), SO_LINGER."""


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


def reset(transport: asyncio.Transport) -> None:
    """Break a connection off: its client gets RST instead of an orderly end."""
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGER)
        transport.abort()
