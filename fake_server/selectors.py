"""How entries of a journal are named: operations by name, alias or pattern, values by path."""

from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from pydantic_core import to_jsonable_python

from contract import OPERATIONS, UNSERVED
from fake_server.entries import Entry
from fake_server.sdk_words import SDK_WORDS

__all__ = ["ALIASES", "BACKGROUND", "MISSING", "matches", "names_of", "value_at"]

NAMES = tuple(row.name for row in (*OPERATIONS, *UNSERVED))
ALIASES: Mapping[str, str] = {
    **SDK_WORDS,
    "create_training_client_from_state": "load_weights",
    "poll": "retrieve_future",
}
BACKGROUND = frozenset(
    {
        "auth_token",
        "client_config",
        "client_dynamic_config",
        "get_info",
        "get_sampler",
        "healthz",
        "retrieve_future",
        "retrieve_futures",
        "session_heartbeat",
        "telemetry",
    }
)
"""What clients send of their own accord: questions of order do not see it, unless they name it."""
OWN = (
    "number",
    "operation",
    "status",
    "session_id",
    "model_id",
    "seq_id",
    "request_id",
    "retry_count",
    "idempotency_key",
    "sdk_version",
    "arrived_at",
    "answered_at",
    "faults",
)
"""Of an entry itself; any other name is a field of its request."""


class Missing:
    """The value of what is not there."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = Missing()


def names_of(pattern: str) -> tuple[str, ...]:
    """The operations that a name, an alias or a pattern with `*` means.

    Raises:
        LookupError: if there is none; with the likeliest one.
    """
    name = ALIASES.get(pattern, pattern)
    found = tuple(known for known in NAMES if fnmatchcase(known, name))
    if not found:
        near = get_close_matches(name, (*NAMES, *ALIASES), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`tinkerproof operations` lists them"
        raise LookupError(f"operation: expected the name of an endpoint, got {pattern!r}; {hint}")
    return found


def value_at(entry: Entry, name: str) -> Any:
    """What an entry has under a name: `adam_params.learning_rate`, or with `__` for the dot."""
    first, *rest = name.replace("__", ".").split(".")
    value = getattr(entry, first) if first in OWN else entry.request.get(first, MISSING)
    for part in rest:
        if isinstance(value, Mapping):
            value = value.get(part, MISSING)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def matches(expected: Any, actual: Any) -> bool:
    """Whether a value is what is expected: equal, or true for it, or for an object each of its fields."""
    if hasattr(expected, "model_dump"):
        expected = to_jsonable_python(expected, exclude_none=True)
    if callable(expected):
        return bool(expected(actual))
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return all(name in actual and matches(value, actual[name]) for name, value in expected.items())
    return bool(expected == (list(actual) if isinstance(actual, tuple) else actual))
