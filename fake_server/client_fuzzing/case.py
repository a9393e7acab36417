"""`Case`: a program, and what goes wrong meanwhile. `Finding`: what no right client would have made of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from hypothesis import strategies as st

from contract.programs import FinishSession, Program
from contract.strategies.programs import programs
from fake_server.client_fuzzing.fates import (
    Fate,
    Place,
    Sketch,
    delays,
    fault_sketches,
    placed,
    worst_fate,
)
from fake_server.client_fuzzing.hazards import PLAIN, TOKENS, Hazards
from fake_server.client_fuzzing.rewrites import rewrites
from fake_server.delivery import DeliveryRule
from fake_server.fault import Fault
from fake_server.fault_rewrites import Rewrite
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
    rewrites: tuple[Rewrite, ...] = ()
    """Of answers, inside of the faults: a right client does not mind them."""
    world: str = PLAIN
    """Key of `fake_server.client_fuzzing.hazards.WORLDS`."""

    @property
    def fate(self) -> Fate:
        """What a right client makes of it."""
        return worst_fate(self.schedule, self.rules, tokens=self.world == TOKENS)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is done to answers, the outermost first."""
        return (*self.schedule.faults, *self.rewrites)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing goes wrong."""
        return not (self.faults or self.rules)

    def __str__(self) -> str:
        told = [f"  {fault}" for fault in self.faults]
        told += [f"  delivery {rule.model_dump_json(exclude_defaults=True)}" for rule in self.rules]
        where = "" if self.world == PLAIN else f"\nin a world of {self.world}"
        return f"{self.program!r}{where}\nwhile this happens:\n" + ("\n".join(told) or "  nothing")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that no right client does."""

    kind: Literal[
        "hang",
        "wrong number",
        "done twice",
        "undocumented error",
        "gave up",
        "broke a rule",
        "hid the reason",
    ]
    text: str
    """Where, what was expected and what came."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


MOST_STEPS = 10
"""Ours: of a program, beside those that make what they need."""
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
CALLS: Mapping[str, str] = {
    "create_sampler": "create_sampling_session",
    "list_checkpoints": "list_checkpoints",
    "finish_session": "finish_session",
}
"""What other steps ask it."""
STARTS = ("session_heartbeat", "auth_token", "client_config", "create_session")
"""What a client asks beside its steps, the first of each kind."""


def places_of(program: Program, *, starts: bool = False) -> list[Place]:
    """The calls that a client makes for a program: each promise, and a poll for each outcome.

    Args:
        program: what it plays.
        starts: whether the calls with which a client begins are among them.
    """
    counts: Counter[str] = Counter()
    found = [Place(operation) for operation in STARTS] if starts else []
    for step in program.steps:
        if (operation := ASKS.get(step.op) or CALLS.get(step.op)) is None:
            continue
        counts[operation] += 1
        found.append(Place(operation, nth=counts[operation]))
        if step.op in ASKS:
            found.append(Place("retrieve_future", operation, counts[operation]))
    return found


Happening = tuple[list[Sketch], list[DeliveryRule], list[Rewrite], str]
SELDOM, HALF = 10, 50
"""Ours: of a hundred cases, those without a fault; of those that may have another, those that have none."""


def cases(
    kinds: frozenset[str] | None = None,
    hazards: Hazards = Hazards(),  # noqa: B008 # a value
    *,
    max_steps: int = MOST_STEPS,
    pipelined: bool = True,
) -> st.SearchStrategy[Case]:
    """Legal programs, each with faults that strike its calls, and outcomes that are late.

    Args:
        kinds: kinds of steps that the client plays; `SdkPlayer.kinds` for the SDK's.
        hazards: what may go wrong.
        max_steps: most steps, beside those that make what they need.
        pipelined: whether some steps do not wait for their outcomes.
    """
    drawn = _programs(kinds, max_steps, pipelined=pipelined)
    return st.builds(partial(_case, hazards), drawn, _happenings(hazards))


def batches(
    kinds: frozenset[str] | None = None,
    hazards: Hazards = Hazards(),  # noqa: B008 # a value
    *,
    trials: int = 5,
    max_steps: int = MOST_STEPS,
    pipelined: bool = True,
) -> st.SearchStrategy[list[Case]]:
    """1 to `trials` cases of one program, which then is run once without faults; see `cases`."""
    drawn = _programs(kinds, max_steps, pipelined=pipelined)
    several = st.lists(_happenings(hazards), min_size=1, max_size=trials)
    return st.builds(lambda program, given: [_case(hazards, program, one) for one in given], drawn, several)


def _programs(kinds: frozenset[str] | None, most: int, *, pipelined: bool) -> st.SearchStrategy[Program]:
    """Legal programs; some of a client that ends sessions end all of theirs."""
    drawn = programs(most, illegal=0, kinds=kinds, pipelined=pipelined, whole=True)
    ends = kinds is None or "finish_session" in kinds
    return st.builds(_ended, drawn, st.booleans()) if ends else drawn


def _ended(program: Program, ends: bool) -> Program:
    sessions = range(sum(step.makes == "session" for step in program.steps))
    over = {step.session for step in program.steps if isinstance(step, FinishSession)}
    left = [FinishSession(session=number) for number in sessions if number not in over]
    return Program.of(*program.steps, *left) if ends else program


def _happenings(hazards: Hazards) -> st.SearchStrategy[Happening]:
    """What happens in a case: mostly something, the simplest first."""
    sketches = fault_sketches(hazards.faults, most_times=hazards.most_times, long=hazards.long)
    late = st.lists(delays(long=hazards.long), max_size=1)
    changed = (
        st.lists(rewrites(hazards.rewrites), max_size=2, unique_by=_what) if hazards.rewrites else st.just([])
    )
    worlds = st.sampled_from(hazards.worlds)
    several = _up_to(hazards.most_faults, sketches)
    return st.tuples(several, late, changed, worlds)


def _what(rewrite: Rewrite) -> str:
    return rewrite.what


def _up_to(most: int, drawn: st.SearchStrategy[Sketch]) -> st.SearchStrategy[list[Sketch]]:
    """Nothing in one case of ten; each further one in half of those that may have it."""
    share = [SELDOM, *[HALF] * (most - 1)]
    return st.tuples(*(_slot(below, drawn) for below in share)).map(
        lambda given: [one for one in given if one is not None]
    )


def _slot(below: int, drawn: st.SearchStrategy[Sketch]) -> st.SearchStrategy[Sketch | None]:
    return st.integers(0, 99).flatmap(lambda at: st.none() if at < below else drawn)


def _case(hazards: Hazards, program: Program, happening: Happening) -> Case:
    sketches, rules, changed, world = happening
    places = places_of(program, starts=hazards.starts) or NOWHERE
    return Case(program, placed(sketches, places), tuple(rules), tuple(changed), world)
