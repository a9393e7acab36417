"""A slice of the hunt, what tells its outcome, and the command; `make mutants` tries all."""

import json

import pytest

from fake_server.scenarios import SCENARIOS
from fake_server.scenarios.trial import scenario_server
from tests.clients.__main__ import main as live
from tests.clients.hunt import Kill, Tally, kills_of, main
from tests.clients.mutants import MUTANTS

SLICE = {
    "second-step": "SCN-28",
    "failure-is-a-result": "SCN-32",
    "expired-is-done": "SCN-48",
    "no-new-states": "SCN-46",
    "token-kept": "SCN-11",
    "two-steps": "SCN-01",
    "session-left-open": "SCN-01",
}
"""Mutants, each with a scenario that notices it."""
FIRST, SECOND = list(SCENARIOS)[:2]


@pytest.fixture(scope="module")
def server():
    with scenario_server() as server:
        yield server


def a_tally(**fields):
    return Tally(**{"excused": {}, "fit": [FIRST, SECOND], **fields})


@pytest.mark.parametrize(("mutant_id", "scenario_id"), SLICE.items())
def test_a_scenario_notices_a_mutant(server, mutant_id, scenario_id):
    (kill,) = kills_of(MUTANTS[mutant_id], server, [scenario_id], 1)

    assert kill.scenario_id == scenario_id
    assert kill.text


def test_a_mutant_that_a_scenario_does_not_concern_is_not_noticed_by_it(server):
    assert kills_of(MUTANTS["no-new-states"], server, ["SCN-27"]) == []


def test_mutants_name_scenarios_that_there_are():
    named = {name for mutant in MUTANTS.values() for name in mutant.scenarios}

    assert named <= set(SCENARIOS)
    assert all(mutant.scenarios for mutant in MUTANTS.values())


def test_all_is_well_where_every_mutant_is_noticed_and_every_scenario_notices_one():
    tally = a_tally(swept=True)
    tally.add("storm", [Kill("storm", FIRST, "a"), Kill("storm", SECOND, "b")])

    assert tally.is_well
    assert tally.lines() == ["1 of 1 mutants noticed; 2 scenarios tried"]


def test_a_mutant_that_survives_fails_the_hunt():
    tally = a_tally()
    tally.add("storm", [])

    assert not tally.is_well
    assert tally.lines()[0] == "SURVIVES storm: It tries again at once, fifty times."


def test_a_scenario_that_notices_nothing_fails_the_hunt_unless_there_is_a_reason():
    tally = a_tally(swept=True)
    assert tally.unexcused == [FIRST, SECOND]
    assert not tally.is_well
    assert a_tally(swept=True, excused=dict.fromkeys((FIRST, SECOND), "a reason")).is_well


def test_a_reason_for_a_scenario_that_notices_a_mutant_fails_the_hunt():
    tally = a_tally(swept=True, fit=[FIRST], excused={FIRST: "a reason"})
    tally.add("storm", [Kill("storm", FIRST, "a")])

    assert tally.stale == [FIRST]
    assert f"{FIRST} is excused for nothing: it notices one, or is not there" in tally.lines()


def test_a_scenario_that_does_not_hold_for_the_sound_client_fails_the_hunt():
    assert not a_tally(failed={FIRST: "expected 1, got 2"}).is_well


def test_the_hunt_knows_its_mutants():
    with pytest.raises(SystemExit, match="2"):
        main(["no-such-mutant"])


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["metrics-dropped"], 1)])
def test_the_command_prints_what_came_of_it(world, capsys, arguments, status):
    assert live(arguments, world.env()) == status

    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is (status == 0)
    assert report["mutant"] == (arguments[0] if arguments else None)


def test_the_command_knows_its_mutants(capsys):
    assert live(["no-such-mutant"], {}) == 2
    assert "expected the id of a mutant or nothing, got no-such-mutant" in capsys.readouterr().err
