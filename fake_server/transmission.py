"""`Transmission`: how an answer goes over its connection, where it shall not go as it should."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from starlette.types import Scope, Send

from fake_server.front import reset, transport_of
from fake_server.traffic import ClientGone, Exchange
from fake_server.wire import Answer, head_of

__all__ = ["Transmission"]

MOST_ROUNDS = 1000
"""Ours: of the event loop; a client that reads takes one."""


class _Wait(Protocol):
    def __call__(
        self, seconds: float, wakes: list[Callable[[], None]], ready: Callable[[], bool]
    ) -> Awaitable[None]:
        """Wait on the tenant's clock."""
        ...


@dataclass(frozen=True, slots=True)
class Transmission:
    """Sends an answer in the way that the faults on it add up to."""

    wait: _Wait
    exchange: Exchange
    gone: Callable[[], Awaitable[object]]
    """Returns once the client has left; the exchange forgets that as soon as there is an answer."""
    share: float | None = 1.0
    """Of the body, what is sent before the ending; not even the head where None."""
    ending: Literal["whole", "close", "reset"] = "whole"
    chunk: int = 0
    """Bytes of a piece; 0 for one piece."""
    every: float = 0.0
    """Seconds between pieces."""
    rest_at: float | None = None
    """Of the body, what is sent before the rest; not even the head where None."""
    rest_seconds: float = 0.0
    noise: bytes = b""
    """Sent in place of everything."""

    async def __call__(self, answer: Answer, scope: Scope, send: Send) -> None:
        """Send the answer, or what of it shall be sent.

        Raises:
            LookupError: if the request did not come by a connection of tinkerproof's own server.
        """
        transport = transport_of(scope)
        before, self.exchange.gone = self.exchange.gone, self.gone
        try:
            await self._send(answer, transport, send)
            if self.ending != "whole":
                await self._end(transport)
        except ClientGone:
            pass
        finally:
            self.exchange.gone = before

    async def _send(self, answer: Answer, transport: asyncio.Transport, send: Send) -> None:
        if self.rest_at is None:
            await self.wait(self.rest_seconds, [], lambda: False)
        if self.noise:
            transport.write(self.noise)
        if self.noise or self.share is None:
            return
        await send(head_of(answer))
        size = len(answer.body)
        upto = int(size * self.share)
        rest = None if self.rest_at is None else min(upto, int(size * self.rest_at))
        for start, end in self._pieces(size, upto, rest):
            if start == rest:
                await self.wait(self.rest_seconds, [], lambda: False)
            elif start:
                await self.wait(self.every, [], lambda: False)
            piece = answer.body[start:end]
            await send({"type": "http.response.body", "body": piece, "more_body": end < size})
        if rest == upto < size:
            await self.wait(self.rest_seconds, [], lambda: False)

    def _pieces(self, size: int, upto: int, rest: int | None) -> list[tuple[int, int]]:
        """Where each piece of a body begins and ends; an empty body is one piece."""
        if size == 0:
            return [(0, 0)]
        cuts = {0, upto, *range(0, upto, self.chunk or size)}
        return list(pairwise(sorted(cuts if rest is None else {*cuts, rest})))

    async def _end(self, transport: asyncio.Transport) -> None:
        """Close or reset, and wait until it is done: the server must not answer after us."""
        if self.ending == "reset":
            await _flushed(transport)
            reset(transport)
        else:
            transport.close()
        await self.gone()


async def _flushed(transport: asyncio.Transport) -> None:
    """Let what was sent leave; not for ever, since who does not read holds it."""
    for _ in range(MOST_ROUNDS):
        await asyncio.sleep(0)
        if not transport.get_write_buffer_size():
            return
