"""Misses: what a request differs in from the recorded one that is nearest to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

__all__ = ["Difference", "differences", "told"]

MOST_COUNTED = 1000
"""Ours: differences beyond them do not make one entry nearer than another."""
MOST_TOLD = 3
MOST_QUOTED = 60
"""Ours: characters of a value that a text repeats: they fit a terminal's line."""
NOTHING = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two requests differ."""

    where: str
    recorded: Any
    got: Any

    def __str__(self) -> str:
        return f"{self.where}: expected {_quoted(self.recorded)}, got {_quoted(self.got)}"


def _quoted(value: Any) -> str:
    if value is NOTHING:
        return "nothing"
    if isinstance(value, list):
        return f"{len(value)} items"
    text = repr(value)
    return text if len(text) <= MOST_QUOTED else f"{len(text)} characters"


def differences(recorded: Any, got: Any) -> list[Difference]:
    """Where two JSON values differ, at most `MOST_COUNTED` places; lists of two lengths differ as a whole."""
    return list(islice(_differences(recorded, got, ""), MOST_COUNTED))


def _differences(recorded: Any, got: Any, where: str) -> Iterator[Difference]:
    if isinstance(recorded, dict) and isinstance(got, dict):
        for key in sorted(recorded.keys() | got.keys()):
            place = f"{where}.{key}" if where else key
            yield from _differences(recorded.get(key, NOTHING), got.get(key, NOTHING), place)
    elif isinstance(recorded, list) and isinstance(got, list) and len(recorded) == len(got):
        for index, (one, other) in enumerate(zip(recorded, got, strict=True)):
            yield from _differences(one, other, f"{where}[{index}]")
    elif recorded != got:
        yield Difference(where or "body", recorded, got)


def told(found: list[Difference]) -> str:
    """The first differences, and how many more there are."""
    more = len(found) - MOST_TOLD
    lines = [str(difference) for difference in found[:MOST_TOLD]]
    return "; ".join([*lines, *([f"and {more} more places"] if more > 0 else [])])
