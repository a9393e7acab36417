"""Bytes to request types and values to bytes: the only place that knows both HTTP and the contract."""

import json
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from google.protobuf.message import DecodeError
from pydantic_core import from_json, to_json
from starlette.types import Message, Scope, Send

from contract import (
    ApiError,
    Endpoint,
    ForwardBackwardOutput,
    FutureOutcome,
    PayloadTooLarge,
    SampleResponse,
    TryAgainResponse,
    Unprocessable,
)
from contract.codec import JSON, PROTOBUF, decode, decompress, encode, media_type_of
from contract.proto.tinker_public_pb2 import ForwardBackwardRequest
from contract.versions import upgrade

__all__ = [
    "Answer",
    "Headers",
    "Incoming",
    "Sending",
    "UnknownFieldWarning",
    "answer_of",
    "error_answer",
    "head_of",
    "numbered",
    "read",
    "read_exactly",
    "result_media_type",
    "send_whole",
]

JSON_SHARE = 4
"""JSON bodies may have a quarter of the limit: judging 16 MiB of it takes as long as 64 MiB of protobuf."""
NOT_YET = 408
"""Clients poll again at once, whatever their version; `try_again` with 200 is logged each time."""


class UnknownFieldWarning(UserWarning):
    """A client sent a field that the contract does not know: perhaps a newer SDK than the contract."""


class Headers:
    """The headers of a request; only those that are asked for are decoded, a handful of twenty."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = dict(raw)

    def get(self, name: str, default: str = "") -> str:
        """The value of a header, `name` in lower case; the last one where it was sent more than once."""
        value = self._raw.get(name.encode("latin-1"))
        return default if value is None else value.decode("latin-1")

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """All names, in lower case, with their values."""
        for name, value in self._raw.items():
            yield name.decode("latin-1"), value.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it arrived."""

    headers: Headers
    path_values: Mapping[str, str]
    query: bytes
    body: bytes
    method: str = "POST"
    raw_path: bytes = b""
    """As the client wrote it, the tenant's prefix included."""
    gone: Callable[[], Awaitable[object]] | None = None
    """Returns once the client has left; None where nobody can tell."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it leaves."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] | None = None
    sending: "Sending | None" = None
    """How it is sent; as a whole and at once where absent."""


Sending = Callable[[Answer, Scope, Send], Awaitable[None]]
"""Sends an answer, or less, or more. Its scope may hold the connection: see `fake_server.front`."""


def read(
    row: Endpoint,
    request_type: type[Any],
    incoming: Incoming,
    limit: int,
    on_unknown: Callable[[list[str]], None],
) -> Any:
    """The typed request.

    Fields of an unknown name are dropped, reported to `on_unknown` and warned about; what clients before
    the newest leave out is filled in.

    Raises:
        ApiError: if the body cannot be read or does not fit.
    """
    body = decompress(incoming.body, incoming.headers.get("content-encoding"), limit)
    media_type = media_type_of(incoming.headers.get("content-type")) or JSON
    if media_type == JSON or not body:
        _check_size(body, limit // JSON_SHARE)
        media_type, body = JSON, _merged(incoming, body)

    def dropped(names: list[str]) -> None:
        on_unknown(names)
        _warn(row, names)

    try:
        return decode(request_type, body, media_type)
    except Unprocessable:
        if media_type != JSON:
            raise
    return decode(request_type, _upgraded(row, body), JSON, on_unknown=dropped)


def read_exactly(request_type: type[Any], incoming: Incoming, limit: int) -> Any:
    """The typed request of one who is no client: nothing is dropped, and nothing filled in.

    Raises:
        ApiError: if the body cannot be read or does not fit, unknown fields included.
    """
    body = decompress(incoming.body, incoming.headers.get("content-encoding"), limit)
    _check_size(body, limit // JSON_SHARE)
    return decode(request_type, _merged(incoming, body), JSON)


def _check_size(body: bytes, limit: int) -> None:
    if len(body) > limit:
        raise PayloadTooLarge(
            f"body: expected at most {limit} bytes of JSON, got {len(body)}; send less at once"
        )


def _warn(row: Endpoint, names: list[str]) -> None:
    text = f"{row.name}: expected the fields of the contract, got {', '.join(names)}; they were ignored"
    try:
        warnings.warn(UnknownFieldWarning(text), stacklevel=2)
    except UnknownFieldWarning:
        raise Unprocessable(text) from None


def _merged(incoming: Incoming, body: bytes) -> bytes:
    """The body, with the values of path and query put in where there are any."""
    query = dict(parse_qsl(incoming.query.decode("ascii", "replace"))) if incoming.query else {}
    values = {**query, **incoming.path_values}
    if not values:
        return body or b"{}"
    fields = decode(dict[str, Any], body, JSON) if body else {}
    return json.dumps({**fields, **values}).encode()


def _upgraded(row: Endpoint, body: bytes) -> bytes:
    """The body as the newest client would send it."""
    fields = from_json(body)
    return to_json(upgrade(row.name, fields)) if isinstance(fields, dict) else body


def numbered(incoming: Incoming, limit: int) -> tuple[str, int]:
    """Model and number of a request whose body does not fit its type; `("", 0)` where it has none."""
    try:
        body = decompress(incoming.body, incoming.headers.get("content-encoding"), limit)
        if media_type_of(incoming.headers.get("content-type")) == PROTOBUF:
            message = ForwardBackwardRequest.FromString(body)
            return message.model_id, message.seq_id
        fields = from_json(body)
        model_id, seq_id = fields["model_id"], fields["seq_id"]
    except (ApiError, DecodeError, ValueError, KeyError, TypeError):
        return "", 0
    return (model_id, seq_id) if isinstance(model_id, str) and isinstance(seq_id, int) else ("", 0)


def result_media_type(outcome: FutureOutcome, accept: str) -> str:
    """Protobuf for the two results that have it, where the client accepts it; else JSON."""
    has_protobuf = isinstance(outcome, ForwardBackwardOutput | SampleResponse)
    return PROTOBUF if has_protobuf and PROTOBUF in accept else JSON


def answer_of(value: object) -> Answer:
    """The answer that carries `value`."""
    if isinstance(value, Answer):
        return value
    if value is None:
        return Answer(204, b"")
    status = NOT_YET if isinstance(value, TryAgainResponse) else 200
    return Answer(status, encode(value, JSON))


def error_answer(error: ApiError) -> Answer:
    """The answer that carries an error; its body is never empty, since clients retry an empty 400."""
    return Answer(error.status, json.dumps({"detail": error.detail}).encode(), headers=error.headers)


def head_of(answer: Answer) -> Message:
    """What begins an answer on its way, its length included."""
    headers = [
        (b"content-type", answer.media_type.encode("latin-1")),
        (b"content-length", b"%d" % len(answer.body)),
    ]
    for name, value in (answer.headers or {}).items():
        headers.append((name.encode("latin-1"), value.encode("latin-1")))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def send_whole(answer: Answer, _scope: Scope, send: Send) -> None:
    """Send an answer as it is."""
    await send(head_of(answer))
    await send({"type": "http.response.body", "body": answer.body})
