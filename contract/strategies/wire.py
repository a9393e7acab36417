"""`wire`: the bytes of valid values, as clients and servers of several ages write them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel
from pydantic_core import to_json

from contract import codec
from contract.model import Since, Until
from contract.operations import OPERATIONS
from contract.strategies.compiled import compiled
from contract.strategies.contract_overrides import CONTRACT
from contract.strategies.form import Tree
from contract.strategies.overrides import Overrides
from contract.strategies.protobuf_overrides import PROTOBUF
from contract.versions import NEWEST, SdkVersion

__all__ = ["RELEASES", "Message", "messages", "wire"]


def _marks() -> Iterator[str]:
    """Every release at which an endpoint came or went."""
    for row in OPERATIONS:
        yield row.since
        yield row.until or NEWEST
        for info in row.request.model_fields.values():
            yield from (mark.version for mark in info.metadata if isinstance(mark, Since | Until))


RELEASES: tuple[SdkVersion, ...] = tuple(sorted({SdkVersion.parse(text) for text in _marks()}, reverse=True))
"""Releases of the SDK between which requests differ, the newest first."""
UNKNOWN_NAMES = ("x_new", "type_", "ünbekannt")
UNKNOWN_VALUES: tuple[Tree, ...] = (0, None, [1], {"a": "b"})
UNKNOWN_BYTES = (b"\xc0\x3e\x01", b"\xc2\x3e\x03abc", b"\xc5\x3e\x00\x00\x80\x3f")
"""Field 1000 as a number, as three bytes and as a float. Source: protobuf's wire format."""
WRITERS: tuple[Callable[[Tree], bytes], ...] = (
    to_json,
    lambda tree: json.dumps(tree).encode(),
    lambda tree: json.dumps(tree, ensure_ascii=False, indent=1).encode(),
    lambda tree: json.dumps(tree, sort_keys=True).encode(),
)
"""Compact, with escapes, over several lines, in another order."""


@dataclass(frozen=True, slots=True)
class Message:
    """A body, and what there is to know of it."""

    body: bytes
    media_type: str
    value: Any
    """What whoever reads it gets, unknown fields left out."""
    version: SdkVersion
    """The release of the SDK that has its optional fields."""
    unknown: tuple[str, ...] = ()
    """Names of the fields that its type does not have."""


def wire(type_: Any, media_type: str = codec.JSON, **options: Any) -> SearchStrategy[bytes]:
    """Bytes that carry a valid value of a type; options as of `messages`."""
    return messages(type_, media_type, **options).map(lambda message: message.body)


def messages(
    type_: Any,
    media_type: str = codec.JSON,
    *,
    releases: tuple[SdkVersion, ...] = RELEASES,
    is_newer: bool = True,
    overrides: Overrides | None = None,
) -> SearchStrategy[Message]:
    """Bodies of a type, with the optional fields of one of several releases.

    Args:
        type_: any type of the contract.
        media_type: `codec.JSON` or `codec.PROTOBUF`; the latter for the three types that have the form.
        releases: what is drawn from.
        is_newer: whether some bodies have fields that the type does not know.
        overrides: `CONTRACT` or `PROTOBUF` where not given.
    """
    chosen = overrides or (PROTOBUF if media_type == codec.PROTOBUF else CONTRACT)
    write = _protobuf if media_type == codec.PROTOBUF else _json

    def of_release(version: SdkVersion) -> SearchStrategy[Message]:
        made = compiled(type_, chosen, version)
        pairs = made.trees.map(lambda tree: (tree, made.value(tree)))
        unknown = st.booleans() if is_newer else st.just(False)
        return write(pairs, unknown, version)

    return st.sampled_from(releases).flatmap(of_release)


def _json(
    pairs: SearchStrategy[tuple[Tree, Any]], unknown: SearchStrategy[bool], version: SdkVersion
) -> SearchStrategy[Message]:
    extra = unknown.flatmap(lambda some: UNKNOWN_FIELDS if some else st.none())
    return st.builds(
        lambda pair, field, writer: _json_message(pair[0], pair[1], field, writer, version),
        pairs,
        extra,
        st.sampled_from(WRITERS),
    )


UNKNOWN_FIELDS = st.tuples(st.sampled_from(UNKNOWN_NAMES), st.sampled_from(UNKNOWN_VALUES), st.integers(0, 9))
"""A name, a value, and the number of the object that gets it."""


def _json_message(
    tree: Tree,
    value: Any,
    field: tuple[str, Tree, int] | None,
    writer: Callable[[Tree], bytes],
    version: SdkVersion,
) -> Message:
    fresh = json.loads(to_json(tree))
    objects = list(_closed_objects(value, fresh)) if field is not None else []
    unknown: tuple[str, ...] = ()
    if field is not None and objects:
        name, extra, number = field
        objects[number % len(objects)][name] = extra
        unknown = (name,)
    return Message(writer(fresh), codec.JSON, value, version, unknown)


def _closed_objects(value: Any, tree: Tree) -> Iterator[dict[str, Tree]]:
    """Every object of a tree that is a model with fixed fields, the outermost first."""
    if isinstance(value, BaseModel) and isinstance(tree, dict):
        if type(value).model_config.get("extra") != "allow":
            yield tree
        for name in type(value).model_fields:
            if name in tree:
                yield from _closed_objects(getattr(value, name), tree[name])
    elif isinstance(value, list) and isinstance(tree, list):
        for item, part in zip(value, tree, strict=True):
            yield from _closed_objects(item, part)


def _protobuf(
    pairs: SearchStrategy[tuple[Tree, Any]], unknown: SearchStrategy[bool], version: SdkVersion
) -> SearchStrategy[Message]:
    extra = unknown.flatmap(lambda some: st.sampled_from(UNKNOWN_BYTES) if some else st.just(b""))
    return st.builds(lambda pair, more: _protobuf_message(pair[1], more, version), pairs, extra)


def _protobuf_message(value: Any, extra: bytes, version: SdkVersion) -> Message:
    body = codec.encode(value, codec.PROTOBUF)
    read = codec.decode(type(value), body, codec.PROTOBUF)
    return Message(body + extra, codec.PROTOBUF, read, version, ("1000",) if extra else ())
