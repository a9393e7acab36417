"""Schedules of faults as strategies."""

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from contract.strategies import NO_OVERRIDES
from fake_server.faults import KINDS, ROLLED_STATUSES, SURVIVABLE, Schedule
from fake_server.strategies import LONGEST, fault_schedules, faults
from tests.draws import draws

FEW = settings(max_examples=draws(20, 200), deadline=None, database=None)
SEARCH = settings(max_examples=1000, deadline=None, database=None)


@FEW
@given(fault_schedules())
def test_a_legal_schedule_has_faults_that_clients_survive(schedule):
    assert all(fault.kind in SURVIVABLE for fault in schedule.faults)
    assert all(fault.status in ROLLED_STATUSES for fault in schedule.faults if fault.kind == "status")
    assert all(fault.when.times for fault in schedule.faults)


@FEW
@given(fault_schedules(is_legal=False))
def test_a_schedule_is_json_and_nothing_in_it_lasts_for_ever(schedule):
    assert Schedule.from_json(schedule.to_json()) == schedule
    assert all(getattr(fault, "seconds", 0.0) <= LONGEST for fault in schedule.faults)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_the_table_is_drawn_and_shrinks_to_one_early_fault(kind):
    found = find(faults([kind]), lambda _: True, settings=SEARCH)
    assert (found.kind, found.when.after, found.when.times, found.when.operation) == (kind, 0, 1, "*")


def test_a_schedule_shrinks_to_the_fault_that_matters():
    def loses(schedule):
        return any(fault.kind == "lose_answer" for fault in schedule.faults)

    found = find(fault_schedules(["optim_step", "asample"]), loses, settings=SEARCH)
    assert [str(fault) for fault in found.faults] == ["lose_answer on optim_step, times=1"]


@FEW
@given(faults(["status"], overrides=NO_OVERRIDES.with_field(KINDS["status"], "status", st.just(418))))
def test_a_setting_is_drawn_by_its_override(fault):
    assert fault.status in (418, KINDS["status"].model_fields["status"].default)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"kinds: expected some of latency, .*, got 'flood'"):
        faults(["flood"])
