"""`When`: on which requests a fault strikes. A value: the same seed and calls give the same strikes."""

import operator
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Annotated, Any, Self, TypedDict

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from contract import OPERATIONS, WireModel
from contract.versions import SdkVersion
from fake_server.sdk_words import SDK_WORDS
from fake_server.traffic import Exchange

__all__ = ["Occasion", "PlainOccasion", "Predicate", "When", "operations_of", "roll"]

NAMES = tuple(row.name for row in OPERATIONS)
COMPARISON = re.compile(r"(>=|<=|==|>|<)?\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?\Z")
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}

Predicate = Callable[[Exchange], bool]


class PlainOccasion(TypedDict, total=False):
    """`Occasion` without `every`, for what has an argument of that name."""

    nth: int | tuple[int, ...]
    after: int
    times: int
    probability: float
    seed: int
    fields: Mapping[str, JsonValue]
    future: str
    sdk: str
    predicate: Predicate


class Occasion(PlainOccasion, total=False):
    """The fields of `When` beside the operation, for methods that take them as arguments."""

    every: int


def roll(seed: int, *key: object) -> float:
    """A number from 0 to below 1, the same for the same seed and key on every machine."""
    digest = blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


@lru_cache(maxsize=1024)
def operations_of(pattern: str) -> frozenset[str]:
    """The operations that a pattern of names means: `*` and `?` as in file names; the SDK's names, too.

    Raises:
        ValueError: if it means none, listing those that are near.
    """
    found = {name for name in NAMES if fnmatchcase(name, pattern)}
    found |= {name for alias, name in SDK_WORDS.items() if fnmatchcase(alias, pattern)}
    if not found:
        near = get_close_matches(pattern.strip("*?"), [*NAMES, *SDK_WORDS], n=3, cutoff=0.4)
        told = ", ".join(near) or "`tinkerproof operations` lists them"
        raise ValueError(f"operation: expected the name of one, or a pattern, got {pattern!r}; near: {told}")
    return frozenset(found)


@lru_cache(maxsize=1024)
def _sdk_test(text: str) -> Callable[[SdkVersion], bool]:
    """Whether a version is in a range as `>=0.20,<0.30`; a bare `0.38` means all of its patches."""
    tests: list[Callable[[SdkVersion], bool]] = []
    for part in text.split(","):
        found = COMPARISON.match(part.strip())
        if found is None:
            raise ValueError(f"sdk: expected a range as '>=0.20,<0.30' or a version, got {text!r}")
        given = tuple(int(number) for number in found.groups()[1:] if number)
        tests.append(partial(_compares, COMPARE[found[1] or "=="], given))
    return lambda version: all(test(version) for test in tests)


def _compares(sign: Callable[[Any, Any], bool], given: tuple[int, ...], version: SdkVersion) -> bool:
    return sign(tuple(version)[: len(given)], given)


def _listed(value: object) -> object:
    return (value,) if isinstance(value, int) else value


class When(WireModel):
    """The requests that a fault strikes; all conditions must hold.

    Calls are counted by fault, from 1, each retry of a client as one: only those that match operation,
    fields, future, SDK and predicate.
    """

    operation: str = "*"
    """A pattern of names, of the contract (`asample`) or the SDK (`sample`)."""
    nth: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_listed)] = ()
    """These calls alone; all where empty."""
    every: int = Field(default=1, ge=1)
    """Each so many calls."""
    after: int = Field(default=0, ge=0)
    """Calls that pass before the first is counted."""
    times: int | None = Field(default=None, ge=1)
    """Strikes at most; no limit where absent."""
    probability: float = Field(default=1.0, ge=0, le=1)
    """Chance of each call, rolled from the seed and the call's number."""
    seed: int = 0
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    """Values that the request must have, by dotted name: `{"model_id": "…", "adam_params.beta1": 0.9}`."""
    future: str | None = None
    """Of polls: a pattern of the operation whose result is polled."""
    sdk: str | None = None
    """A range of SDK versions, as `>=0.20,<0.30`."""
    predicate: Predicate | None = Field(default=None, exclude=True)
    """Python alone: called with the exchange, its request decoded."""

    @field_validator("operation", "future")
    @classmethod
    def _known(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            operations_of(pattern)
        return pattern

    @field_validator("sdk")
    @classmethod
    def _range(cls, text: str | None) -> str | None:
        if text is not None:
            _sdk_test(text)
        return text

    @model_validator(mode="after")
    def _has_fields(self) -> Self:
        names = operations_of(self.operation)
        there = {name for row in OPERATIONS if row.name in names for name in row.request.model_fields}
        for name in self.fields:
            if name.partition(".")[0] not in there:
                near = get_close_matches(name, there, n=3) or sorted(there)[:5]
                raise ValueError(
                    f"fields: expected fields of a request of {self.operation!r}, got {name!r}; "
                    f"near: {', '.join(near)}"
                )
        return self

    @property
    def needs_request(self) -> bool:
        """Whether the request must be decoded to tell."""
        return bool(self.fields) or self.future is not None or self.predicate is not None

    def matches(self, exchange: Exchange, polled: str | None) -> bool:
        """Whether a request counts as a call.

        Args:
            exchange: with its request, where `needs_request`.
            polled: the operation whose future the request polls; None where it polls none.
        """
        if exchange.operation not in operations_of(self.operation):
            return False
        if self.sdk is not None and not _sdk_test(self.sdk)(exchange.sdk_version):
            return False
        if self.future is not None and polled not in operations_of(self.future):
            return False
        has = all(_value_at(exchange.request, name) == value for name, value in self.fields.items())
        return has and (self.predicate is None or bool(self.predicate(exchange)))

    def strikes(self, call: int, struck: int, key: str = "") -> bool:
        """Whether a call is struck: a pure function of the seed, the key and both numbers.

        Args:
            call: the call's number, from 1.
            struck: how many were struck before.
            key: tells rolls of one seed apart.
        """
        number = call - self.after
        if number < 1 or (self.times is not None and struck >= self.times):
            return False
        if (self.nth and number not in self.nth) or number % self.every:
            return False
        return roll(self.seed, key, call) < self.probability


def _value_at(value: object, name: str) -> object:
    """The value at a dotted name; None where a part of it is not there."""
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    return value
