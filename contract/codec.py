"""Bytes and contract types, by media type; content encodings; and what is said of a body that does not fit.

JSON: None is left out, and what is not finite never appears as a literal, since clients refuse it: such
metrics are left out, and such numbers in lists are null. Protobuf keeps both.
"""

import gzip
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from math import isfinite
from typing import Any, TypeAlias, TypeVar

import zstandard
from google.protobuf.message import DecodeError
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from contract.errors import BadRequest, PayloadTooLarge, Unprocessable, UnsupportedMediaType
from contract.proto import requests, responses
from contract.sampling import SampleResponse
from contract.training import ForwardBackwardOutput, ForwardBackwardRequest, OptimStepResponse

__all__ = ["JSON", "PROTOBUF", "decode", "decompress", "encode", "media_type_of", "unknown_fields"]

JSON = "application/json"
PROTOBUF = "application/x-protobuf"

T = TypeVar("T")
Location: TypeAlias = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class _ProtobufForm:
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


_PROTOBUF_FORMS: dict[object, _ProtobufForm] = {
    ForwardBackwardRequest: _ProtobufForm(requests.decode_request, requests.encode_request),
    ForwardBackwardOutput: _ProtobufForm(responses.decode_output, responses.encode_output),
    SampleResponse: _ProtobufForm(responses.decode_sample, responses.encode_sample),
}


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


def media_type_of(content_type: str) -> str:
    """The media type in a `Content-Type` header: lower case, no parameters; empty where there is none."""
    return content_type.partition(";")[0].strip().lower()


def encode(value: object, media_type: str) -> bytes:
    """The value as bytes of `media_type`; the same value gives the same bytes.

    Raises:
        UnsupportedMediaType: if the type of `value` has no such form.
        Unprocessable: if `value` cannot be written in that form, naming the part.
    """
    type_: Any = type(value)
    form = _protobuf_form(type_, media_type)
    if form is None:
        return _adapter(type_).dump_json(_with_finite_metrics(value), exclude_none=True)
    try:
        return form.encode(value)
    except (ValueError, OverflowError) as error:
        raise Unprocessable(f"{type_.__name__}: {error}") from None


def decode(
    type_: type[T],
    body: bytes,
    media_type: str,
    *,
    on_unknown: Callable[[list[str]], None] | None = None,
) -> T:
    """The value of `type_` that `body` carries.

    Args:
        type_: any type pydantic knows; three types have a protobuf form.
        body: decompressed bytes.
        media_type: `JSON` or `PROTOBUF`.
        on_unknown: called with the dotted names of JSON fields that the type does not have, where they are
            the body's only fault; the value is then made without them. Absent, they are a fault.

    Raises:
        UnsupportedMediaType: if the type has no such form.
        BadRequest: if the body is not well-formed.
        Unprocessable: if it is and does not fit the type; the text names at most `MOST_LISTED` places.
    """
    form = _protobuf_form(type_, media_type)
    value: T = _decode_json(type_, body, on_unknown) if form is None else _decode_protobuf(type_, body, form)
    return value


def _protobuf_form(type_: object, media_type: str) -> _ProtobufForm | None:
    """The protobuf form if that is asked for, None for JSON."""
    form = _PROTOBUF_FORMS.get(type_)
    if media_type == JSON:
        return None
    if form is None or media_type != PROTOBUF:
        supported = JSON if form is None else f"{JSON} or {PROTOBUF}"
        name = getattr(type_, "__name__", str(type_))
        raise UnsupportedMediaType(f"content-type: expected {supported} for {name}, got {media_type!r}")
    return form


def _with_finite_metrics(value: object) -> object:
    if not isinstance(value, ForwardBackwardOutput | OptimStepResponse) or not value.metrics:
        return value
    finite = {name: number for name, number in value.metrics.items() if isfinite(number)}
    return value if len(finite) == len(value.metrics) else value.model_copy(update={"metrics": finite})


def _decode_protobuf(type_: type[Any], body: bytes, form: _ProtobufForm) -> Any:
    try:
        return form.decode(body)
    except DecodeError:
        raise BadRequest(
            f"body: expected a protobuf {type_.__name__}, got {len(body)} bytes that are not"
        ) from None
    except ValidationError as error:
        raise Unprocessable(_explained(error, None)) from None
    except ValueError as error:
        raise Unprocessable(str(error)) from None


def _decode_json(type_: Any, body: bytes, on_unknown: Callable[[list[str]], None] | None) -> Any:
    adapter = _adapter(type_)
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        fault = error
    if fault.error_count() > MOST_EXPLAINED:
        raise Unprocessable(f"body: expected a {fault.title}, got one with {fault.error_count()} faults")
    first = fault.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        raise BadRequest(f"body: expected JSON, got {len(body)} bytes that are not: {first['ctx']['error']}")
    unknown = unknown_fields(fault) if on_unknown else None
    if unknown is None and len(body) > MOST_EXPLAINED_BYTES:
        where = _dotted(first["loc"]) or "body"
        raise Unprocessable(f"{where}: {_expected(first)} (in a body of {len(body)} bytes)")
    fields = from_json(body)
    if on_unknown is None or unknown is None:
        raise Unprocessable(_explained(fault, fields))
    names = _drop(fields, unknown)
    try:
        value = adapter.validate_json(to_json(fields))
    except ValidationError as error:
        raise Unprocessable(_explained(error, fields)) from None
    on_unknown(names)
    return value


MOST_LISTED = 5
"""Places that one error text names. Source: ours: more do not help, and hide the first."""
MOST_EXPLAINED = 10_000
"""Faults of which any is explained. Source: ours: explaining takes about 1 kB each while it lasts."""
MOST_EXPLAINED_BYTES = 1024 * 1024
"""Size of a body up to which each fault is explained. Source: ours: it takes seconds for the largest."""
MAPPINGS = frozenset({"loss_fn_inputs", "loss_fn_config", "user_metadata", "metrics"})
"""Fields whose keys are the user's, written `field['key']`."""


def unknown_fields(error: ValidationError) -> list[Location] | None:
    """Where pydantic met fields that the type does not have; None where there were none.

    In a union the same field counts once per branch, with the branch's name in its location.
    """
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return [problem["loc"] for problem in problems if problem["type"] == "extra_forbidden"] or None


def _drop(fields: Any, locations: list[Location]) -> list[str]:
    """Delete the places from the JSON value and return their names."""
    paths = list(dict.fromkeys(path for location in locations if (path := _path(fields, location))))
    for *parents, name in sorted(paths, key=len, reverse=True):
        place: Any = fields
        for part in parents:
            place = place[part]
        del place[name]
    return [_dotted(path) for path in paths]


def _path(value: Any, location: Location) -> Location | None:
    """The keys that lead to a location in a JSON value, without the names of union branches among them.

    None where its last part is not in the value.
    """
    if not location:
        return ()
    head, rest = location[0], location[1:]
    is_item = isinstance(value, list) and isinstance(head, int) and head < len(value)
    if head in value if isinstance(value, dict) else is_item:
        tail = _path(value[head], rest)
        if tail is not None:
            return (head, *tail)
    return _path(value, rest) if rest else None


def _explained(error: ValidationError, fields: Any) -> str:
    """`<where>: expected <what>, got <what>` for the first places that do not fit.

    Args:
        error: what pydantic found.
        fields: the JSON value it looked at, None for another one.
    """
    expected: dict[str, dict[str, None]] = {}
    got: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        where = _where(problem, fields)
        expected.setdefault(where, {})[_expected(problem)] = None
        got.setdefault(where, _got(problem))
    lines = [
        f"{where}: {' or '.join(wanted).replace(' or expected ', ' or ')}{got[where]}"
        for where, wanted in expected.items()
    ]
    more = len(lines) - MOST_LISTED
    return "; ".join([*lines[:MOST_LISTED], *([f"and {more} more places"] if more > 0 else [])])


def _where(problem: ErrorDetails, fields: Any) -> str:
    location = problem["loc"]
    if fields is None:
        return _dotted(location) or "body"
    missing = location[-1:] if problem["type"] == "missing" else ()
    ends = range(len(location) - len(missing), 0, -1)
    path = next((path for end in ends if (path := _path(fields, location[:end])) is not None), ())
    return _dotted((*path, *missing)) or "body"


def _dotted(path: Location) -> str:
    text, before = "", None
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif before in MAPPINGS:
            text += f"[{part!r}]"
        else:
            text += f".{part}" if text else part
        before = part
    return text


def _expected(problem: ErrorDetails) -> str:
    match problem["type"]:
        case "missing":
            return "expected a value"
        case "extra_forbidden":
            return "expected no field of this name"
        case "value_error":
            return str(problem["ctx"]["error"])
        case "union_tag_invalid":
            return f"expected one of {problem['ctx']['expected_tags']}"
    text = re.sub(r", (unable|got) .*", "", problem["msg"]).removeprefix("Input should be ")
    text = re.sub(r"^([A-Z][a-z]+) should have ", lambda found: f"a {found[1].lower()} with ", text)
    return f"expected {text}"


def _got(problem: ErrorDetails) -> str:
    value = problem["input"]
    if problem["type"] == "value_error":
        return ""
    if problem["type"] == "missing":
        return ", got none"
    if problem["type"] == "union_tag_invalid":
        return f", got {problem['ctx']['tag']!r}"
    if isinstance(value, dict):
        return f", got an object of {len(value)} fields"
    if isinstance(value, list):
        return f", got a list of {len(value)}"
    if isinstance(value, str) and len(value) > MOST_QUOTED:
        return f", got {len(value)} characters"
    return f", got {value!r}"


MOST_QUOTED = 60
"""Characters of a value that an error text repeats. Source: ours: they fit a terminal's line."""

PIECE_BYTES = 1 << 16
"""Bytes decompressed at once. Source: ours: a bomb is noticed within as many."""
LEAST_WINDOW_BYTES = 8 << 20
"""Every zstd decoder should take windows of this size. Source: RFC 8878, section 3.1.1.1.2."""
SKIPPABLE_FRAME, SKIPPABLE_MASK = 0x184D2A50, 0xFFFFFFF0
"""Source: RFC 8878, section 3.1.2."""
LARGEST_ZSTD_HEADER = 18


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body of a request as it was before its `Content-Encoding`; at most `limit` bytes.

    Args:
        body: bytes as sent.
        encoding: `gzip`, `zstd`, `identity` or empty, in any case.
        limit: largest result in bytes.

    Raises:
        UnsupportedMediaType: for another encoding.
        PayloadTooLarge: as soon as more than `limit` bytes came out.
        BadRequest: if the body is not of that encoding, or ends early.
    """
    encoding = encoding.strip().lower()
    match encoding:
        case "" | "identity":
            plain = body
        case "gzip":
            plain = _gunzipped(body, limit)
        case "zstd":
            plain = _unzstd(body, limit)
        case _:
            raise UnsupportedMediaType(f"content-encoding: expected gzip, zstd or identity, got {encoding!r}")
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"body: expected at most {limit} bytes, got more; send smaller batches")


def _not_encoded(encoding: str, body: bytes, reason: object) -> BadRequest:
    return BadRequest(f"body: expected {encoding} data, got {len(body)} bytes that are not: {reason}")


def _read_capped(read: Callable[[int], bytes], limit: int) -> bytes:
    """All that `read` gives. The buffer is at most an eighth larger than its content, and never copied."""
    plain = BytesIO()
    while piece := read(PIECE_BYTES):
        if plain.tell() + len(piece) > limit:
            raise _too_large(limit)
        plain.write(piece)
    return plain.getvalue()


def _gunzipped(body: bytes, limit: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=BytesIO(body)) as reader:
            return _read_capped(reader.read, limit)
    except (OSError, EOFError, zlib.error) as error:
        raise _not_encoded("gzip", body, error) from None


def _unzstd(body: bytes, limit: int) -> bytes:
    decoder = zstandard.ZstdDecompressor(max_window_size=max(limit, LEAST_WINDOW_BYTES))
    try:
        with decoder.stream_reader(body, read_across_frames=True) as reader:
            plain = _read_capped(reader.read, limit)
    except zstandard.ZstdError as error:
        if "too much memory" in str(error):
            raise _too_large(limit) from None
        raise _not_encoded("zstd", body, error) from None
    if not _ends_with_a_frame(body):
        raise _not_encoded("zstd", body, "the last frame is not whole")
    return plain


def _ends_with_a_frame(body: bytes) -> bool:
    """Whether valid zstd data is whole frames: the streaming reader takes a cut one for the end.

    Source: RFC 8878, section 3.1.
    """
    at, whole = 0, False
    while at < len(body):
        magic = int.from_bytes(body[at : at + 4], "little")
        if magic & SKIPPABLE_MASK == SKIPPABLE_FRAME:
            at, whole = at + 8 + int.from_bytes(body[at + 4 : at + 8], "little"), True
            continue
        header = body[at : at + LARGEST_ZSTD_HEADER]
        try:
            checksum_bytes = 4 if zstandard.get_frame_parameters(header).has_checksum else 0
        except zstandard.ZstdError:
            return False
        at, whole = at + zstandard.frame_header_size(header), False
        while not whole and at + 3 <= len(body):
            block = int.from_bytes(body[at : at + 3], "little")
            is_run = block >> 1 & 3 == 1
            at, whole = at + 3 + (1 if is_run else block >> 3), bool(block & 1)
        at += checksum_bytes
        if not whole:
            return False
    return whole and at == len(body)
