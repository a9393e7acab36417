"""`Caller`: a request and its answer, with what a right client does about retries, tokens and heartbeats."""

from collections.abc import Callable, Mapping
from itertools import count
from time import sleep as real_sleep
from time import time as real_now
from typing import Any, Self
from urllib.parse import quote

from pydantic_core import to_json

from contract.operations import OPERATIONS, Endpoint
from contract.versions import NEWEST
from tests.clients.credential import Credential
from tests.clients.errors import Refused, Unreachable, WrongAnswer
from tests.clients.patience import Patience
from tests.clients.transport import Ask, BrokenConnection, HttpTransport, Reply, Transport

__all__ = ["Caller"]

ROWS: Mapping[str, Endpoint] = {row.name: row for row in OPERATIONS}
WITH_KEY = frozenset({"auth_token", "client_config"})
"""Operations that carry the key itself. Source: sdk 0.38.0 lib/internal_client_holder.py."""


class Caller:
    """A client of one server, below its operations. Not for several threads at once.

    Args:
        url: base URL.
        api_key: the key.
        now: seconds since the epoch.
        sleep: waits so many seconds.
        patience: how it tries again.
        transport: carries requests; HTTP to `url` where absent.
    """

    version = NEWEST
    """The release whose protocol it speaks."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        now: Callable[[], float] = real_now,
        sleep: Callable[[float], object] = real_sleep,
        patience: Patience | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.now = now
        self.sleep = sleep
        self.patience = patience or Patience()
        self.transport = transport or HttpTransport(url)
        self.credential = Credential(api_key)
        self.flags: dict[str, Any] | None = None
        """What the server says of itself; None until it was asked."""
        self.beats: dict[str, float] = {}
        """Open sessions, and when each has last beaten."""
        self.beats_apart = False
        """Whether a `Heart` beats for them."""
        self._keys = count(1)

    # Building

    def ask_of(self, operation: str, fields: Mapping[str, Any], **changed: Any) -> Ask:
        """The request of an operation by its name; `fields` fill the path, the rest is the JSON body."""
        row, rest = ROWS[operation], dict(fields)
        path = row.route
        for name in list(rest):
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=":"))
        body = None if row.method == "GET" or (row.method == "DELETE" and not rest) else to_json(rest)
        if row.method == "GET" and rest:
            path += "?" + "&".join(f"{name}={quote(str(value))}" for name, value in rest.items())
        return Ask(**{"operation": operation, "method": row.method, "path": path, "body": body, **changed})

    def new_key(self) -> str:
        """An idempotency key that no other request of this client has."""
        return f"mini-{next(self._keys)}"

    def headers_of(self, ask: Ask, attempt: int) -> dict[str, str]:
        """The headers of one attempt."""
        headers = {
            "x-api-key": self.credential.key if ask.operation in WITH_KEY else self.credential.text,
            "accept": ask.accept,
            "x-stainless-package-version": self.version,
            "x-stainless-retry-count": str(attempt),
            **ask.headers,
        }
        if ask.body is not None:
            headers["content-type"] = ask.media_type
        if ask.key:
            headers["x-idempotency-key"] = ask.key
        return headers

    # Sending

    def call(self, operation: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation that answers at once; the fields of its answer.

        Raises:
            Refused, Unreachable, WrongAnswer: if it does not succeed.
        """
        return self.fields_of(operation, self.answer(self.ask_of(operation, fields, key=self.new_key())))

    def tell(self, operation: str, fields: Mapping[str, Any], **changed: Any) -> None:
        """Call an operation that has no result.

        Raises:
            Refused, Unreachable: if it does not succeed.
        """
        self.answer(self.ask_of(operation, fields, key=self.new_key(), **changed))

    def fields_of(self, where: str, reply: Reply) -> dict[str, Any]:
        """The fields of an answer, those that nobody knows included.

        Raises:
            WrongAnswer: if it is no JSON object.
        """
        try:
            value = reply.json
        except ValueError as error:
            raise WrongAnswer(f"{where}: expected JSON, got {len(reply.body)} other bytes: {error}") from None
        if not isinstance(value, dict):
            raise WrongAnswer(f"{where}: expected an object, got {type(value).__name__}")
        return value

    def answer(self, ask: Ask) -> Reply:
        """Send a request until it is answered with success or with what will not change.

        Raises:
            Refused: if it is answered with an error that the next attempt would get as well.
            Unreachable: after the last attempt.
        """
        reply: Reply | None = None
        for attempt in range(self.patience.attempts):
            reply = self.attempt(ask, attempt)
            if reply is not None and 200 <= reply.status < 300:
                return reply
            if not self.passes(reply):
                assert reply is not None
                raise self.refusal(ask, reply)
            if attempt + 1 < self.patience.attempts:
                self.wait(self.pause(ask, reply, attempt))
                ask = self.again(ask)
        got = "no answer" if reply is None else f"status {reply.status}"
        raise Unreachable(
            f"{ask.operation}: expected success, got {got} in {self.patience.attempts} attempts"
        )

    def passes(self, reply: Reply | None) -> bool:
        """Whether another attempt makes sense."""
        return self.patience.passes(reply)

    def pause(self, ask: Ask, reply: Reply | None, attempt: int) -> float:
        """Seconds before the next attempt."""
        return self.patience.pause(reply, attempt, self.now())

    def again(self, ask: Ask) -> Ask:
        """What is sent at the next attempt: the same, number, key and body."""
        return ask

    def refusal(self, ask: Ask, reply: Reply) -> Refused:
        """The error of a refused request, in the server's words."""
        detail = reply.fields.get("detail", reply.body[:200].decode("utf-8", "replace"))
        return Refused(f"{ask.operation}: refused with {reply.status}: {detail}", reply.status)

    def attempt(self, ask: Ask, number: int) -> Reply | None:
        """Send a request once, twice where its token has run out; None if no whole answer came."""
        if ask.operation not in WITH_KEY:
            self.prepare()
        reply = self.carry(ask, number)
        if reply is not None and self.is_token_refused(ask, reply):
            self.renew_token()
            reply = self.carry(ask, number)
        return reply

    def carry(self, ask: Ask, number: int, transport: Transport | None = None) -> Reply | None:
        """Hand a request to a transport; None if no whole answer came."""
        try:
            return (transport or self.transport).send(ask, self.headers_of(ask, number))
        except BrokenConnection:
            return None

    # What goes beside the work

    def prepare(self) -> None:
        """Know the server's flags, have a token where it wants one, and beat where it is time."""
        if self.flags is None:
            self.flags = self.call("client_config", {"sdk_version": self.version})
        if self.wants_token() and not self.credential.is_fresh(self.now()):
            self.renew_token()
        self.beat_if_due()

    def wants_token(self) -> bool:
        """Whether the server wants tokens in the key's place."""
        return bool(self.flags and self.flags.get("pjwt_auth_enabled"))

    def renew_token(self) -> None:
        """Exchange the key for a new token."""
        answer = self.call("auth_token", {})
        if not isinstance(token := answer.get("jwt"), str):
            raise WrongAnswer("auth_token: expected a token, got none")
        self.credential.put(token, self.now())

    def is_token_refused(self, ask: Ask, reply: Reply) -> bool:
        """Whether the token has run out, though we thought that it had not."""
        renewable = self.wants_token() and ask.operation not in WITH_KEY
        return (
            renewable and reply.status == 401 and "invalid_token" in reply.headers.get("www-authenticate", "")
        )

    def wait(self, seconds: float) -> None:
        """Wait, and keep the sessions alive meanwhile."""
        left = seconds
        while left > 0:
            piece = min(left, self.patience.beat_seconds)
            self.sleep(piece)
            left -= piece
            self.beat_if_due()

    def beat_if_due(self) -> None:
        """Send the heartbeats whose time has come, unless somebody else does."""
        now = self.now()
        for session_id, last in list(self.beats.items()):
            if not self.beats_apart and now - last >= self.patience.beat_seconds:
                self.heartbeat(session_id)

    def heartbeat(self, session_id: str, transport: Transport | None = None) -> bool:
        """Keep a session alive; once, and whether it is: 410 ends its beats."""
        ask = self.ask_of("session_heartbeat", {"session_id": session_id}, seconds=10.0)
        self.beats[session_id] = self.now()
        reply = self.carry(ask, 0, transport)
        if reply is not None and reply.status == 410:
            self.beats.pop(session_id, None)
        return reply is not None and reply.status == 200

    def close(self) -> None:
        """Let go of the connection."""
        self.transport.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
