"""Faults that change what an answer says, as data: bytes cut and put in, fields set, a body made up."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import Base64Bytes, Field, JsonValue

from contract.codec import JSON, encode
from fake_server.fault import Blow
from fake_server.fault_bodies import Spoilt, fields_in
from fake_server.wire import Answer

__all__ = ["ChangedFields", "Edited", "Forged"]


class Forged(Spoilt):
    """A body that was made up: the work is done, and something else is told of it."""

    kind: Literal["forged"] = "forged"
    body: Base64Bytes = b""
    """In base64."""
    media_type: str = Field(default=JSON, pattern=r"^[\w.+-]+/[\w.+-]+$")
    status: int = Field(default=200, ge=200, le=599)

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """Nothing of the answer is left but its headers."""
        return replace(answer, body=self.body, media_type=self.media_type, status=self.status)


class Edited(Spoilt):
    """A body with some bytes less, and others in their place; its length fits."""

    kind: Literal["edited"] = "edited"
    at: float = Field(default=1.0, ge=0, le=1)
    """Where, as a share of the body: 1 is its end."""
    drop: int = Field(default=0, ge=0)
    """Bytes from there on that are left out."""
    insert: Base64Bytes = b""
    """What is put there, in base64."""

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """The same answer, but for these bytes."""
        begin = round(self.at * len(answer.body))
        body = answer.body[:begin] + self.insert + answer.body[begin + self.drop :]
        return replace(answer, body=body)


class ChangedFields(Spoilt):
    """An object with fields that are set, and others that are not there. What is protobuf becomes JSON."""

    kind: Literal["changed_fields"] = "changed_fields"
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    """By dotted name, numbers for places in lists: `{"sequences.0.tokens": null}`. What is not on the way is
    made; a place that a list does not have is left alone."""
    without: tuple[str, ...] = ()
    """Names of fields that are left out."""

    def spoil(self, answer: Answer, blow: Blow) -> Answer:
        """The same answer, but for these fields; one that is no object is left alone."""
        told = (
            answer if answer.media_type == JSON else replace(answer, body=encode(blow.exchange.answer, JSON))
        )
        if (value := fields_in(told)) is None:
            return answer
        for name in self.without:
            _remove(value, name.split("."))
        for name, given in self.fields.items():
            _put(value, name.split("."), given)
        return replace(answer, body=json.dumps(value).encode(), media_type=JSON)


def _put(value: Any, path: list[str], given: JsonValue) -> None:
    name, *rest = path
    place = _place(value, name)
    if place is None:
        return
    if not rest:
        value[place] = given
        return
    if isinstance(value, dict) and not isinstance(value.get(name), dict | list):
        value[name] = {}
    _put(value[place], rest, given)


def _remove(value: Any, path: list[str]) -> None:
    name, *rest = path
    place = _place(value, name)
    if place is None or (isinstance(value, Mapping) and place not in value):
        return
    if rest:
        _remove(value[place], rest)
    else:
        del value[place]


def _place(value: object, name: str) -> Any:
    """The key or index that a name means there; None for none."""
    if isinstance(value, dict):
        return name
    if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
        return int(name)
    return None
