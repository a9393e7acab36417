"""Random programs do the same on the scripted and on the torch backend, but for what is known."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings

from contract.programs import Program, compare, unexplained
from contract.strategies.programs import programs
from fake_server.known_differences import KNOWN_DIFFERENCES

FEWEST_EFFECTIVE = 0.7
"""Share of steps that the server carries out: a run of refusals alone would prove little."""


@dataclass
class Tally:
    """What a run of many programs met."""

    fates: Counter = field(default_factory=Counter)
    kinds: Counter = field(default_factory=Counter)
    effective: int = 0

    def check(self, both, program: Program) -> None:
        one, other = both(program)
        left = unexplained(compare(one, other), KNOWN_DIFFERENCES)
        assert not left, "\n".join(map(str, left))
        events = one.events[: len(program)]
        self.fates.update(event.fate for event in events)
        self.kinds.update(step.op for step in program.steps)
        self.effective += sum(event.is_effective for event in events)

    @property
    def effective_share(self) -> float:
        return self.effective / self.fates.total()


def differential(both, examples: int, fewest_steps: int) -> Tally:
    tally = Tally()

    @settings(max_examples=examples, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(programs(20, min_steps=fewest_steps))
    def tried(program):
        tally.check(both, program)

    tried()
    return tally


def test_twenty_random_programs_do_the_same_on_both_backends(both):
    tally = differential(both, examples=20, fewest_steps=8)

    assert tally.effective_share >= FEWEST_EFFECTIVE
    assert set(tally.fates) >= {"answer", "result", "failure", "refused"}
    assert not set(tally.fates) & {"malformed", "lost"}


@pytest.mark.slow
def test_two_hundred_random_programs_of_twenty_steps_do_the_same_on_both_backends(both):
    tally = differential(both, examples=200, fewest_steps=20)

    print(f"effective: {tally.effective_share:.0%} of {tally.fates.total()}; {dict(tally.fates)}")
    assert tally.effective_share >= FEWEST_EFFECTIVE
    assert set(tally.fates) >= {"answer", "result", "failure", "refused", "held"}
    assert not set(tally.fates) & {"malformed", "lost"}
    assert len(tally.kinds) == 31, tally.kinds
