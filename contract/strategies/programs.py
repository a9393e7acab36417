"""`programs`: random programs of several models and samplers, most of whose steps a server carries out.

A program is drawn as a list of sketches: a kind of step, its parameters, and numbers for what it names. They
do not depend on each other, so that hypothesis can leave any of them out. `Drafting` makes steps of them: a
number chooses among what there is, and where there is nothing, the step that makes it is taken.
"""

from collections.abc import Mapping
from itertools import cycle, islice

from hypothesis import strategies as st

from contract.programs import Program
from contract.strategies.drafting import DRAFTS, Draft, Drafting
from contract.strategies.illegal_steps import FLAWS
from contract.strategies.sketch import Sketch

__all__ = ["programs", "sketches"]

FINENESS = 20
"""How many times the legal kinds are listed, so that shares of illegal ones can be small."""


def programs(
    max_steps: int = 20,
    *,
    min_steps: int = 1,
    illegal: float = 0.2,
    pipelined: bool = True,
    kinds: frozenset[str] | None = None,
    whole: bool = False,
) -> st.SearchStrategy[Program]:
    """Programs of `min_steps` to `max_steps` steps.

    Args:
        max_steps: Most steps.
        min_steps: Fewest steps.
        illegal: Share of steps that a server must refuse, about; 0 for programs that do nothing wrong.
        pipelined: Whether some steps do not wait for their results.
        kinds: Names of the kinds of legal steps, keys of `contract.strategies.drafting.DRAFTS`; None for all.
            Sessions, models, samplers and checkpoints are made where another kind needs them.
        whole: Whether a step comes behind those that make what it names, which then do not count; else the
            first of these takes its place.

    Raises:
        ValueError: for a share outside [0, 1), or kinds that there are not.
    """
    if not 0 <= illegal < 1:
        raise ValueError(f"illegal: expected a share from 0 to below 1, got {illegal}")
    chosen = frozenset(DRAFTS) if kinds is None else kinds
    if unknown := chosen - set(DRAFTS):
        raise ValueError(f"kinds: expected some of {', '.join(DRAFTS)}, got {', '.join(sorted(unknown))}")
    drawn = st.lists(sketches(chosen, illegal), min_size=min_steps, max_size=max_steps)
    return drawn.map(lambda given: _program(given, pipelined=pipelined, whole=whole))


def _program(given: list[Sketch], *, pipelined: bool, whole: bool) -> Program:
    drafting = Drafting(flaws=FLAWS, pipelined=pipelined)
    if whole:
        return Program.of(*(step for sketch in given for step in drafting.steps(sketch)))
    return Program.of(*(drafting.step(sketch) for sketch in given))


def sketches(kinds: frozenset[str], illegal: float) -> st.SearchStrategy[Sketch]:
    """Sketches of steps, by the weights of `DRAFTS` and `FLAWS`; the simplest is first."""
    legal = _weighted({name: draft for name, draft in DRAFTS.items() if name in kinds}) * FINENESS
    flawed = _weighted(FLAWS)
    share = islice(cycle(flawed), round(len(legal) * illegal / (1 - illegal)))
    return _sketch([*legal, *share])


def _weighted(drafts: Mapping[str, Draft]) -> list[str]:
    return [name for name, draft in drafts.items() for _ in range(draft.weight)]


@st.composite
def _sketch(draw: st.DrawFn, names: list[str]) -> Sketch:
    name = draw(st.sampled_from(names))
    draft = FLAWS[name] if name in FLAWS else DRAFTS[name]
    choices = (draw(st.integers(0, 7)), draw(st.integers(0, 7)))
    return Sketch(name, choices, draw(draft.fields()))
