"""Which types are asked and which are answered, by which operations; and which laws a change concerns."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from contract.drift.change import Change
from contract.drift.shape import Field
from contract.laws import LAWS, Law
from contract.operations import OPERATIONS, UNSERVED, Deferred
from contract.versions import SdkVersion

__all__ = ["Role", "laws_of", "operation_of_call", "roles_of"]

Types = Mapping[str, Mapping[str, Field]]
PROMISE = "UntypedAPIFuture"
POLLED = ("TryAgainResponse", "RequestFailedResponse", "FutureMetadata")
"""What a poll answers beside a result."""
RENAMED: Mapping[str, tuple[str, ...]] = {
    "FinishSessionRequest": ("SessionFinishRequest",),
    "ForwardBackwardRequest": ("ForwardBackwardInput",),
    "TrainingRunsResponse": ("TrainingRunIdsResponse",),
}
"""Names that releases give to the types of the contract."""


class Role(NamedTuple):
    """What a type is for."""

    asked: frozenset[str]
    """Operations in whose requests it is."""
    answered: frozenset[str]
    """Operations in whose answers it is, as JSON."""
    results: frozenset[str]
    """Operations in whose results it is that may be protobuf."""


def roles_of(*releases: Types) -> dict[str, Role]:
    """The role of each type that crosses the wire, however deep it is in a request or an answer."""
    asked: dict[str, set[str]] = {}
    answered: dict[str, set[str]] = {}
    results: dict[str, set[str]] = {}
    for row in OPERATIONS:
        answer = getattr(row.response, "__name__", "")
        binary = (row.protobuf and isinstance(row, Deferred)) or answer == "SampleResponse"
        for types in releases:
            _spread(types, row.request.__name__, row.name, asked)
            _spread(types, answer, row.name, results if binary else answered)
            if isinstance(row, Deferred):
                _spread(types, PROMISE, row.name, answered)
    for types in releases:
        for name in POLLED:
            _spread(types, name, "retrieve_future", answered)
    names = asked.keys() | answered.keys() | results.keys()
    return {
        name: Role(*(frozenset(places.get(name, ())) for places in (asked, answered, results)))
        for name in names
    }


def _spread(types: Types, name: str, operation: str, places: dict[str, set[str]]) -> None:
    waiting = [name, *RENAMED.get(name, ())]
    while waiting:
        current = waiting.pop()
        if current not in types or operation in places.setdefault(current, set()):
            continue
        places[current].add(operation)
        for field in types[current].values():
            waiting += [word for kind in field["kinds"] for word in re.findall(r"[A-Z]\w+", kind)]


def operation_of_call(call: str) -> str:
    """The name of the operation that `<METHOD> <path>` is; the call itself where the contract has none."""
    for row in (*OPERATIONS, *UNSERVED):
        path = re.sub(r"\{segment\}/\{name\}|\{\w+\}", "{}", row.route)
        if call == f"{row.method} {path}":
            return row.name
    return call


def laws_of(change: Change, older: SdkVersion, newer: SdkVersion) -> tuple[str, ...]:
    """Ids of the laws that a change concerns.

    Those that speak of one of its words. Of a change without words: those that hold from one of the two
    releases on, or to one, and speak of an operation of the change.
    """
    if change.words:
        return tuple(law.id for law in LAWS.values() if any(_speaks(law, word) for word in change.words))
    bounded = (law for law in LAWS.values() if _is_bounded(law, older, newer))
    return tuple(law.id for law in bounded if any(_speaks(law, name) for name in change.operations))


def _is_bounded(law: Law, older: SdkVersion, newer: SdkVersion) -> bool:
    begins = older < SdkVersion.parse(law.since) <= newer
    return begins or (law.until is not None and older <= SdkVersion.parse(law.until) < newer)


def _speaks(law: Law, word: str) -> bool:
    """Whether a law names a word, in its code or its sentences; words that are plain English find nothing."""
    if word != "protobuf" and not any(sign in word for sign in "_-"):
        return False
    code = law.check.__code__
    if word in code.co_consts or word in code.co_names:
        return True
    text = f"{law.statement} {law.breaks} {law.source}"
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None
