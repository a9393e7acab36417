"""Readings: from an answer to what was asked for, or to the error that says why it is not that."""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, TypeVar

import numpy as np

from contract.codec import JSON, PROTOBUF, decode
from contract.errors import ApiError
from contract.inputs import Datum
from contract.sampling import SampleResponse
from contract.training import ForwardBackwardOutput
from tests.clients.errors import BadInput, WrongAnswer
from tests.clients.transport import Reply

__all__ = [
    "Reading",
    "check_data",
    "nothing",
    "numbers_in",
    "read_pass",
    "read_samples",
    "rows_in",
    "text_in",
]

T = TypeVar("T")
Reading = Callable[[Reply], T]
LOSS = "loss:sum"
"""The metric that every pass has. Source: sdk 0.38.0 lib/public_interfaces/training_client.py."""


def decoded(type_: type[T], where: str, reply: Reply) -> T:
    """An answer as the contract's type, in JSON or protobuf, whatever more is in it.

    Raises:
        WrongAnswer: if it does not fit.
    """
    if reply.media_type not in (JSON, PROTOBUF):
        raise WrongAnswer(f"{where}: expected JSON or protobuf, got {reply.media_type or 'no type'}")
    try:
        return decode(type_, reply.body, reply.media_type, on_unknown=lambda _: None)
    except ApiError as error:
        raise WrongAnswer(f"{where}: expected a {type_.__name__}, got another: {error.detail}") from None


def fields_in(where: str, reply: Reply) -> dict[str, Any]:
    """The fields of a JSON answer.

    Raises:
        WrongAnswer: if it has none.
    """
    fields = reply.fields
    if not fields:
        raise WrongAnswer(f"{where}: expected a JSON object with fields, got {len(reply.body)} other bytes")
    return fields


def text_in(where: str, *names: str, prefix: str = "") -> Reading[str]:
    """Reads a text, under the first name that is there; it must begin with `prefix`."""

    def read(reply: Reply) -> str:
        fields = fields_in(where, reply)
        value = next((fields[name] for name in names if fields.get(name) is not None), None)
        if not isinstance(value, str) or not value.startswith(prefix):
            raise WrongAnswer(
                f"{where}: expected a text {prefix + '…' if prefix else ''} as "
                f"{' or '.join(names)}, got {value!r}"
            )
        return value

    return read


def numbers_in(where: str, name: str) -> Reading[dict[str, float]]:
    """Reads numbers by name; none where they are null or absent, which is allowed."""

    def read(reply: Reply) -> dict[str, float]:
        fields = reply.fields
        value = fields.get(name)
        known = name in fields or fields.get("type") == where or (not fields and reply.body == b"{}")
        if not known or not isinstance(value, dict | None):
            raise WrongAnswer(f"{where}: expected {name}, got {sorted(fields)}")
        wrong = [key for key, number in (value or {}).items() if type(number) not in (int, float)]
        if wrong:
            raise WrongAnswer(f"{where}: expected numbers in {name}, got others as {', '.join(wrong)}")
        return value or {}

    return read


def nothing(where: str, kind: str) -> Reading[None]:
    """Reads that it was done: an object, of this `type` where it says one."""

    def read(reply: Reply) -> None:
        fields = fields_in(where, reply)
        if fields.get("type", kind) != kind:
            raise WrongAnswer(f"{where}: expected a {kind}, got a {fields['type']}")

    return read


def rows_in(where: str, fields: dict[str, Any], name: str, *needed: str) -> list[Any]:
    """The rows of a list, each with what is needed of it.

    Raises:
        WrongAnswer: if a part is not there.
    """
    rows = fields.get(name)
    if not isinstance(rows, list):
        raise WrongAnswer(f"{where}: expected a list as {name}, got {type(rows).__name__}")
    for row in rows:
        missing = [field for field in needed if not isinstance(row, dict) or field not in row]
        if missing:
            raise WrongAnswer(
                f"{where}: expected rows with {', '.join(needed)}, got one without {missing[0]}"
            )
    return rows


def read_pass(where: str, data: Sequence[Datum]) -> Reading[ForwardBackwardOutput]:
    """Reads a pass over these data: one output for each, a logprob for each target, and the loss."""
    shapes = [datum.target_shape for datum in data]

    def read(reply: Reply) -> ForwardBackwardOutput:
        output = decoded(ForwardBackwardOutput, where, reply)
        if len(output.loss_fn_outputs) != len(shapes):
            raise WrongAnswer(
                f"{where}: expected {len(shapes)} outputs, one per datum, got {len(output.loss_fn_outputs)}"
            )
        for number, (shape, record) in enumerate(zip(shapes, output.loss_fn_outputs, strict=True), 1):
            got = record["logprobs"].dimensions if "logprobs" in record else None
            if got != shape:
                raise WrongAnswer(f"{where}: expected logprobs {shape}, got {got} (datum {number})")
        if not isfinite(output.metrics.get(LOSS, np.nan)):
            raise WrongAnswer(f"{where}: expected a finite {LOSS}, got {output.metrics.get(LOSS)}")
        return output

    return read


def read_samples(
    where: str, ids: Sequence[str], prompt_length: int, *, scores: bool
) -> Reading[SampleResponse]:
    """Reads as many sequences as were promised ids, a logprob for each token, and the prompt's scores."""

    def read(reply: Reply) -> SampleResponse:
        response = decoded(SampleResponse, where, reply)
        if len(response.sequences) != len(ids):
            raise WrongAnswer(f"{where}: expected {len(ids)} sequences, got {len(response.sequences)}")
        for sequence in response.sequences:
            logprobs = [] if sequence.logprobs is None else sequence.logprobs
            if len(logprobs) != len(sequence.tokens):
                raise WrongAnswer(
                    f"{where}: expected {len(sequence.tokens)} logprobs, one per token, got {len(logprobs)}"
                )
        if scores and len(response.prompt_logprobs or ()) != prompt_length:
            got = len(response.prompt_logprobs or ())
            raise WrongAnswer(f"{where}: expected {prompt_length} prompt logprobs, got {got}")
        return response

    return read


def check_data(data: Sequence[Datum]) -> None:
    """Refuse data that no server could train on, before a number is taken for them.

    Raises:
        BadInput: naming the datum.
    """
    if not data:
        raise BadInput("data: expected at least one datum, got none")
    for number, datum in enumerate(data, 1):
        targets = datum.loss_fn_inputs.get("target_tokens")
        if targets is None or targets.dtype != "int64":
            raise BadInput(f"target_tokens: expected whole numbers, got none (datum {number})")
        for key, tensor in datum.loss_fn_inputs.items():
            if tensor.dimensions != targets.dimensions:
                raise BadInput(
                    f"{key}: expected shape {targets.dimensions}, got {tensor.dimensions} (datum {number})"
                )
            if not np.isfinite(tensor.values).all():
                raise BadInput(f"{key}: expected finite numbers, got others (datum {number})")
