"""Numbers and truth values, with their bounds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.strategies.form import Edge, Form, Tree, Violation, fixed

__all__ = ["BooleanForm", "DecimalForm", "FloatForm", "IntegerForm"]

LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**63 - 1
"""Integers without bounds. Source: ours: what every language's JSON can read into an integer."""
INTEGER_EDGES: Mapping[str, int] = {
    "zero": 0,
    "one": 1,
    "minus one": -1,
    "2**31": 2**31,
    "2**53 + 1": 2**53 + 1,
    "largest of 64 bits": MOST_INTEGER,
    "smallest of 64 bits": LEAST_INTEGER,
    "2**64": 2**64,
}
LARGEST_FLOAT = 1.7976931348623157e308
SMALLEST_FLOAT = 5e-324
FLOAT_EDGES: Mapping[str, float] = {
    "zero": 0.0,
    "minus zero": -0.0,
    "largest": LARGEST_FLOAT,
    "most negative": -LARGEST_FLOAT,
    "least above zero": SMALLEST_FLOAT,
    "a whole number": 1.0,
}
MOST_STEPS = 1000
"""Multiples of a step, to each side, where there is no bound. Source: ours."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a number, as pydantic has them; None where there is none."""

    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None
    multiple_of: Any = None

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> "Bounds":
        """The bounds in a core schema."""
        return cls(*(schema.get(name) for name in ("ge", "gt", "le", "lt", "multiple_of")))

    def allow(self, number: Any) -> bool:
        """Whether a number is inside, and a multiple of the step."""
        return not (
            (self.ge is not None and number < self.ge)
            or (self.gt is not None and number <= self.gt)
            or (self.le is not None and number > self.le)
            or (self.lt is not None and number >= self.lt)
            or (self.multiple_of is not None and number % self.multiple_of != 0)
        )

    @property
    def lowest(self) -> tuple[Any, bool]:
        """The lower bound or None, and whether it is itself outside."""
        if self.gt is not None and (self.ge is None or self.gt >= self.ge):
            return self.gt, True
        return self.ge, False

    @property
    def highest(self) -> tuple[Any, bool]:
        """The upper bound or None, and whether it is itself outside."""
        if self.lt is not None and (self.le is None or self.lt <= self.le):
            return self.lt, True
        return self.le, False

    def broken(self, below: Any, above: Any) -> Iterator[Violation]:
        """A number outside of each bound: the two that are given."""
        low, is_low_outside = self.lowest
        if low is not None:
            yield leaf("greater_than" if is_low_outside else "greater_than_equal", "below the lowest", below)
        high, is_high_outside = self.highest
        if high is not None:
            yield leaf("less_than" if is_high_outside else "less_than_equal", "above the highest", above)

    def beside(self, step: Any) -> tuple[Any, Any]:
        """Numbers just outside of both bounds: the bound, or `step` away from it where it is inside."""
        (low, is_low_outside), (high, is_high_outside) = self.lowest, self.highest
        below = low if low is None or is_low_outside else low - step
        return below, high if high is None or is_high_outside else high + step


def leaf(error: str, what: str, tree: Tree) -> Violation:
    """A violation of the place itself."""
    return Violation((), (), error, what, fixed(tree))


def edge(what: str, tree: Tree) -> Edge:
    """A boundary of the place itself."""
    return Edge((), what, fixed(tree))


@dataclass(frozen=True, slots=True)
class IntegerForm(Form):
    """An integer: of 64 bits where there is no bound."""

    bounds: Bounds
    is_strict: bool = False

    @property
    def _range(self) -> tuple[int, int, int]:
        """Lowest and highest multiple, and the step."""
        low, is_low_outside = self.bounds.lowest
        high, is_high_outside = self.bounds.highest
        step = self.bounds.multiple_of or 1
        first = None if low is None else floor(low) + 1 if is_low_outside else ceil(low)
        last = None if high is None else ceil(high) - 1 if is_high_outside else floor(high)
        if first is None:
            first = min(LEAST_INTEGER, LEAST_INTEGER if last is None else last - 1)
        if last is None:
            last = max(MOST_INTEGER, first + step)
        return -(-first // step), last // step, step

    def valid(self) -> SearchStrategy[int]:
        """Integers inside the bounds."""
        first, last, step = self._range
        whole = st.integers(first, last)
        return whole if step == 1 else whole.map(lambda count: count * step)

    def simplest(self) -> int:
        """Zero, or the number inside that is nearest to it."""
        first, last, step = self._range
        return min(max(first, 0), last) * step

    def edges(self) -> Iterator[Edge]:
        """The bounds, and numbers at which languages and formats differ."""
        first, last, step = self._range
        if self.bounds.lowest[0] is not None:
            yield edge("lowest", first * step)
        if self.bounds.highest[0] is not None:
            yield edge("highest", last * step)
        for what, number in INTEGER_EDGES.items():
            if self.bounds.allow(number):
                yield edge(what, number)

    def violations(self) -> Iterator[Violation]:
        """Values of other types, and numbers outside."""
        yield leaf("int_type", "null", None)
        yield leaf("int_type", "a list", [])
        yield leaf("int_type" if self.is_strict else "int_parsing", "a text", "many")
        yield leaf("int_type" if self.is_strict else "int_from_float", "a fraction", self.simplest() + 0.5)
        first, last, step = self._range
        yield from self.bounds.broken((first - 1) * step, (last + 1) * step)
        if step != 1 and last > first:
            yield leaf("multiple_of", "no multiple", first * step + 1)


@dataclass(frozen=True, slots=True)
class FloatForm(Form):
    """A finite number: JSON has no other."""

    bounds: Bounds
    is_strict: bool = False

    def valid(self) -> SearchStrategy[float]:
        """Finite numbers inside the bounds."""
        low, is_low_outside = self.bounds.lowest
        high, is_high_outside = self.bounds.highest
        step = self.bounds.multiple_of
        if step is not None:
            first = -MOST_STEPS if low is None else ceil(low / step)
            last = max(first, 0) + MOST_STEPS if high is None else floor(high / step)
            return st.integers(min(first, last), last).map(lambda n: n * step).filter(self._allow_step)
        return st.floats(
            low,
            high,
            exclude_min=is_low_outside,
            exclude_max=is_high_outside,
            allow_nan=False,
            allow_infinity=False,
        )

    def _allow_step(self, number: float) -> bool:
        b = self.bounds
        return Bounds(b.ge, b.gt, b.le, b.lt).allow(number)

    @property
    def _outside(self) -> tuple[float | None, float | None]:
        """Numbers below and above the bounds, multiples of the step."""
        below, above = self.bounds.beside(1)
        step = self.bounds.multiple_of
        if step is None:
            return below, above
        return below and floor(below / step) * step, above and ceil(above / step) * step

    def simplest(self) -> float:
        """Zero, or a number inside that is near to it."""
        low, high = self.bounds.lowest[0], self.bounds.highest[0]
        step = self.bounds.multiple_of
        for number in (0.0, 1.0, low, high, step, step and low and ceil(low / step) * step):
            if number is not None and self._allow_step(number) and (not step or number % step == 0):
                return float(number)
        beside = low if high is None else high if low is None else (low + high) / 2
        away = 0 if low is not None and high is not None else 1 if high is None else -1
        return float(beside + away)

    def edges(self) -> Iterator[Edge]:
        """The bounds, both zeros, and the ends of what a double can hold."""
        (low, is_low_outside), (high, is_high_outside) = self.bounds.lowest, self.bounds.highest
        if low is not None and not is_low_outside and self.bounds.allow(low):
            yield edge("lowest", float(low))
        if high is not None and not is_high_outside and self.bounds.allow(high):
            yield edge("highest", float(high))
        for what, number in FLOAT_EDGES.items():
            is_step = self.bounds.multiple_of is None or abs(number) <= 1
            if is_step and self.bounds.allow(number):
                yield edge(what, number)

    def violations(self) -> Iterator[Violation]:
        """Values of other types, and numbers outside."""
        yield leaf("float_type", "null", None)
        yield leaf("float_type", "a list", [])
        yield leaf("float_type" if self.is_strict else "float_parsing", "a text", "much")
        yield from self.bounds.broken(*self._outside)
        step = self.bounds.multiple_of
        if step is not None and self._allow_step(self.simplest() + step / 2):
            yield leaf("multiple_of", "no multiple", self.simplest() + step / 2)


@dataclass(frozen=True, slots=True)
class DecimalForm(Form):
    """A decimal number, as text."""

    bounds: Bounds
    decimal_places: int | None = None
    max_digits: int | None = None

    def valid(self) -> SearchStrategy[str]:
        """Numbers inside the bounds; what has too many digits is left to the check around this form."""
        places = self.decimal_places
        digits = 12 if self.max_digits is None else self.max_digits - (places or 0)
        low, high = self.bounds.lowest[0], self.bounds.highest[0]
        most = Decimal(10**digits - 1)
        low = -most if low is None else max(Decimal(low), -most)
        high = most if high is None else min(Decimal(high), most)
        drawn = st.decimals(
            low, high, allow_nan=False, allow_infinity=False, places=2 if places is None else places
        )
        return drawn.filter(self.bounds.allow).map(str)

    def simplest(self) -> str:
        """Zero, or one of the bounds, or a number next to one."""
        low, high = self.bounds.lowest[0], self.bounds.highest[0]
        near = [Decimal(bound) + away for bound in (low, high) if bound is not None for away in (0, 1, -1)]
        return str(next(number for number in (Decimal(0), *near) if self.bounds.allow(number)))

    def edges(self) -> Iterator[Edge]:
        """The bounds."""
        for what, (bound, is_outside) in {
            "lowest": self.bounds.lowest,
            "highest": self.bounds.highest,
        }.items():
            if bound is not None and not is_outside:
                yield edge(what, str(bound))

    def violations(self) -> Iterator[Violation]:
        """Values of other types, and numbers outside."""
        yield leaf("decimal_type", "null", None)
        yield leaf("decimal_type", "a list", [])
        yield leaf("decimal_parsing", "a text", "much")
        for found in self.bounds.broken(*self.bounds.beside(1)):
            yield leaf(found.type, found.what, str(found.edit(None)))


@dataclass(frozen=True, slots=True)
class BooleanForm(Form):
    """True or false."""

    is_strict: bool = False

    def valid(self) -> SearchStrategy[bool]:
        """Both."""
        return st.booleans()

    def simplest(self) -> bool:
        """False."""
        return False

    def edges(self) -> Iterator[Edge]:
        """Both."""
        yield edge("false", False)
        yield edge("true", True)

    def violations(self) -> Iterator[Violation]:
        """Values of other types."""
        yield leaf("bool_type", "null", None)
        yield leaf("bool_type", "a list", [])
        yield leaf("bool_type" if self.is_strict else "bool_parsing", "a text", "perhaps")
