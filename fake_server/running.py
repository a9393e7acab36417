"""Running the app: on a thread beside a test, or in the foreground for the command.

The socket is made here, on loopback and with TCP named as its protocol: otherwise the event loop leaves
Nagle's algorithm on, and every answer waits 40 ms for the client's acknowledgement.
"""

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self, cast

import uvicorn
from starlette.applications import Starlette

from contract import BackendFactory
from fake_server.doors import Doors
from fake_server.front import Front
from fake_server.offers import find_offer
from fake_server.tenants import Tenants

__all__ = ["LiveServer", "find_backend", "serve_forever"]

LOOPBACK = "127.0.0.1"
BACKLOG = 4096
"""2,000 clients may connect at once."""
GARBAGE_THRESHOLDS = (50_000, 20, 20)
"""Ours: a server keeps thousands of small results, which the usual (700, 10, 10) walks through often."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the time between heartbeats, so that they find their connection open."""


def find_backend(name: str) -> BackendFactory:
    """The backend that some installed package offers under `name`.

    Raises:
        LookupError: listing the names that are there; or naming the package that the backend lacks.
    """
    return cast("BackendFactory", find_offer("backend", name))


def bound_socket(host: str = LOOPBACK, port: int = 0) -> socket.socket:
    """A socket bound to `host`; port 0 takes a free one.

    Raises:
        OSError: if the port is taken, or the address is not this machine's.
        OverflowError: if there is no such port.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError):
        sock.close()
        raise
    return sock


def url_of(sock: socket.socket) -> str:
    """The base URL of a bound socket."""
    host, port = sock.getsockname()
    return f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A uvicorn server that tells when it answers, and lets nobody poll while it stops."""

    def __init__(self, app: Starlette, on_ready: Callable[[], None]) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                http=Front,
                log_config=None,
                access_log=False,
                lifespan="on",
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
                proxy_headers=False,
                server_header=False,
                date_header=False,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        doors: Doors | None = getattr(self._app.state, "doors", None)
        if doors is not None:
            doors.lead_to(asyncio.get_running_loop(), self._front)
        self._on_ready()

    def _front(self) -> Front:
        return Front(self.config, self.server_state, self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer the polls that wait, then stop: uvicorn would cancel them, with 500 and a trace for each."""
        tenants: Tenants | None = getattr(self._app.state, "tenants", None)
        if tenants is not None:
            tenants.end_polls()
        await super().shutdown(sockets)


def serve_forever(app: Starlette, sock: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; returns normally, whichever it was."""
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, _ignored)  # uvicorn raises the signal again once it has stopped
    gc.freeze()  # what was imported stays for good
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    _Server(app, on_ready).run(sockets=[sock])


def _ignored(_number: int, _frame: FrameType | None) -> None:
    pass


class LiveServer:
    """A server on a thread of its own, on loopback, at a free port unless one is given. A context manager.

    Raises:
        OSError, OverflowError: if the port is taken, or there is no such port.
    """

    def __init__(self, app: Starlette, port: int = 0) -> None:
        self.app = app
        self._sock = bound_socket(port=port)
        self._ready = threading.Event()
        self._server = _Server(app, self._ready.set)
        self._thread = threading.Thread(target=self._run, name="tinkerproof-server", daemon=True)

    @property
    def url(self) -> str:
        """Base URL of the default tenant."""
        return url_of(self._sock)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._sock])
        except SystemExit:  # an app that does not start; `start` tells
            self._sock.close()
        finally:
            self._ready.set()

    def start(self) -> Self:
        """Serve; returns once the server answers.

        Raises:
            RuntimeError: if it cannot start.
        """
        self._thread.start()
        self._ready.wait()
        if not self._server.started:
            raise RuntimeError("server: expected it to start, got an error; the log has the details")
        return self

    def stop(self) -> None:
        """Stop; returns once the thread has ended."""
        self._server.should_exit = True
        self._thread.join()
        self._sock.close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()
