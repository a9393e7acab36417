"""Faults that answer in the service's place: statuses, with the words and headers that clients act on."""

import json
from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator

from contract.codec import JSON
from fake_server.fault import Blow, Fault
from fake_server.headers import check_headers
from fake_server.traffic import Serve
from fake_server.wire import Answer

__all__ = ["BillingPause", "Empty400", "InvalidToken", "RateLimit", "Status"]


class Status(Fault):
    """Any status of a client's or server's error."""

    kind: Literal["status"] = "status"
    status: int = Field(default=503, ge=400, le=599)
    body: JsonValue = None
    """JSON; a text is sent as it is, as text/plain; a detail where absent."""
    headers: dict[str, str] = Field(default_factory=dict)
    """As `Retry-After`, `retry-after-ms`, `x-should-retry`."""
    work: bool = False
    """Whether the service does its work before."""

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        check_headers(headers)
        return headers

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Answer with the status, before the work or after it."""
        if self.work:
            await serve()
        return self._answer()

    def _answer(self) -> Answer:
        if isinstance(self.body, str):
            return Answer(self.status, self.body.encode(), "text/plain; charset=utf-8", self.headers)
        told = {"detail": f"fault: status {self.status}"} if self.body is None else self.body
        return Answer(self.status, json.dumps(told).encode(), JSON, self.headers)


class RateLimit(Fault):
    """429, by default without a header that says when to come back."""

    kind: Literal["rate_limit"] = "rate_limit"
    retry_after: Annotated[float, Field(ge=0)] | None = None
    """Seconds, as the header `Retry-After`."""
    retry_after_ms: Annotated[float, Field(ge=0)] | None = None
    """Milliseconds, as the header `retry-after-ms`."""
    should_retry: bool | None = None
    """The header `x-should-retry`. Source: sdk 0.38.0 _base_client.py."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Answer 429."""
        headers: dict[str, str] = {}
        if self.retry_after is not None:
            headers["retry-after"] = f"{self.retry_after:g}"
        if self.retry_after_ms is not None:
            headers["retry-after-ms"] = f"{self.retry_after_ms:g}"
        if self.should_retry is not None:
            headers["x-should-retry"] = str(self.should_retry).lower()
        return Answer(429, b'{"detail":"fault: too many requests"}', JSON, headers)


class BillingPause(Fault):
    """402: clients pause for 5 s and try again, for an hour.

    Source: sdk 0.38.0 lib/internal_client_holder.py.
    """

    kind: Literal["billing_pause"] = "billing_pause"

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Answer 402."""
        return Answer(402, b'{"detail":"fault: billing is paused; add to the balance to go on"}', JSON)


class InvalidToken(Fault):
    """401 that says the token is not valid: clients with tokens fetch a new one and try once more.

    Source: sdk 0.38.0 lib/_jwt_auth.py.
    """

    kind: Literal["invalid_token"] = "invalid_token"

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Answer 401."""
        headers = {"www-authenticate": 'Bearer error="invalid_token"'}
        return Answer(401, b'{"detail":"fault: the token is not valid"}', JSON, headers)


class Empty400(Fault):
    """400 without a body, as a proxy before the service sends it: clients take it for a lost connection.

    Source: sdk 0.38.0 lib/internal_client_holder.py.
    """

    kind: Literal["empty_400"] = "empty_400"

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Answer 400 and nothing."""
        return Answer(400, b"", "text/plain")
