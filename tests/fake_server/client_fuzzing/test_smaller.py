"""Cases without what they can do without."""

from dataclasses import replace

from contract import programs as p
from fake_server.client_fuzzing.case import Case
from fake_server.client_fuzzing.rewrites import REWRITES
from fake_server.client_fuzzing.smaller import smaller, smallest
from fake_server.delivery import DeliveryRule
from fake_server.fault_rewrites import Rewrite
from fake_server.faults import KINDS, Schedule
from fake_server.occasions import When

TWO_MODELS = p.Program.of(p.CreateSession(), p.CreateModel(), p.CreateModel(), p.OptimStep(model=1))
OFTEN = KINDS["status"].model_validate({"when": {"operation": "optim_step", "nth": (1, 2), "times": 2}})
CHARSET = Rewrite(when=When(), what="a charset", change=REWRITES["a charset"])


def test_what_another_step_needs_stays_and_names_keep_what_they_mean() -> None:
    programs = [case.program for case in smaller(Case(TWO_MODELS))]

    assert programs == [
        p.Program.of(*TWO_MODELS.steps[:3]),
        p.Program.of(p.CreateSession(), p.CreateModel(), p.OptimStep(model=0)),
    ]


def test_a_program_whose_steps_name_steps_is_left_alone() -> None:
    program = p.Program.of(p.CreateSession(), p.CreateModel(), p.OptimStep(wait=False), p.Await(step=2))

    assert list(smaller(Case(program))) == []


def test_each_thing_that_happens_may_be_left_out() -> None:
    case = Case(p.Program.of(), Schedule(faults=(OFTEN,)), (DeliveryRule(polls=1),), (CHARSET,), "tokens")
    none, once, on_time, plain_answers, plain = smaller(case)

    assert none == replace(case, schedule=Schedule())
    assert (once.schedule.faults[0].when.nth, once.schedule.faults[0].when.times) == ((1,), 1)
    assert (on_time.rules, plain_answers.rewrites, plain.world) == ((), (), "plain")


def test_the_smallest_case_is_the_last_that_finds_the_same() -> None:
    case = Case(TWO_MODELS, Schedule(faults=(OFTEN, OFTEN)))

    found = smallest(case, lambda one: any(step.op == "optim_step" for step in one.program.steps))

    assert found == Case(p.Program.of(p.CreateSession(), p.CreateModel(), p.OptimStep()))
