"""`Driver`: a small client of one server, over bare HTTP. It repeats nothing, and writes down everything."""

import json
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from contract.codec import JSON, encode
from contract.laws.law import Broken
from contract.operations import OPERATIONS, Endpoint

__all__ = ["TIMEOUT_SECONDS", "Driver", "Reply", "Trace"]

TIMEOUT_SECONDS = 60.0
"""Ours: longer than any long poll."""
MOST_SHOWN = 2000
"""Bytes of a body in a trace."""
TOKEN = re.compile(r"eyJ[\w-]+(\.[\w-]+){2}")
"""A token in a text. Source: RFC 7519."""
ROWS: Mapping[str, Endpoint] = {row.name: row for row in OPERATIONS}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def media_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def json(self) -> Any:
        """The decoded body.

        Raises:
            Broken: if it is no JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise Broken(
                f"expected a JSON body, got {len(self.body)} bytes of {self.media_type or 'no type'} "
                f"with status {self.status}"
            ) from None

    @property
    def pending(self) -> bool:
        """Whether it says, as the answer to a poll, that there is no outcome yet."""
        if self.status == 408:
            return True
        body = self.json if self.status == 200 and self.media_type == JSON else None
        return isinstance(body, dict) and body.get("type") == "try_again"


@dataclass(frozen=True, slots=True)
class Trace:
    """One request and its answer, for who wants to know what happened."""

    method: str
    path: str
    request: str
    status: int
    answer: str


@dataclass(slots=True)
class Driver:
    """A client of one server."""

    url: str
    """Base URL; a path prefix is kept."""
    api_key: str
    sdk_version: str
    """What it says it is; servers may speak differently to old clients."""
    trace: list[Trace] = field(default_factory=list)
    """All requests, oldest first. Keys and tokens are not in it."""

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = TIMEOUT_SECONDS,
    ) -> Reply:
        """One request. Headers that are given replace the usual ones; an empty value leaves one out.

        `patience` is in seconds.

        Raises:
            Broken: if no answer comes, or none that HTTP allows.
            TimeoutError: if it is given up after a patience shorter than the usual one.
        """
        with closing(self._connection(patience)) as connection:
            return self._send(connection, method, path, body, headers or {})

    def talk(self, *requests: tuple[str, str, bytes | None]) -> list[Reply]:
        """Requests, each a method, a path and a body, one after the other on one connection.

        Raises:
            Broken: if one has no answer, or none that HTTP allows.
        """
        with closing(self._connection(TIMEOUT_SECONDS)) as connection:
            return [self._send(connection, method, path, body, {}) for method, path, body in requests]

    def raw(self, method: str, path: str) -> bytes:
        """All bytes that come for a request without a body, after which the connection is to be closed.

        Raises:
            Broken: if the server cannot be reached, or does not close.
        """
        parts = urlsplit(self.url)
        lines = (
            f"{method} {parts.path.rstrip('/')}{path} HTTP/1.1",
            f"host: {parts.netloc}",
            f"x-api-key: {self.api_key}",
            "connection: close",
        )
        with closing(self._connection(TIMEOUT_SECONDS)) as connection:
            try:
                connection.connect()
                connection.sock.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
                with connection.sock.makefile("rb") as answer:
                    came = answer.read()
            except OSError as error:
                self.trace.append(Trace(method, path, "", 0, repr(error)))
                raise Broken(f"{method} {path}: expected an answer, got {error!r}") from None
        self.trace.append(Trace(method, path, "", 0, _shown(came)))
        return came

    def _connection(self, patience: float) -> HTTPConnection:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=patience)

    def _send(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Reply:
        usual = {
            "x-api-key": self.api_key,
            "x-stainless-package-version": self.sdk_version,
            "accept": "application/json",
            "content-type": JSON,
        }
        chosen = {name: value for name, value in {**usual, **headers}.items() if value}
        try:
            connection.request(method, urlsplit(self.url).path.rstrip("/") + path, body, chosen)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            reply = Reply(answer.status, names, answer.read())
        except (OSError, HTTPException) as error:
            self.trace.append(Trace(method, path, _shown(body or b""), 0, repr(error)))
            if isinstance(error, TimeoutError) and (connection.timeout or 0) < TIMEOUT_SECONDS:
                raise
            raise Broken(f"{method} {path}: expected an answer, got {error!r}") from None
        self.trace.append(Trace(method, path, _shown(body or b""), reply.status, _shown(reply.body)))
        return reply

    def call(
        self,
        operation: str,
        fields: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = TIMEOUT_SECONDS,
    ) -> Reply:
        """One call of an operation by its name; `fields` fill the path, the rest is the JSON body."""
        row = ROWS[operation]
        rest = dict(fields or {})
        path = row.route
        for name in list(rest):
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=""))
        body = None if row.method == "GET" else json.dumps(rest).encode()
        query = "&".join(f"{key}={quote(str(value))}" for key, value in rest.items())
        target = path + (f"?{query}" if body is None and query else "")
        return self.send(row.method, target, body, headers, patience)

    def glance(self, operation: str, fields: Mapping[str, Any], seconds: float) -> Reply | None:
        """One call whose connection is closed after so many seconds; None if no answer came in them."""
        try:
            return self.call(operation, fields, patience=seconds)
        except TimeoutError:
            return None

    def submit(self, operation: str, request: object, media_type: str, headers: Mapping[str, str]) -> Reply:
        """One call of an operation, of a request of the contract's type, in the media type."""
        row = ROWS[operation]
        sent = {"content-type": media_type, **headers}
        return self.send(row.method, row.route, encode(request, media_type), sent)


def _shown(body: bytes) -> str:
    text = TOKEN.sub("eyJ…", body[:MOST_SHOWN].decode("utf-8", "backslashreplace"))
    return text if len(body) <= MOST_SHOWN else f"{text}… ({len(body)} bytes)"
