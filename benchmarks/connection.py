"""Raw keep-alive connections that cost the client as little as possible, so that the server is measured."""

import asyncio
from collections.abc import Callable, Iterator
from typing import cast
from urllib.parse import urlsplit

__all__ = ["Connection", "connect", "requests_per_second"]

OK = b"HTTP/1.1 200"
LENGTH = b"\r\ncontent-length: "


class Connection(asyncio.Protocol):
    """Sends a request at a time and tells when its answer is whole."""

    def __init__(
        self, on_answer: "Callable[[Connection, bytes], None]", on_lost: Callable[[Exception], None]
    ) -> None:
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, request: bytes) -> None:
        """Send one request; the one before must have been answered."""
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect an answer; answers are told apart by their content-length alone."""
        received = self._received + data if self._received else data
        head = received.find(b"\r\n\r\n")
        at = received.find(LENGTH, 0, head) if head >= 0 else -1
        if at >= 0:
            length = int(received[at + len(LENGTH) : received.index(b"\r\n", at + 2)])
            if len(received) == head + 4 + length:
                self._received = b""
                self._on_answer(self, received)
                return
        self._received = received

    def connection_lost(self, error: Exception | None) -> None:
        """Tell that no more answers will come."""
        self._on_lost(error or ConnectionError("expected an answer, got the end of the connection"))

    def close(self) -> None:
        """Close, and tell nobody."""
        self._on_lost = lambda _: None
        assert self._transport is not None
        self._transport.close()


async def connect(
    url: str,
    count: int,
    on_answer: Callable[[Connection, bytes], None],
    on_lost: Callable[[Exception], None],
) -> list[Connection]:
    """Open `count` connections."""
    loop = asyncio.get_running_loop()
    host, _, port = urlsplit(url).netloc.rpartition(":")
    found = []
    for _ in range(count):
        _, protocol = await loop.create_connection(lambda: Connection(on_answer, on_lost), host, int(port))
        found.append(protocol)
    return found


async def requests_per_second(
    url: str, requests: Iterator[bytes], *, connections: int, seconds: float
) -> float:
    """Answered requests per second, every connection sending its next request once it has an answer.

    Raises:
        RuntimeError: for an answer with another status than 200.
        ConnectionError: if the server closes a connection.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    answered = still_open = 0
    end = float("inf")

    def fail(error: Exception) -> None:
        if not over.done():
            over.set_exception(error)

    def on_answer(connection: Connection, answer: bytes) -> None:
        nonlocal answered, still_open
        if not answer.startswith(OK):
            return fail(RuntimeError(f"expected 200, got {answer[:500]!r}"))
        answered += 1
        if loop.time() < end:
            connection.send(next(requests))
            return None
        still_open -= 1
        if not still_open and not over.done():
            over.set_result(None)
        return None

    opened = await connect(url, connections, on_answer, fail)
    still_open = connections
    start = loop.time()
    end = start + seconds
    for connection in opened:
        connection.send(next(requests))
    try:
        await over
        return answered / (loop.time() - start)
    finally:
        for connection in opened:
            connection.close()
