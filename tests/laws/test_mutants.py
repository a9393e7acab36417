"""A slice of the zoo, and what tells the hunt's outcome; `make mutants` has all of it."""

from collections import Counter
from pathlib import Path

import pytest

from contract.laws import LAWS
from fake_server.scripted import ScriptedBackend
from tests.laws.mutants import MUTANTS, ZOOS
from tests.laws.mutants.__main__ import main
from tests.laws.mutants.hunt import Control, Kill, kills_of, ordered
from tests.laws.mutants.mutant import Mutant, Zoo
from tests.laws.mutants.tally import Tally

SLICE = {
    "result-in-the-promise": "FUT-01",
    "read-once": "FUT-02",
    "replay-applied-twice": "FUT-03",
    "order-of-arrival": "FUT-04",
    "int-of-request-id": "FUT-05",
    "heartbeat-of-anybody": "SES-04",
    "last-n-ignored": "SMP-39",
    "one-sample": "SMP-13",
    "seed-ignored": "SMP-08",
    "samples-alike": "SMP-11",
    "prompt-logprobs-always": "SMP-27",
    "base-sampled": "SMP-22",
}
"""Mutants, each with a law that notices it."""


def a_tally(**fields):
    laws = dict(list(LAWS.items())[:2])
    return Tally(**{"sound": Control(fit=list(laws)), "laws": laws, "excused": {}, **fields})


FIRST, SECOND = list(LAWS)[:2]


@pytest.mark.parametrize(("mutant_id", "law_id"), SLICE.items())
def test_a_law_notices_a_mutant(mutant_id, law_id):
    (kill,) = kills_of(mutant_id, [law_id])

    assert not kill.is_error, kill.text


def test_a_mutant_that_a_law_does_not_concern_is_not_noticed_by_it():
    assert kills_of("prompt-logprobs-missing", ["FUT-02"]) == []


def test_a_mutant_that_makes_a_mistake_of_its_own_proves_nothing(monkeypatch):
    def clumsy(bench):
        bench.wrap(ScriptedBackend, "optim_step")(lambda step, *given: step.no_such_name)

    monkeypatch.setitem(MUTANTS, "clumsy", Mutant("clumsy", "Stumbles.", clumsy, ("FUT",)))

    with pytest.raises(RuntimeError, match="mutant 'clumsy': a mistake of its own: AttributeError"):
        kills_of("clumsy", ["FUT-01", "FUT-04"])


def test_the_hunt_ends_with_the_first_law_that_notices():
    assert [kill.law_id for kill in kills_of("int-of-request-id", ["FUT-01", "FUT-05", "FUT-05"], 1)] == [
        "FUT-05"
    ]


def test_laws_of_the_mutants_groups_come_first():
    mutant = Mutant("a", "Does a.", print, ("SMP", "SES"))

    assert ordered(mutant, ["FUT-01", "SES-01", "SMP-01"]) == ["SMP-01", "SES-01", "FUT-01"]


def test_no_two_zoos_have_a_mutant_of_the_same_id():
    counted = Counter(mutant.id for zoo in ZOOS for mutant in zoo)

    assert [mutant_id for mutant_id, times in counted.items() if times > 1] == []


def test_a_mutant_has_an_id_of_its_own_and_groups_that_there_are():
    zoo = Zoo()
    zoo.mutant("a", "Does a.", "FUT")(print)

    with pytest.raises(ValueError, match="id: expected one that no other mutant has, got 'a'"):
        zoo.mutant("a", "Does it again.", "FUT")
    with pytest.raises(ValueError, match=r"groups: expected some of WIRE, FUT, .*, got XXX"):
        zoo.mutant("b", "Does b.", "XXX")


def test_all_is_well_where_every_mutant_is_noticed_and_every_law_notices_one():
    tally = a_tally(swept=True)
    tally.add("a", [Kill("a", FIRST, "expected 1, got 2")])
    tally.busy[SECOND] = "b"

    assert tally.is_well
    assert tally.lines() == ["1 of 1 mutants noticed; 2 laws tried, 0 notice none"]


def test_a_mutant_that_survives_fails_the_hunt():
    tally = a_tally()

    assert tally.add("a", []) == "SURVIVES a"
    assert not tally.is_well


def test_a_law_that_notices_nothing_fails_the_hunt_unless_there_is_a_reason():
    assert a_tally(swept=True).unexcused == [FIRST, SECOND]
    assert not a_tally(swept=True).is_well
    assert a_tally(swept=True, excused=dict.fromkeys((FIRST, SECOND), "a reason")).is_well


def test_a_reason_for_a_law_that_notices_a_mutant_fails_the_hunt():
    tally = a_tally(excused={FIRST: "a reason"}, busy={FIRST: "a"})

    assert tally.stale == [FIRST]
    assert f"{FIRST} is excused for nothing: a" in tally.lines()


def test_a_law_that_does_not_hold_on_the_sound_server_fails_the_hunt():
    assert not a_tally(sound=Control(failed={FIRST: "expected 1, got 2"})).is_well


def test_the_command_tells_the_law_and_its_status(capsys, monkeypatch):
    monkeypatch.setattr("tests.laws.mutants.__main__.control", lambda: Control(fit=["FUT-01", "FUT-05"]))

    assert main(["int-of-request-id"]) == 0
    assert "FUT-05   int-of-request-id: " in capsys.readouterr().out


def test_the_command_knows_its_mutants():
    with pytest.raises(SystemExit, match="2"):
        main(["no-such-mutant"])


def test_the_readme_tells_how_many_there_are():
    readme = (Path(__file__).parents[2] / "README.md").read_text()

    assert f"that is {len(LAWS)} laws and {len(MUTANTS)} broken servers" in readme
