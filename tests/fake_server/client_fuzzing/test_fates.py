"""Faults with a fate, and where they strike."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from contract import programs as p
from fake_server.client_fuzzing import Hazards
from fake_server.client_fuzzing.case import Case, batches, cases, places_of
from fake_server.client_fuzzing.fates import FATES, Place, delays, fate_of, fault_sketches, placed, worst_fate
from fake_server.delivery import DeliveryRule
from fake_server.faults import KINDS, Schedule

STEP = Place("optim_step")
POLL = Place("retrieve_future", "optim_step")


def test_every_kind_but_two_has_a_fate() -> None:
    assert set(KINDS) - set(FATES) == {"stall", "refuse"}


def first(kind: str, place: Place, condition: Callable[[Any], bool] = lambda _: True) -> Any:
    """The simplest fault of a kind at a place, of which the condition holds."""
    drawn = fault_sketches([kind]).map(lambda sketch: placed([sketch], [place]).faults[0])
    return find(drawn, condition)


@given(fault_sketches())
def test_a_fault_strikes_one_of_the_places_once(sketch) -> None:
    (fault,) = placed([sketch], [STEP, POLL]).faults

    assert (fault.when.times, fault.when.nth) == (1, (1,))
    assert (fault.when.operation, fault.when.future) in [
        ("optim_step", None),
        ("retrieve_future", "optim_step"),
    ]


def test_polls_are_not_answered_with_408_or_409_by_chance() -> None:
    assert first("status", POLL, lambda fault: fault.status == 404).status == 404
    assert first("status", POLL).status == 500
    with pytest.raises(NoSuchExample):
        first("status", POLL, lambda fault: fault.status in (408, 409))


def test_a_new_field_of_a_protobuf_result_is_one_of_protobuf() -> None:
    fault = first("changed_fields", Place("retrieve_future", "asample"))

    assert (fault.kind, fate_of(fault)) == ("edited", "survive")


@pytest.mark.parametrize(
    ("place", "fate"), [(POLL, "anything"), (Place("retrieve_future", "asample"), "refuse")], ids=str
)
def test_any_object_is_a_result_of_some_operations(place, fate) -> None:
    assert fate_of(first("wrong_result", place)) == fate


def test_a_status_that_does_not_pass_may_be_told() -> None:
    assert fate_of(first("status", STEP, lambda fault: fault.status == 403)) == "refuse"


def test_the_worst_fate_is_that_of_all() -> None:
    def of(*kinds: str) -> str:
        return worst_fate(Schedule(faults=tuple(KINDS[kind]() for kind in kinds)))

    assert of("status") == "survive"
    assert of("status", "garbage") == "refuse"
    assert of("nan", "garbage") == "anything"
    assert worst_fate(Schedule(), [DeliveryRule(error="x")]) == "refuse"
    assert worst_fate(Schedule()) == "survive"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fault_sketches(["nonsense"]), "kinds: expected some of latency"),
        (lambda: placed([], []), "places: expected one call or more"),
    ],
)
def test_what_cannot_be_drawn_is_said(call, words) -> None:
    with pytest.raises(ValueError, match=words):
        call()


@given(delays())
def test_outcomes_are_late_or_fail_once(rule) -> None:
    assert rule.times == 1


def test_the_calls_of_a_program_are_its_promises_and_their_polls() -> None:
    program = p.Program.of(p.CreateSession(), p.CreateModel(), p.OptimStep(), p.OptimStep())

    assert places_of(program)[2:] == [
        Place("optim_step"),
        Place("retrieve_future", "optim_step"),
        Place("optim_step", nth=2),
        Place("retrieve_future", "optim_step", 2),
    ]


@given(st.data())
def test_the_cases_of_a_batch_have_one_program(data) -> None:
    batch = data.draw(batches(trials=3))

    assert len({repr(case.program) for case in batch}) == 1
    assert len(batch) <= 3


@given(cases(None, Hazards(faults=("latency",))))
def test_a_case_tells_all_of_itself(case) -> None:
    assert str(case).count("latency on") == len(case.schedule.faults)
    assert str(case).count("delivery {") == len(case.rules)


def test_a_case_of_nothing_says_so() -> None:
    assert str(Case(p.Program.of())).endswith("while this happens:\n  nothing")
