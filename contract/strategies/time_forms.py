"""Dates, times of day, moments and durations, as the text that ISO 8601 gives them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.strategies.form import Edge, Form, Violation
from contract.strategies.number_forms import Bounds, edge, leaf

__all__ = ["DateForm", "DurationForm", "MomentForm", "TimeForm"]

FIRST, LAST = datetime(1900, 1, 1), datetime(2199, 12, 31)
"""Moments without bounds. Source: ours: what any client's calendar knows."""
PAST, FUTURE = datetime(2000, 1, 1), datetime(2150, 1, 1)
"""Certainly before and after now. Source: ours."""
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))])


@dataclass(frozen=True, slots=True)
class MomentForm(Form):
    """A date with a time of day, with a zone or without."""

    bounds: Bounds
    zone: Any = None
    """None, `aware`, `naive`, or seconds from UTC."""
    relative: str | None = None
    """None, `past` or `future`."""
    is_strict: bool = False

    def _ends(self) -> tuple[datetime, datetime]:
        low, high = self.bounds.lowest[0], self.bounds.highest[0]
        first = low.replace(tzinfo=None) if low else FUTURE if self.relative == "future" else FIRST
        last = high.replace(tzinfo=None) if high else PAST if self.relative == "past" else LAST
        if low and self.bounds.lowest[1]:
            first += timedelta(days=1)
        if high and self.bounds.highest[1]:
            last -= timedelta(days=1)
        return first, max(first, last)

    def _zones(self) -> SearchStrategy[timezone | None]:
        bound = self.bounds.lowest[0] or self.bounds.highest[0]
        if isinstance(self.zone, int):
            return st.just(timezone(timedelta(seconds=self.zone)))
        if bound is not None:
            return st.just(bound.tzinfo)
        zones: dict[Any, SearchStrategy[timezone | None]] = {"aware": ZONES, "naive": st.none()}
        return zones.get(self.zone, st.none() | ZONES)

    def valid(self) -> SearchStrategy[str]:
        """Moments inside the bounds, in several zones."""
        moments = st.tuples(st.datetimes(*self._ends()), self._zones())
        return moments.map(lambda drawn: drawn[0].replace(tzinfo=drawn[1]).isoformat())

    def _at(self, moment: datetime) -> str:
        bound = self.bounds.lowest[0] or self.bounds.highest[0]
        zone = timezone(timedelta(seconds=self.zone)) if isinstance(self.zone, int) else None
        if bound is not None:
            zone = bound.tzinfo
        elif self.zone == "aware":
            zone = UTC
        return moment.replace(tzinfo=zone).isoformat()

    def simplest(self) -> str:
        """The year 2000, or the bound next to it."""
        first, last = self._ends()
        return self._at(min(max(first, PAST), last))

    def edges(self) -> Iterator[Edge]:
        """The first and last moment, and zones."""
        first, last = self._ends()
        yield edge("first", self._at(first))
        yield edge("last", self._at(last))
        if self.bounds == Bounds() and self.relative is None:
            if self.zone in (None, "aware"):
                yield edge("in UTC", "2000-01-01T00:00:00Z")
                yield edge("far from UTC", "2000-01-01T00:00:00.000001+23:59")
                yield edge("a leap day", "2000-02-29T23:59:59Z")
            if self.zone in (None, "naive"):
                yield edge("the first of all", "0001-01-01T00:00:00")
                yield edge("the last of all", "9999-12-31T23:59:59.999999")

    def violations(self) -> Iterator[Violation]:
        """Values of other types, what is no moment, and another zone."""
        yield leaf("datetime_type", "null", None)
        yield leaf("datetime_type", "a list", [])
        error = "datetime_parsing" if self.is_strict else "datetime_from_date_parsing"
        yield leaf(error, "no moment", "tomorrow")
        if self.zone == "aware":
            yield leaf("timezone_aware", "without a zone", "2000-01-01T00:00:00")
        if self.zone == "naive":
            yield leaf("timezone_naive", "with a zone", "2000-01-01T00:00:00Z")
        for found in self.bounds.broken(*self.bounds.beside(timedelta(days=1))):
            yield leaf(found.type, found.what, found.edit(None).isoformat())


@dataclass(frozen=True, slots=True)
class DateForm(Form):
    """A day."""

    bounds: Bounds
    relative: str | None = None
    """None, `past` or `future`."""
    is_strict: bool = False

    def _ends(self) -> tuple[date, date]:
        (low, is_low_outside), (high, is_high_outside) = self.bounds.lowest, self.bounds.highest
        first = low or (FUTURE if self.relative == "future" else FIRST).date()
        last = high or (PAST if self.relative == "past" else LAST).date()
        first += timedelta(days=1 if is_low_outside else 0)
        last -= timedelta(days=1 if is_high_outside else 0)
        return first, max(first, last)

    def valid(self) -> SearchStrategy[str]:
        """Days inside the bounds."""
        return st.dates(*self._ends()).map(date.isoformat)

    def simplest(self) -> str:
        """The first day of 2000, or the bound next to it."""
        first, last = self._ends()
        return min(max(first, PAST.date()), last).isoformat()

    def edges(self) -> Iterator[Edge]:
        """The first and the last day."""
        first, last = self._ends()
        yield edge("first", first.isoformat())
        yield edge("last", last.isoformat())
        if self.bounds == Bounds() and self.relative is None:
            yield edge("a leap day", "2000-02-29")

    def violations(self) -> Iterator[Violation]:
        """Values of other types, what is no day, and days outside."""
        yield leaf("date_type", "null", None)
        yield leaf("date_type", "a list", [])
        yield leaf("date_parsing" if self.is_strict else "date_from_datetime_parsing", "no day", "tomorrow")
        for found in self.bounds.broken(*self.bounds.beside(timedelta(days=1))):
            yield leaf(found.type, found.what, found.edit(None).isoformat())


@dataclass(frozen=True, slots=True)
class TimeForm(Form):
    """A time of day without a zone."""

    bounds: Bounds

    def valid(self) -> SearchStrategy[str]:
        """Times inside the bounds."""
        low, high = self.bounds.lowest[0] or time.min, self.bounds.highest[0] or time.max
        return st.times(low, high).filter(self.bounds.allow).map(time.isoformat)

    def simplest(self) -> str:
        """The bound, or midnight."""
        low, is_outside = self.bounds.lowest
        second = 1 if is_outside else 0
        return (low or time.min).replace(microsecond=second).isoformat()

    def edges(self) -> Iterator[Edge]:
        """Midnight, and just before it."""
        for what, moment in {"first": time.min, "last": time.max}.items():
            if self.bounds.allow(moment):
                yield edge(what, moment.isoformat())

    def violations(self) -> Iterator[Violation]:
        """Values of other types, and what is no time."""
        yield leaf("time_type", "null", None)
        yield leaf("time_type", "a list", [])
        yield leaf("time_parsing", "no time", "noon")


@dataclass(frozen=True, slots=True)
class DurationForm(Form):
    """A duration in seconds, as a number."""

    bounds: Bounds

    def _ends(self) -> tuple[int, int]:
        (low, is_low_outside), (high, is_high_outside) = self.bounds.lowest, self.bounds.highest
        first = -(10**6) if low is None else int(low.total_seconds()) + is_low_outside
        last = max(first, 0) + 10**6 if high is None else int(high.total_seconds()) - is_high_outside
        return min(first, last), last

    def valid(self) -> SearchStrategy[int]:
        """Whole seconds inside the bounds."""
        return st.integers(*self._ends())

    def simplest(self) -> int:
        """No time, or the bound next to it."""
        first, last = self._ends()
        return min(max(first, 0), last)

    def edges(self) -> Iterator[Edge]:
        """The shortest and the longest."""
        first, last = self._ends()
        yield edge("shortest", first)
        yield edge("longest", last)

    def violations(self) -> Iterator[Violation]:
        """Values of other types, what is no duration, and durations outside."""
        yield leaf("time_delta_type", "null", None)
        yield leaf("time_delta_type", "a list", [])
        yield leaf("time_delta_parsing", "no duration", "long")
        for found in self.bounds.broken(*self.bounds.beside(timedelta(seconds=1))):
            yield leaf(found.type, found.what, found.edit(None).total_seconds())
