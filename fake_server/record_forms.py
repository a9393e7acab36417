"""Records, futures and outcomes as JSON values, and back: the one place that knows how they are written.

Weights stay outside: a record has their number in a list of weights that its `Shelf` holds.
"""

import base64
import json
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter

from contract import OPERATIONS, Deferred, ForwardBackwardOutput, RequestFailedResponse, Weights
from contract.codec import PROTOBUF, decode, encode
from fake_server.futures import Future

__all__ = [
    "WeightsList",
    "future_form",
    "plain_form",
    "read_future",
    "read_plain",
    "read_record",
    "record_form",
]

R = TypeVar("R")
WEIGHTS = "weights"
UNWRITTEN = frozenset({"computation", "waiters", "payloads", "digest", "outcome"})
"""Fields of a future that are written in another way, or made anew."""
TYPES: list[Any] = [row.response for row in OPERATIONS if isinstance(row, Deferred)]
OUTCOMES = {type_.__name__: type_ for type_ in (*TYPES, RequestFailedResponse)}


class WeightsList:
    """Weights that records share, each once."""

    def __init__(self, weights: list[Weights] | None = None) -> None:
        self.all: list[Weights] = weights or []
        self._numbers = {id(one): number for number, one in enumerate(self.all)}

    def number(self, weights: Weights) -> int:
        """The place of some weights in the list; they are added if they are new."""
        if id(weights) not in self._numbers:
            self._numbers[id(weights)] = len(self.all)
            self.all.append(weights)
        return self._numbers[id(weights)]


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def plain_form(value: object, type_: Any) -> Any:
    """A value of any type of the contract, as JSON has it; numbers that are not finite stay."""
    return None if value is None else _adapter(type_).dump_python(value, mode="json", exclude_none=True)


def read_plain(form: Any, type_: Any) -> Any:
    """The value that `plain_form` wrote.

    Raises:
        ValueError: if it does not fit the type.
    """
    return None if form is None else _adapter(type_).validate_json(json.dumps(form))


def record_form(record: object, weights: WeightsList) -> dict[str, Any]:
    """A record of a store."""
    form: dict[str, Any] = {}
    kind: Any = type(record)
    for name, type_ in _hints(kind).items():
        value = getattr(record, name)
        if name == WEIGHTS:
            form[name] = None if value is None else weights.number(value)
        else:
            form[name] = plain_form(value, type_)
    return form


def read_record(kind: type[R], form: dict[str, Any], weights: WeightsList) -> R:
    """The record that `record_form` wrote.

    Raises:
        ValueError, LookupError: if it does not fit.
    """
    values = {}
    hashable: Any = kind
    for name, type_ in _hints(hashable).items():
        if name == WEIGHTS:
            values[name] = None if form[name] is None else weights.all[form[name]]
        else:
            values[name] = read_plain(form[name], type_)
    return kind(**values)


def future_form(future: Future) -> dict[str, Any]:
    """A future with its outcome."""
    form = {name: plain_form(getattr(future, name), type_) for name, type_ in _simple_hints().items()}
    return {**form, "digest": future.digest.hex(), "outcome": _outcome_form(future.outcome)}


def read_future(form: dict[str, Any]) -> Future:
    """The future that `future_form` wrote.

    Raises:
        ValueError, LookupError: if it does not fit.
    """
    values = {name: read_plain(form[name], type_) for name, type_ in _simple_hints().items()}
    outcome = _read_outcome(form["outcome"])
    return Future(**values, digest=bytes.fromhex(form["digest"]), outcome=outcome)


@cache
def _simple_hints() -> dict[str, Any]:
    names = {field.name for field in fields(Future)} - UNWRITTEN
    hints = get_type_hints(Future)
    return {name: hints[name] for name in sorted(names)}


def _outcome_form(outcome: Any) -> dict[str, Any]:
    """JSON, and protobuf for the results of passes: tensors may hold numbers that JSON does not have."""
    name = type(outcome).__name__
    if isinstance(outcome, ForwardBackwardOutput):
        return {"type": name, "protobuf": base64.b64encode(encode(outcome, PROTOBUF)).decode()}
    return {"type": name, "value": plain_form(outcome, type(outcome))}


def _read_outcome(form: dict[str, Any]) -> Any:
    type_ = OUTCOMES[form["type"]]
    if "protobuf" in form:
        return decode(type_, base64.b64decode(form["protobuf"]), PROTOBUF)
    return read_plain(form["value"], type_)
