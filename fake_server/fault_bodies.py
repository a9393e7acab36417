"""Faults of what an answer carries: the service does its work, and its answer is spoilt on the way."""

import json
import random
from abc import abstractmethod
from dataclasses import replace
from math import nan
from typing import Any, Literal

from pydantic import Field, JsonValue

from contract import ForwardBackwardOutput, SampledSequence, SampleResponse
from contract.codec import JSON, PROTOBUF, encode
from fake_server.fault import Blow, Fault
from fake_server.traffic import Serve
from fake_server.wire import Answer

__all__ = [
    "BadJson",
    "BadProtobuf",
    "EmptyBody",
    "Garbage",
    "NanLiterals",
    "Spoilt",
    "WrongContentType",
    "WrongEncoding",
    "WrongResult",
    "fields_in",
]

NO_CONTENT = 204
ENDLESS_FIELD = b"\x0a\xff\xff\xff\x7f"
"""Begins field 1 with more bytes than any body has. Source: protobuf encoding, length-delimited records."""
A_SAMPLE = SampleResponse(sequences=[SampledSequence(stop_reason="stop", tokens=[1], logprobs=[0.0])])
NO_OUTPUT = ForwardBackwardOutput(
    loss_fn_output_type="ArrayRecord", loss_fn_outputs=[], metrics={"loss:sum": 0.0}
)


class Spoilt(Fault):
    """The work is done; its answer is changed."""

    async def strike(self, blow: Blow, serve: Serve) -> Answer:
        """Serve, then spoil."""
        answer = await serve()
        spoilt = self.spoil(answer, blow)
        if spoilt.status == NO_CONTENT and spoilt.body:
            return replace(spoilt, status=200)
        return spoilt

    @abstractmethod
    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """The answer that the client gets."""
        ...


class BadJson(Spoilt):
    """JSON that ends early, with a length that fits."""

    kind: Literal["bad_json"] = "bad_json"

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """Without its last byte; of another type, the beginning of an object."""
        is_json = answer.media_type == JSON and answer.body
        return replace(answer, body=answer.body[:-1] if is_json else b'{"', media_type=JSON)


class BadProtobuf(Spoilt):
    """Bytes that say they are protobuf and are not."""

    kind: Literal["bad_protobuf"] = "bad_protobuf"

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """Behind the beginning of a field that is longer than the body."""
        return replace(answer, body=ENDLESS_FIELD + answer.body, media_type=PROTOBUF)


class WrongContentType(Spoilt):
    """The right body under another type."""

    kind: Literal["wrong_content_type"] = "wrong_content_type"
    media_type: str = Field(default="text/html", pattern=r"^[\w.+-]+/[\w.+-]+$")

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """The same bytes."""
        return replace(answer, media_type=self.media_type)


class WrongEncoding(Spoilt):
    """A body that says it is compressed and is not."""

    kind: Literal["wrong_encoding"] = "wrong_encoding"
    encoding: Literal["gzip", "deflate", "zstd"] = "gzip"

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """The same bytes."""
        return replace(answer, headers={**(answer.headers or {}), "content-encoding": self.encoding})


class WrongResult(Spoilt):
    """A well-formed answer of another type: of a health check, or the other result that is protobuf."""

    kind: Literal["wrong_result"] = "wrong_result"
    body: JsonValue = None
    """JSON to answer with in its place."""

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """Another type's value, in the media type of the right one."""
        if self.body is None and answer.media_type == PROTOBUF:
            is_sample = isinstance(blow.exchange.answer, SampleResponse)
            return replace(answer, body=encode(NO_OUTPUT if is_sample else A_SAMPLE, PROTOBUF))
        told = {"status": "ok"} if self.body is None else self.body
        return replace(answer, body=json.dumps(told).encode(), media_type=JSON)


class NanLiterals(Spoilt):
    """NaN in the place of every fraction: as the literal in JSON, which no client reads, or in protobuf."""

    kind: Literal["nan"] = "nan"

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """An answer of JSON without fractions gets a metric that is NaN; a spoilt one is left."""
        result = blow.exchange.answer
        if answer.media_type == PROTOBUF and isinstance(result, ForwardBackwardOutput | SampleResponse):
            return replace(answer, body=encode(_nan_result(result), PROTOBUF))
        fields = fields_in(answer) if answer.media_type == JSON else None
        if fields is None:  # another fault has left no result
            return answer
        spoilt = _with_nan(fields)
        body = json.dumps(spoilt).encode()
        if b"NaN" not in body:
            body = json.dumps({"metrics": {"loss:sum": nan}, **spoilt}).encode()
        return replace(answer, body=body)


def fields_in(answer: Answer) -> dict[str, Any] | None:
    """The object that an answer of JSON is, of nothing an empty one; None where another fault left none."""
    try:
        value = json.loads(answer.body) if answer.body else {}
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _with_nan(value: Any) -> Any:
    match value:
        case dict():
            return {name: _with_nan(part) for name, part in value.items()}
        case list():
            return [_with_nan(part) for part in value]
        case float():
            return nan
    return value


def _nan_result(result: ForwardBackwardOutput | SampleResponse) -> object:
    if isinstance(result, ForwardBackwardOutput):
        return result.model_copy(update={"metrics": dict.fromkeys(result.metrics, nan)})
    sequences = [one.model_copy(update={"logprobs": [nan] * len(one.tokens)}) for one in result.sequences]
    return result.model_copy(update={"sequences": sequences})


class EmptyBody(Spoilt):
    """Nothing where something should be."""

    kind: Literal["empty_body"] = "empty_body"

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """The same status and type."""
        return replace(answer, body=b"")


class Garbage(Spoilt):
    """Random bytes where something should be."""

    kind: Literal["garbage"] = "garbage"
    size: int = Field(default=64, ge=1, le=1 << 20)
    """Bytes."""

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """Bytes of the seed and the call's number; the first is 0xff, with which no text begins."""
        rng = random.Random(f"{self.when.seed} {blow.call}")
        return replace(answer, body=b"\xff" + rng.randbytes(self.size - 1))
