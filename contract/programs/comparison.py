"""`compare`: where two transcripts of one program differ, and which of that is known and why."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isclose

from contract.programs.transcript import Event, Transcript

__all__ = ["Difference", "KnownDifference", "compare", "unexplained"]

FIELDS = ("operation", "fate", "status", "category", "shape")
"""What two servers have to agree on. What they say in words, and what they compute, is their own."""
MOST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """One step of which two servers made something else."""

    number: int
    """Place of the event in the transcript."""
    field: str
    """What differs: a field of `Event`, `numbers` or `length`."""
    one: Event | None
    other: Event | None

    def __str__(self) -> str:
        step = self.one or self.other
        where = f"{self.number} {step.step if step else ''}: {self.field}"
        return f"{where}\n  one:   {self._told(self.one)}\n  other: {self._told(self.other)}"

    def _told(self, event: Event | None) -> str:
        """The event, with its first numbers where they are what differs."""
        if event is None or self.field != "numbers":
            return str(event)
        shown = ", ".join(f"{number:.6g}" for number in event.numbers[:MOST_SHOWN])
        more = ", …" if len(event.numbers) > MOST_SHOWN else ""
        return f"{len(event.numbers)} numbers: {shown}{more}"


@dataclass(frozen=True, slots=True)
class KnownDifference:
    """Something that two servers do differently, and are allowed to."""

    name: str
    reason: str
    """Why, for whoever reads the documentation."""
    covers: Callable[[Difference], bool]


def compare(one: Transcript, other: Transcript, *, tolerance: float | None = None) -> list[Difference]:
    """The differences, at most one for each step.

    Ids are in the program's own words in both. Times, texts, sizes, tokens and numbers are not compared.

    Args:
        one: What one server did.
        other: What another one, or the same at another time, did with the same program.
        tolerance: How near numbers must be, absolute and relative; None to not compare them.
    """
    found: list[Difference] = []
    for number in range(max(len(one.events), len(other.events))):
        ours, theirs = (t.events[number] if number < len(t.events) else None for t in (one, other))
        if (what := _differs(ours, theirs, tolerance)) is not None:
            found.append(Difference(number, what, ours, theirs))
    return found


def _differs(one: Event | None, other: Event | None, tolerance: float | None) -> str | None:
    if one is None or other is None:
        return "length"
    for name in FIELDS:
        if getattr(one, name) != getattr(other, name):
            return name
    if tolerance is not None and not _close(one.numbers, other.numbers, tolerance):
        return "numbers"
    return None


def _close(one: tuple[float, ...], other: tuple[float, ...], tolerance: float) -> bool:
    near = (isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) for a, b in zip(one, other, strict=False))
    return len(one) == len(other) and all(near)


def unexplained(differences: Iterable[Difference], known: Mapping[str, KnownDifference]) -> list[Difference]:
    """The differences that nobody knows the reason of."""
    return [difference for difference in differences if not any(k.covers(difference) for k in known.values())]
