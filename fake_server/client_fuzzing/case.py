"""`Case`: a program, and what goes wrong meanwhile. `Finding`: what no right client would have made of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from contract.programs import Program
from contract.strategies.programs import programs
from fake_server.client_fuzzing.fates import (
    FATES,
    Fate,
    Place,
    Sketch,
    delays,
    fault_sketches,
    placed,
    worst_fate,
)
from fake_server.delivery import DeliveryRule
from fake_server.faults import Schedule

__all__ = ["Case", "Finding", "batches", "cases", "places_of"]


NOTHING = Schedule()
NOWHERE = [Place("create_session")]
"""Where a program promises nothing: its first call, once a client opens a session of its own."""


@dataclass(frozen=True, slots=True)
class Case:
    """One trial."""

    program: Program
    schedule: Schedule = NOTHING
    rules: tuple[DeliveryRule, ...] = ()
    """When outcomes show, and as what; the first that fits."""

    @property
    def fate(self) -> Fate:
        """What a right client makes of it."""
        return worst_fate(self.schedule, self.rules)

    def __str__(self) -> str:
        told = [f"  {fault}" for fault in self.schedule.faults]
        told += [f"  delivery {rule.model_dump_json(exclude_defaults=True)}" for rule in self.rules]
        return f"{self.program!r}\nwhile this happens:\n" + ("\n".join(told) or "  nothing")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that no right client does."""

    kind: Literal["hang", "wrong number", "done twice", "undocumented error", "gave up", "broke a rule"]
    text: str
    """Where, what was expected and what came."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


LEAST_STEPS = 2
"""Ours: hypothesis then draws longer ones, too."""
ASKS: Mapping[str, str] = {
    "create_model": "create_model",
    "load_model": "load_weights",
    "forward_backward": "forward_backward",
    "forward": "forward_backward",
    "optim_step": "optim_step",
    "save_weights": "save_weights",
    "load_weights": "load_weights",
    "save_for_sampler": "save_weights_for_sampler",
    "open_sampler": "save_weights_for_sampler",
    "sample": "asample",
    "logprobs": "asample",
}
"""What a step asks a server to promise, by the kind of step."""


def places_of(program: Program) -> list[Place]:
    """The calls that a client makes for a program: each promise, and a poll for each outcome."""
    counts: Counter[str] = Counter()
    found = []
    for step in program.steps:
        if (operation := ASKS.get(step.op)) is not None:
            counts[operation] += 1
            found += [
                Place(operation, nth=counts[operation]),
                Place("retrieve_future", operation, counts[operation]),
            ]
    return found


Happening = tuple[list[Sketch], list[DeliveryRule]]


def cases(
    kinds: frozenset[str] | None = None,
    *,
    max_steps: int = 12,
    faults: Sequence[str] = tuple(FATES),
    most_faults: int = 3,
    pipelined: bool = True,
) -> st.SearchStrategy[Case]:
    """Legal programs, each with faults that strike its calls, and outcomes that are late.

    Args:
        kinds: kinds of steps that the client plays; `SdkPlayer.kinds` for the SDK's.
        max_steps: most steps.
        faults: kinds of faults, keys of `fake_server.client_fuzzing.fates.FATES`.
        most_faults: of one case.
        pipelined: whether some steps do not wait for their outcomes.
    """
    drawn = programs(max_steps, min_steps=LEAST_STEPS, illegal=0, kinds=kinds, pipelined=pipelined)
    return st.builds(_case, drawn, _happenings(faults, most_faults))


def batches(
    kinds: frozenset[str] | None = None,
    *,
    trials: int = 5,
    max_steps: int = 12,
    faults: Sequence[str] = tuple(FATES),
    most_faults: int = 3,
    pipelined: bool = True,
) -> st.SearchStrategy[list[Case]]:
    """1 to `trials` cases of one program, which then is run once without faults; see `cases`."""
    drawn = programs(max_steps, min_steps=LEAST_STEPS, illegal=0, kinds=kinds, pipelined=pipelined)
    several = st.lists(_happenings(faults, most_faults), min_size=1, max_size=trials)
    return st.builds(lambda program, given: [_case(program, one) for one in given], drawn, several)


def _happenings(faults: Sequence[str], most: int) -> st.SearchStrategy[Happening]:
    return st.tuples(st.lists(fault_sketches(faults), max_size=most), st.lists(delays(), max_size=1))


def _case(program: Program, happening: Happening) -> Case:
    sketches, rules = happening
    return Case(program, placed(sketches, places_of(program) or NOWHERE), tuple(rules))
