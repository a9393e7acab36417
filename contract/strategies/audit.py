"""`audit`: how many of the values that a strategy draws are refused, by whom, and how fast it draws.

A strategy that throws most of its draws away tests little and hides it. Health checks stay on; the audit says
which part of the type is to blame.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import process_time
from typing import Any

from hypothesis import Phase, given, seed, settings
from hypothesis.errors import FailedHealthCheck, Unsatisfiable

from contract.strategies.check import Tally
from contract.strategies.compiled import fresh
from contract.strategies.contract_overrides import CONTRACT
from contract.strategies.overrides import Overrides

__all__ = ["Audit", "TooManyRejected", "audit"]

MOST_REJECTED = 0.05
"""Share of draws. Source: ours: half of where hypothesis itself begins to complain."""


class TooManyRejected(AssertionError):
    """A strategy throws too much of what it draws away."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of drawing values of one type."""

    name: str
    examples: int
    """Valid values that were drawn."""
    seconds: float
    """Processor time that they took."""
    tallies: Mapping[str, Tally]
    """What each part of the type was asked and what it refused, by its name."""

    @property
    def rate(self) -> float:
        """Valid values per second of processor time."""
        return self.examples / self.seconds if self.seconds else float("inf")

    @property
    def worst(self) -> tuple[str, Tally]:
        """The part that refuses the largest share, and its counts."""
        return max(self.tallies.items(), key=lambda named: named[1].share)

    def check(self, most: float = MOST_REJECTED) -> None:
        """Refuse a strategy that loses more than a share of its draws, or draws nothing.

        Raises:
            TooManyRejected: naming the part of the type that refuses them.
        """
        name, tally = self.worst
        if tally.share > most:
            raise TooManyRejected(
                f"{name}: expected at most {most:.0%} of draws to be refused, got {tally.refused} of "
                f"{tally.tried}; give it an override that draws what fits"
            )
        if not self.examples:
            raise TooManyRejected(f"{self.name}: expected valid values, got none")


def audit(type_: Any, overrides: Overrides = CONTRACT, *, examples: int = 500, seed_: int = 0) -> Audit:
    """Draw valid values of a type, and count what is refused on the way.

    Args:
        type_: anything that pydantic's `TypeAdapter` takes.
        overrides: as for `valid`.
        examples: how many valid values to ask for; types with fewer give them all.
        seed_: of the draws.
    """
    made = fresh(type_, overrides)
    drawn = 0

    @seed(seed_)
    @settings(max_examples=examples, database=None, deadline=None, phases=[Phase.generate])
    @given(made.values)
    def draw(_: Any) -> None:
        nonlocal drawn
        drawn += 1

    started = process_time()
    try:
        draw()
    except (FailedHealthCheck, Unsatisfiable):
        if made.tallies and all(tally.share <= MOST_REJECTED for tally in made.tallies.values()):
            raise
    return Audit(made.name, drawn, process_time() - started, made.tallies)
