"""Answers to clients: rare, at the edge, breaking the schema in one place, damaged; and what is right then.

Each says what a right client makes of it: it goes on (`accept`), it ends in a documented error (`error`), or
one of the two, where nobody can tell (`either`). It never hangs, and never goes on with a wrong number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic_core import to_json

from contract import codec
from contract.errors import ApiError
from contract.futures import UntypedAPIFuture
from contract.operations import Deferred, Operation
from contract.strategies.compiled import compiled
from contract.strategies.contract_overrides import CONTRACT
from contract.strategies.form import Tree, Violation
from contract.strategies.mutations import Mutation, mutations
from contract.strategies.wire import RELEASES, Message, messages

__all__ = [
    "Answer",
    "answer_type",
    "answers",
    "broken_answers",
    "damaged_answers",
    "edge_answers",
    "rare_answers",
]

Expectation: TypeAlias = Literal["accept", "error", "either"]
NOTHING: Any = type(None)
BITS = 64
"""Integers of more are none in many languages."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server might send with status 200."""

    body: bytes
    media_type: str
    kind: Literal["rare", "edge", "breaking", "damaged"]
    what: str
    """For people, for example `cursor: null`."""
    expects: Expectation
    """What a right client makes of it."""


def answer_type(row: Operation[Any, Any] | Deferred[Any, Any]) -> Any:
    """The type of what an operation answers at once: a promise, or its response."""
    return UntypedAPIFuture if isinstance(row, Deferred) else row.response


def answers(type_: Any, media_type: str = codec.JSON) -> SearchStrategy[Answer]:
    """Answers of all four kinds, the harmless first.

    Args:
        type_: as of `answer_type`, or of the result of a future.
        media_type: `codec.JSON` or `codec.PROTOBUF`; in protobuf there are those of the first and last kind.
    """
    kinds = [rare_answers(type_, media_type), damaged_answers(type_, media_type)]
    if media_type == codec.JSON and type_ is not NOTHING:
        kinds[1:1] = [edge_answers(type_), broken_answers(type_)]
    return st.one_of(*kinds)


def rare_answers(type_: Any, media_type: str = codec.JSON, **options: Any) -> SearchStrategy[Answer]:
    """Valid values as servers of any age write them, with unknown fields now and then.

    Args:
        type_: as of `answers`.
        media_type: as of `answers`.
        options: `releases` and `is_newer`, as of `messages`.
    """
    return _bodies(type_, media_type, **options).map(
        lambda message: Answer(message.body, media_type, "rare", _told(message), "accept")
    )


def _bodies(type_: Any, media_type: str, **options: Any) -> SearchStrategy[Message]:
    if type_ is NOTHING:
        bodies = st.sampled_from([b"null", b"{}", b""])
        return bodies.map(lambda body: Message(body, media_type, None, RELEASES[0]))
    return messages(type_, media_type, **options)


def _told(message: Message) -> str:
    more = f" with unknown {', '.join(message.unknown)}" if message.unknown else ""
    return f"as of {message.version}{more}"


def edge_answers(type_: Any) -> SearchStrategy[Answer]:
    """Valid JSON with one place at a boundary."""
    made = [
        Answer(to_json(e.edit(None)), codec.JSON, "edge", e.name, _at(e.edit(None)))
        for e in _known(type_).edges
    ]
    return st.sampled_from(made)


def _at(tree: Tree) -> Expectation:
    return "either" if _has_large(tree) else "accept"


def _has_large(tree: Tree) -> bool:
    """Whether an integer is in a tree that has more than 64 bits."""
    if isinstance(tree, Mapping):
        return any(_has_large(part) for part in tree.values())
    if isinstance(tree, list):
        return any(_has_large(part) for part in tree)
    return isinstance(tree, int) and not -(2 ** (BITS - 1)) <= tree < 2 ** (BITS - 1)


def broken_answers(type_: Any) -> SearchStrategy[Answer]:
    """JSON with one violation. Clients need not read what is optional: elsewhere they must notice."""
    made = _known(type_)
    simplest = made.form.simplest()
    return st.builds(
        lambda found, base: Answer(
            to_json(found.edit(base)), codec.JSON, "breaking", found.name, _noticed(found, simplest)
        ),
        st.sampled_from(made.violations),
        made.trees,
    )


def _noticed(found: Violation, simplest: Tree) -> Expectation:
    is_needed = not found.place or (isinstance(simplest, dict) and found.place[0] in simplest)
    return "error" if is_needed else "either"


def damaged_answers(type_: Any, media_type: str = codec.JSON) -> SearchStrategy[Answer]:
    """Bodies with one piece of damage. Where it leaves another valid value, nobody can tell."""
    return _bodies(type_, media_type).flatmap(
        lambda message: mutations(message.body).map(lambda mutation: _damaged(mutation, type_, media_type))
    )


def _damaged(mutation: Mutation, type_: Any, media_type: str) -> Answer:
    return Answer(
        mutation.body, media_type, "damaged", mutation.what, _readable(type_, mutation.body, media_type)
    )


def _readable(type_: Any, body: bytes, media_type: str) -> Expectation:
    if type_ is NOTHING:
        return "either"
    try:
        codec.decode(type_, body, media_type, on_unknown=lambda _: None)
    except ApiError:
        return "error"
    return "either"


def _known(type_: Any) -> Any:
    return compiled(type_, CONTRACT)
