"""Faults of the connection: it breaks, drips, stalls, or carries what is not HTTP.

They are done to a real TCP connection, so that they need a request that came by one.
"""

import random
from dataclasses import replace
from typing import Literal

from pydantic import Field

from fake_server.fault import Blow, Fault
from fake_server.traffic import Serve
from fake_server.transmission import Transmission
from fake_server.wire import Answer

__all__ = ["BadHttp", "Drip", "DropRequest", "LoseAnswer", "Reset", "Stall", "Truncate", "broken_off"]

NOTHING = Answer(0, b"")
"""No answer at all; its status is what the journal has of requests without one."""


def sent_by(answer: Answer, blow: Blow) -> Transmission:
    """How an answer is sent so far: as a whole, unless another fault has its way with it."""
    if isinstance(answer.sending, Transmission):
        return answer.sending
    return Transmission(blow.wait, blow.exchange, blow.exchange.gone)


def broken_off(answer: Answer, blow: Blow, share: float | None, ending: Literal["close", "reset"]) -> Answer:
    """An answer that ends after a share of its body, if it comes so far; without its head where None."""
    sending = sent_by(answer, blow)
    if share is None or sending.share is None:
        return replace(answer, status=0, sending=replace(sending, share=None, ending=ending))
    return replace(answer, sending=replace(sending, share=min(share, sending.share), ending=ending))


class LoseAnswer(Fault):
    """The work is done, and the connection closed in place of an answer."""

    kind: Literal["lose_answer"] = "lose_answer"

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Serve, and tell nobody."""
        return broken_off(await serve(), blow, None, "close")


class DropRequest(Fault):
    """The connection is closed in place of an answer, and no work is done."""

    kind: Literal["drop_request"] = "drop_request"

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Close."""
        return broken_off(NOTHING, blow, None, "close")


class Reset(Fault):
    """The connection is reset (RST): before any byte of the answer, or after a share of its body."""

    kind: Literal["reset"] = "reset"
    at: float | None = Field(default=None, ge=0, le=1)
    """Share of the body that is sent before; not even the head where absent."""
    work: bool = True
    """Whether the service does its work before. Without it nothing of an answer can be sent."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Serve, then break off."""
        if not self.work:
            return broken_off(NOTHING, blow, None, "reset")
        return broken_off(await serve(), blow, self.at, "reset")


class Truncate(Fault):
    """The connection is closed half-way: the length that was told is not reached."""

    kind: Literal["truncate"] = "truncate"
    at: float = Field(default=0.5, ge=0, lt=1)
    """Share of the body that is sent."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Serve, then close early."""
        return broken_off(await serve(), blow, self.at, "close")


class Drip(Fault):
    """The body comes slowly, piece by piece."""

    kind: Literal["drip"] = "drip"
    chunk: int = Field(default=64, ge=1)
    """Bytes of a piece."""
    every: float = Field(default=0.01, ge=0)
    """Seconds between pieces, on the tenant's clock."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Serve, and send in pieces."""
        answer = await serve()
        sending = replace(sent_by(answer, blow), chunk=self.chunk, every=self.every)
        return replace(answer, sending=sending)


class Stall(Fault):
    """The work is done, and the answer stops: before its first byte, or after a share of its body."""

    kind: Literal["stall"] = "stall"
    at: float | None = Field(default=None, ge=0, lt=1)
    """Share of the body that is sent before; not even the head where absent."""
    seconds: float | None = Field(default=None, ge=0)
    """How long, on the tenant's clock; until the client leaves or the fault is cleared where absent."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Serve, and send with a rest."""
        answer = await serve()
        seconds = float("inf") if self.seconds is None else self.seconds
        sending = replace(sent_by(answer, blow), rest_at=self.at, rest_seconds=seconds)
        return replace(answer, sending=sending)


class BadHttp(Fault):
    """Random bytes that are no HTTP in place of an answer; then the connection is closed."""

    kind: Literal["bad_http"] = "bad_http"
    size: int = Field(default=64, ge=1, le=1 << 20)
    """Bytes."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Serve, and answer with noise."""
        answer = await serve()
        noise = b"\xff" + random.Random(f"{self.when.seed} {blow.call}").randbytes(self.size - 1)
        return replace(answer, status=0, sending=replace(sent_by(answer, blow), noise=noise, ending="close"))
