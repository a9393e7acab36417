"""`Transport`: bytes there and back; the real one keeps one connection."""

import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import urlsplit

from pydantic_core import from_json

from contract.codec import JSON, media_type_of

__all__ = ["Ask", "BrokenConnection", "HttpTransport", "Reply", "Transport"]


class BrokenConnection(Exception):
    """There was no whole answer; the request may have arrived."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, the same however often it is sent."""

    operation: str
    method: str
    path: str
    """Below the base URL."""
    body: bytes | None = None
    media_type: str = JSON
    """Of the body."""
    accept: str = JSON
    key: str = ""
    """The idempotency key."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Beside those that every request has."""
    seconds: float = 60.0
    """How long an answer may take. Source: sdk 0.38.0 _constants.py."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def media_type(self) -> str:
        """Lower case, without parameters; empty where there is none."""
        return media_type_of(self.headers.get("content-type", ""))

    @property
    def json(self) -> Any:
        """The decoded body.

        Raises:
            ValueError: if it is no JSON; NaN and Infinity are none.
        """
        return from_json(self.body, allow_inf_nan=False)

    @property
    def fields(self) -> dict[str, Any]:
        """The body's fields; none where it is no JSON object."""
        try:
            value = self.json
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Transport(Protocol):
    """Whatever carries requests."""

    def send(self, ask: Ask, headers: Mapping[str, str]) -> Reply:
        """One attempt.

        Raises:
            BrokenConnection: if no whole answer came.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class HttpTransport:
    """HTTP over one connection that is kept.

    Args:
        url: base URL; a path prefix is kept.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._prefix = parts.path.rstrip("/")
        self._connection = kind(parts.hostname or "", parts.port)

    def send(self, ask: Ask, headers: Mapping[str, str]) -> Reply:
        """One attempt.

        Raises:
            BrokenConnection: if no whole answer came in time.
        """
        connection = self._connection
        if connection.sock is not None:
            connection.sock.settimeout(ask.seconds)
            if self.is_over(connection.sock):
                connection.close()  # the next request opens it again
        connection.timeout = ask.seconds
        try:
            connection.request(ask.method, self._prefix + ask.path, ask.body, dict(headers))
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, self.body_of(answer))
        except (OSError, HTTPException, ValueError) as error:
            connection.close()
            raise BrokenConnection(f"{ask.operation}: expected an answer, got {error!r}") from None

    def is_over(self, sock: socket.socket) -> bool:
        """Whether an idle connection was closed by the other side: then its end can be read."""
        idle = select.poll()
        idle.register(sock, select.POLLIN)
        return bool(idle.poll(0))

    def body_of(self, answer: HTTPResponse) -> bytes:
        """The whole body.

        Raises:
            HTTPException: if it ends early.
        """
        return answer.read()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
