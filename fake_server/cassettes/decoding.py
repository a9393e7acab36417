"""What an exchange said: its bytes as JSON values, whoever served it."""

import zlib
from typing import Any

from contract import (
    ApiError,
    BadRequest,
    Deferred,
    Endpoint,
    FutureMetadata,
    Operation,
    RequestFailedResponse,
    TryAgainResponse,
    UntypedAPIFuture,
)
from contract.codec import JSON, PROTOBUF, decode, decompress, media_type_of
from fake_server.cassettes.values import plain
from fake_server.wire import Answer, Incoming, read

__all__ = ["json_of", "request_of", "result_of", "typed_answer", "typed_request"]

OK, PENDING = 200, 408


def typed_request(row: Endpoint, incoming: Incoming, limit: int) -> Any:
    """The decoded request; None where it takes none, or cannot be decoded."""
    if not isinstance(row, Operation | Deferred):
        return None
    try:
        return read(row, row.request, incoming, limit, lambda _names: None)
    except ApiError:
        return None


def request_of(row: Endpoint, incoming: Incoming, limit: int, typed: object = None) -> Any:
    """The request as JSON; as its client wrote it where it is none of the contract's.

    Args:
        row: its endpoint.
        incoming: the request as it arrived.
        limit: largest body in bytes.
        typed: the decoded request, where somebody has decoded it.

    Returns:
        None where there is no body, or none of JSON.
    """
    value = typed if typed is not None else typed_request(row, incoming, limit)
    if value is not None:
        return plain(value)
    try:
        body = decompress(incoming.body, incoming.headers.get("content-encoding"), limit)
        return decode(dict[str, Any], body, JSON) if body else None
    except ApiError:
        return None


def json_of(answer: Answer, limit: int) -> Any:
    """The JSON of an answer; None where it has none."""
    try:
        body = _plain_body(answer, limit)
        return decode(dict[str, Any], body, JSON) if body else None
    except ApiError:
        return None


def result_of(row: Deferred[Any, Any], answer: Answer, limit: int) -> Any:
    """The result of a promise as JSON, whichever form it was sent in.

    Raises:
        ApiError: if it is none of the row's.
    """
    body = _plain_body(answer, limit)
    media_type = media_type_of(answer.media_type)
    return plain(decode(row.response, body, PROTOBUF if media_type == PROTOBUF else JSON))


def _plain_body(answer: Answer, limit: int) -> bytes:
    encoding = (answer.headers or {}).get("content-encoding", "")
    if encoding == "deflate":  # clients offer it, and never send it
        return _inflated(answer.body, limit)
    return decompress(answer.body, encoding, limit)


def typed_answer(
    row: Endpoint, answer: Answer, limit: int, promised: Deferred[Any, Any] | None = None
) -> object:
    """An answer as the contract's type; its JSON where it is none, the error where it is one.

    Args:
        row: the request's endpoint.
        answer: as it was sent.
        limit: largest body in bytes.
        promised: of a poll, the row of the promise.
    """
    said = json_of(answer, limit) if media_type_of(answer.media_type) == JSON else None
    if answer.status == PENDING:
        kind: Any = TryAgainResponse
    elif answer.status != OK:
        return said
    elif isinstance(row, Deferred):
        kind = UntypedAPIFuture
    elif promised is not None:
        kind = promised.response
    else:
        kind = getattr(row, "response", type(None))
    if promised is not None and said is not None and "error" in said:
        kind = RequestFailedResponse
    if promised is not None and said is not None and said.get("status") == "complete_metadata":
        kind = FutureMetadata
    try:
        media_type = PROTOBUF if media_type_of(answer.media_type) == PROTOBUF else JSON
        return decode(kind, _plain_body(answer, limit), media_type) if answer.body else None
    except ApiError:
        return said


def _inflated(body: bytes, limit: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(body, limit)
    except zlib.error as error:
        raise BadRequest(
            f"body: expected deflate data, got {len(body)} bytes that are not: {error}"
        ) from None
