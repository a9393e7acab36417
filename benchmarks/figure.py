"""One row of the report: what was measured, against what, and what it should be."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Figure", "Target", "as_markdown", "at_least", "at_most", "below", "faster"]

HEAD = ("measure", "ours", "compared with", "ratio", "target", "met")


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on our value, or on the ratio."""

    bound: float
    is_upper: bool
    of_ratio: bool = False
    is_within: bool = False
    """Whether the bound itself keeps to an upper bound."""

    def met(self, value: float) -> bool:
        """Whether `value` keeps to it."""
        if value == self.bound:
            return self.is_within or not self.is_upper
        return (value < self.bound) == self.is_upper

    @property
    def sign(self) -> str:
        """The relation to the bound."""
        return "≥" if not self.is_upper else "≤" if self.is_within else "<"


def at_most(bound: float) -> Target:
    """Our value shall not be more."""
    return Target(bound, is_upper=True, is_within=True)


def below(bound: float) -> Target:
    """Our value shall be less."""
    return Target(bound, is_upper=True)


def at_least(bound: float, *, of_ratio: bool = False) -> Target:
    """Our value, or its ratio to the one compared with, shall not be less."""
    return Target(bound, is_upper=False, of_ratio=of_ratio)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value."""

    measure: str
    ours: float
    unit: str
    targets: tuple[Target, ...] = ()
    compared: tuple[str, float] | None = None
    """Name and value of what it is compared with, in the same unit."""
    ratio: float | None = None
    """Ours by theirs: the median over the rounds, not the quotient of the two medians."""

    @property
    def met(self) -> bool:
        """Whether all targets are met."""
        return all(target.met(self._judged(target)) for target in self.targets)

    def _judged(self, target: Target) -> float:
        return (self.ratio or 0.0) if target.of_ratio else self.ours

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        compared = f"{self.compared[0]}: {_shown(self.compared[1], self.unit)}" if self.compared else ""
        return (
            self.measure,
            _shown(self.ours, self.unit),
            compared,
            "" if self.ratio is None else f"{self.ratio:.2f}",
            ", ".join(map(self._told, self.targets)),
            ("yes" if self.met else "**no**") if self.targets else "",
        )

    def _told(self, target: Target) -> str:
        bound = f"{target.bound:g} of it" if target.of_ratio else _shown(target.bound, self.unit)
        return f"{target.sign} {bound}"


def faster(
    measure: str, ours_seconds: float, rival: str, rival_seconds: float, tokens: int, bound: float
) -> Figure:
    """How many of some tokens a second, against a rival on the same ones."""
    return Figure(
        measure,
        tokens / ours_seconds,
        "tokens/s",
        (at_least(bound, of_ratio=True),),
        (rival, tokens / rival_seconds),
        rival_seconds / ours_seconds,
    )


def _shown(value: float, unit: str) -> str:
    if 0 < abs(value) < 0.001:
        return f"{value:.1e} {unit}".rstrip()
    digits = 0 if value >= 100 or value == round(value) else 1 if value >= 10 else 3
    return f"{value:,.{digits}f} {unit}".rstrip()


def as_markdown(figures: Iterable[Figure]) -> str:
    """A Markdown table."""
    rows = [HEAD, tuple("---" for _ in HEAD), *(figure.cells() for figure in figures)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
