"""`smallest`: a case without all that it can do without, once the shrinking of values has ended."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from contract.programs import Program
from contract.programs.step import Makes, Step
from fake_server.client_fuzzing.case import Case
from fake_server.client_fuzzing.hazards import PLAIN
from fake_server.faults import Schedule

__all__ = ["smaller", "smallest"]


def smallest(case: Case, finds: Callable[[Case], bool]) -> Case:
    """Leave out one thing after the other, as long as the same is found; `finds` tries a case."""
    while (less := next((one for one in smaller(case) if finds(one)), None)) is not None:
        case = less
    return case


def smaller(case: Case) -> Iterator[Case]:
    """The case without one of its steps, faults and delays; in a plain world. Names keep what they mean."""
    for number in reversed(range(len(case.program.steps))):
        if (program := _without(case.program, number)) is not None:
            yield replace(case, program=program)
    faults = case.schedule.faults
    for number in range(len(faults)):
        yield replace(case, schedule=Schedule(faults=(*faults[:number], *faults[number + 1 :])))
    for number, fault in enumerate(faults):
        if len(fault.when.nth) > 1:
            when = fault.when.model_copy(update={"nth": fault.when.nth[:1], "times": 1})
            once = fault.model_copy(update={"when": when})
            yield replace(case, schedule=Schedule(faults=(*faults[:number], once, *faults[number + 1 :])))
    if case.rules:
        yield replace(case, rules=case.rules[1:])
    for number in range(len(case.rewrites)):
        yield replace(case, rewrites=(*case.rewrites[:number], *case.rewrites[number + 1 :]))
    if case.world != PLAIN:
        yield replace(case, world=PLAIN)


def _without(program: Program, number: int) -> Program | None:
    """A program without a step; None where another step needs what it makes, or names a step itself."""
    steps = program.steps
    makes = steps[number].makes
    if any("step" in type(step).model_fields for step in steps):
        return None
    left = [*steps[:number], *steps[number + 1 :]]
    if makes is None:
        return Program.of(*left)
    place = sum(step.makes == makes for step in steps[:number])
    if any(getattr(step, makes, None) == place for step in left):
        return None
    return Program.of(*(_moved(step, makes, place) for step in left))


def _moved(step: Step, kind: Makes, gone: int) -> Step:
    """A step that names what it named, once the thing of that number is gone."""
    named = getattr(step, kind, None)
    return step.model_copy(update={kind: named - 1}) if isinstance(named, int) and named > gone else step
