"""The catalogue of scenarios."""

import pytest

from fake_server.scenarios import PHASES, SCENARIOS
from fake_server.scenarios.catalogue import chosen, explained, scenario_named, scenario_rows
from fake_server.scenarios.scenario import ScenarioBook


def test_there_are_many_in_every_phase():
    assert len(SCENARIOS) >= 40
    assert list(SCENARIOS) == sorted(SCENARIOS)
    assert {one.phase for one in SCENARIOS.values()} == set(PHASES)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["scn-07"], ["SCN-01", "SCN-07"]),
        (["SCN-6[12]", "SCN-02"], ["SCN-01", "SCN-02", "SCN-61", "SCN-62"]),
        (["Start"], [f"SCN-{number:02}" for number in range(1, 13)]),
        ([], list(SCENARIOS)),
    ],
)
def test_scenarios_are_chosen_by_id_phase_and_pattern_beside_the_clean_one(patterns, names):
    assert [one.id for one in chosen(SCENARIOS, patterns)] == names


def test_a_pattern_that_names_none_is_refused_with_what_is_near():
    with pytest.raises(LookupError, match=r"got 'SCN-007'; near ones are SCN-07"):
        chosen(SCENARIOS, ["SCN-007"])
    with pytest.raises(LookupError, match="expected an id, got 'what'; phases are start, pass"):
        scenario_named(SCENARIOS, "what")


def test_a_scenario_is_explained_with_its_code():
    told = explained(scenario_named(SCENARIOS, "scn-08"))

    assert told.startswith("SCN-08  The model is refused by 400, since there is no such base model.\n")
    assert "says    'no base model of that name'\n" in told
    assert told.endswith('body={"detail": "no base model of that name"})')


def test_a_scenario_has_a_row():
    rows = scenario_rows([SCENARIOS["SCN-13"]])

    assert rows[1][:4] == ("SCN-13", "A backward pass is answered by 503, twice.", "pass", "with status 0")


@pytest.mark.parametrize("scenario_id", ["SCN-1", "FUT-01", "SCN-100"])
def test_an_id_that_is_none_is_refused(scenario_id):
    with pytest.raises(ValueError, match="id: expected 'SCN-' and two digits"):
        ScenarioBook("pass").scenario(scenario_id, "x", source="x", breaks="x")


def test_an_id_that_is_taken_is_refused():
    book = ScenarioBook("pass")
    book.scenario("SCN-01", "x", source="x", breaks="x")(lambda _: None)

    with pytest.raises(ValueError, match="id: expected one that no other scenario has, got 'SCN-01'"):
        book.scenario("SCN-01", "x", source="x", breaks="x")
