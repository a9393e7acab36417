"""What laws expect, in words that show both sides."""

import json
from collections.abc import Collection, Sequence
from math import isclose
from typing import NoReturn, TypeVar

from contract.laws.driver import Reply
from contract.laws.law import Broken

__all__ = [
    "REPEATED",
    "expect",
    "expect_close",
    "expect_differ",
    "expect_equal",
    "expect_final",
    "expect_finite",
    "expect_refusal",
    "expect_status",
    "pairs",
]

S = TypeVar("S")
T = TypeVar("T")
MOST_SHOWN = 6
RETRIED = (408, 409, 429)
PAUSED = 402
"""Repeated for an hour. Source: sdk 0.38.0 lib/internal_client_holder.py."""
REPEATED = frozenset({PAUSED, *RETRIED})
"""Statuses below 500 that clients repeat, for minutes or for ever. Source: sdk 0.38.0 _base_client.py."""


def expect(true: object, what: str) -> None:
    """`what` says what was expected, and what came.

    Raises:
        Broken: if it is not true.
    """
    if not true:
        raise Broken(what)


def expect_equal(got: object, expected: object, what: str) -> None:
    """Both are the same.

    Raises:
        Broken: showing both.
    """
    if got != expected:
        raise Broken(f"{what}: expected {_short(expected)}, got {_short(got)}")


def expect_status(reply: Reply, *statuses: int, what: str) -> None:
    """The answer has one of the statuses.

    Raises:
        Broken: showing what came.
    """
    if reply.status not in statuses:
        expected = " or ".join(map(str, statuses))
        raise Broken(f"{what}: expected status {expected}, got {reply.status} {_short(reply.body)}")


def expect_final(reply: Reply, what: str) -> None:
    """The answer is one that no SDK repeats: a success, or a refusal for good.

    Source: sdk 0.38.0 _base_client.py: 408, 409, 429 and 5xx are repeated for minutes.

    Raises:
        Broken: showing what came.
    """
    if reply.status in RETRIED or reply.status >= 500:
        raise Broken(
            f"{what}: expected a status that no SDK repeats, got {reply.status} {_short(reply.body)}"
        )


def expect_refusal(reply: Reply, what: str) -> None:
    """The answer refuses, in a way that no client repeats: 4xx with a body, and without the four that wait.

    Raises:
        Broken: showing what came.
    """
    if not 400 <= reply.status < 500 or reply.status in REPEATED:
        raise Broken(f"{what}: expected a refusal that is final, got {reply.status} {_short(reply.body)}")
    if reply.headers.get("x-should-retry") == "true":
        raise Broken(f"{what}: expected a refusal that is final, got {reply.status} to be tried again")
    if not reply.body:
        raise Broken(f"{what}: expected a body that says why, got {reply.status} with none")


def expect_finite(reply: Reply, what: str) -> None:
    """The body is JSON as RFC 8259 has it: no NaN, no Infinity.

    Raises:
        Broken: naming the literal that came, or that it is no JSON.
    """

    def refuse(literal: str) -> NoReturn:
        raise Broken(f"{what}: expected JSON of finite numbers, got the literal {literal}")

    try:
        json.loads(reply.body, parse_constant=refuse)
    except ValueError:
        raise Broken(f"{what}: expected JSON, got {reply.status} {_short(reply.body)}") from None


def expect_close(
    got: Sequence[float] | float, expected: Sequence[float] | float, what: str, *, tolerance: float
) -> None:
    """All numbers agree within `tolerance`: of the larger one above 1, absolute below.

    Raises:
        Broken: showing the first that do not, or two lengths.
    """
    ours, theirs = _list(got), _list(expected)
    if len(ours) != len(theirs):
        raise Broken(f"{what}: expected {len(theirs)} values, got {len(ours)}")
    for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if not isclose(one, other, rel_tol=tolerance, abs_tol=tolerance):
            at = f" at {place} of {len(ours)}" if len(ours) > 1 else ""
            raise Broken(f"{what}: expected {other!r}{at} within {tolerance:g}, got {one!r}")


def pairs(got: Sequence[S], expected: Sequence[T], what: str) -> list[tuple[S, T]]:
    """What came and what was expected, side by side.

    Raises:
        Broken: if one has more than the other.
    """
    if len(got) != len(expected):
        raise Broken(f"{what}: expected {len(expected)}, got {len(got)}")
    return list(zip(got, expected, strict=True))


def expect_differ(
    got: Sequence[float] | float, other: Sequence[float] | float, what: str, *, by: float
) -> None:
    """Some number differs by more than `by`.

    Raises:
        Broken: if none does.
    """
    ours, theirs = _list(got), _list(other)
    if len(ours) == len(theirs) and all(abs(a - b) <= by for a, b in zip(ours, theirs, strict=True)):
        raise Broken(f"{what}: expected a difference of more than {by:g}, got the same {_short(ours)}")


def _list(value: Sequence[float] | float) -> list[float]:
    return [float(value)] if isinstance(value, int | float) else [float(item) for item in value]


def _short(value: object) -> str:
    if isinstance(value, Collection) and not isinstance(value, str | bytes) and len(value) > MOST_SHOWN:
        return f"{len(value)} values: {', '.join(map(repr, list(value)[:MOST_SHOWN]))}, …"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
