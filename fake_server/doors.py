"""A door: a listening socket of one tenant's own, which can be shut and opened again on the same port.

Nothing stands between: it leads to the same server, on the same event loop. While it is shut, the kernel
refuses connections, as it does where no server runs.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any
from weakref import WeakSet

from fake_server.front import Front, reset

__all__ = ["Door", "Doors"]

LOOPBACK = "127.0.0.1"
BACKLOG = 4096


class Door:
    """One tenant's own port. Any thread may use it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, make_front: Callable[[], Front]) -> None:
        self._loop = loop
        self._make_front = make_front
        self._fronts: WeakSet[Front] = WeakSet()
        self._turn = asyncio.Lock()
        """Held on the loop while it opens or shuts."""
        self._server: asyncio.AbstractServer | None = None
        self._keeper = _bound(0)
        """Never listens: it keeps the port for us while the door is shut."""
        self.url = f"http://{LOOPBACK}:{self._keeper.getsockname()[1]}"
        self.is_open = self._is_closed = False
        self.open()

    def open(self) -> None:
        """Let connections in; from now on, since the kernel keeps those that come before we look."""
        if self.is_open or self._is_closed:
            return
        self.is_open = True
        sock = _bound(self._keeper.getsockname()[1])
        sock.listen(BACKLOG)
        self._do(self._serve(sock))

    def shut(self) -> Future[None]:
        """Reset the connections that came by it, and refuse others once the result is there."""
        self.is_open = False
        return self._do(self._shut())

    def close(self) -> None:
        """Give the port back."""
        self._is_closed = True
        self._keeper.close()
        if not self._loop.is_closed():
            self.shut()

    def _do(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _serve(self, sock: socket.socket) -> None:
        async with self._turn:
            self._server = await self._loop.create_server(self._front, sock=sock, backlog=BACKLOG)

    def _front(self) -> Front:
        front = self._make_front()
        self._fronts.add(front)
        return front

    async def _shut(self) -> None:
        async with self._turn:
            if self._server is not None:
                self._server.close()
                self._server = None
            for front in self._fronts:
                reset(front.transport)
            self._fronts.clear()
            await asyncio.sleep(0)  # the loop closes sockets in its next round


def _bound(port: int) -> socket.socket:
    """A socket that names TCP, as `running` explains."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((LOOPBACK, port))
    return sock


class Doors:
    """Makes doors, once a server runs."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._make_front: Callable[[], Front] | None = None

    def lead_to(self, loop: asyncio.AbstractEventLoop, make_front: Callable[[], Front]) -> None:
        """A server runs on `loop` and speaks by the protocols that `make_front` makes."""
        self._loop, self._make_front = loop, make_front

    def call_soon(self, act: Callable[[], object]) -> None:
        """Call `act` on the server's loop."""
        assert self._loop is not None  # a door was made
        self._loop.call_soon_threadsafe(act)

    def make(self) -> Door:
        """A door, open.

        Raises:
            LookupError: if no server of tinkerproof's own runs.
        """
        if self._loop is None or self._make_front is None:
            raise LookupError(
                "refuse: expected tinkerproof's own server, got an app in process or on another; "
                "use the fixture's url, or `tinkerproof serve`"
            )
        return Door(self._loop, self._make_front)
