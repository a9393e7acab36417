"""How clients under trial are judged."""

from dataclasses import replace

import pytest

from fake_server.history import History
from fake_server.rules.rule import Finding
from fake_server.scenarios import SCENARIOS
from fake_server.scenarios.clients import Ending
from fake_server.scenarios.judgement import Deeds, Reference, problems, unmet
from fake_server.scenarios.remains import Remains
from fake_server.verdict import rule_of

CLEAN = Remains({"optim_step": 2})
REFERENCE = Reference(CLEAN)
WELL = SCENARIOS["SCN-13"]
BADLY = SCENARIOS["SCN-23"]
EITHER = SCENARIOS["SCN-25"]


def deeds(status=0, errors="", operations=CLEAN, rules=(), struck=None):
    findings = tuple(Finding(rule_of(name), f"what {name} saw", (1,)) for name in rules)
    return Deeds(Ending(status, "", errors, 2.0), History([]), operations, findings, struck or {})


def told(scenario, *args, reference=REFERENCE, **kwargs):
    return "; ".join(problems(scenario, deeds(*args, **kwargs), reference))


def test_who_comes_out_of_it_as_it_should_has_no_problem():
    assert told(WELL) == ""
    assert told(BADLY, 1, "Error code: 422 - datum 0 has no weights") == ""
    assert told(EITHER) == ""
    assert told(EITHER, 1, "RequestFailedError: An Engine Was Lost") == ""


def test_a_hang_is_named_and_nothing_else_is_said():
    assert told(WELL, None, rules=["CLI-01"]) == (
        "the command: expected an end, got no end within 2 s; it hangs, and was ended"
    )


def test_who_gives_up_though_it_could_go_on_is_told():
    assert told(WELL, 1) == "the command: expected exit status 0, got exit status 1"
    assert told(WELL, -6) == "the command: expected exit status 0, got an end by SIGABRT"


def test_a_failure_that_goes_by_unnoticed_is_told():
    assert "expected a failure that is told, got exit status 0" in told(BADLY)


@pytest.mark.parametrize("scenario", [BADLY, EITHER])
def test_a_failure_has_to_be_told_in_words(scenario):
    assert "the command's output: expected '" in told(scenario, 1, "something happened")
    assert "got an end by SIGSEGV" in told(scenario, -11)


def test_a_failure_without_words_of_its_own_needs_some():
    silent = replace(EITHER, says=())

    assert "expected anything, got exit status 1 without it" in told(silent, 1)
    assert told(silent, 1, "no") == ""


def test_rules_that_are_broken_are_told_once_each():
    assert told(WELL, rules=["CLI-08", "CLI-08", "CLI-01"]) == (
        "CLI-08 retry storm: expected a client that keeps the rules, got what CLI-08 saw; "
        "CLI-01 double apply after a lost answer: expected a client that keeps the rules, got what CLI-01 saw"
    )


def test_rules_that_a_scenario_allows_or_that_are_broken_without_it_do_not_count():
    assert told(replace(WELL, allows=("CLI-08",)), rules=["CLI-08"]) == ""
    assert told(WELL, rules=["CLI-08"], reference=replace(REFERENCE, rules=frozenset({"CLI-08"}))) == ""
    assert "CLI-08" in told(WELL, rules=["CLI-08"], reference=None)


def test_who_gives_up_for_a_reason_may_leave_futures_unread():
    assert told(BADLY, 1, "datum 0 has no weights", rules=["CLI-10", "CLI-11"]) == ""
    assert "CLI-10" in told(WELL, rules=["CLI-10"])


def test_what_is_left_is_compared_with_where_nothing_goes_wrong():
    more = Remains({"optim_step": 3})

    assert "optim_step: expected 2 that are done" in told(WELL, operations=more)
    assert told(replace(WELL, same_operations=False), operations=more) == ""
    assert told(WELL, operations=more, reference=replace(REFERENCE, operations=False)) == ""
    assert told(WELL, operations=more, reference=None) == ""


def test_who_fails_may_have_done_less_and_not_more():
    said = "datum 0 has no weights"

    assert told(BADLY, 1, said, operations=Remains({})) == ""
    assert "expected at most 2" in told(BADLY, 1, said, operations=Remains({"optim_step": 3}))
    loose = replace(REFERENCE, operations=False)
    assert told(BADLY, 1, said, operations=Remains({"optim_step": 3}), reference=loose) == ""


def test_what_never_happened_proves_nothing():
    assert unmet(WELL, deeds(struck={"status on optim_step": 0})) == (
        "the command did nothing that this would strike: status on optim_step"
    )
    assert unmet(WELL, deeds(struck={"a": 0, "b": 1})) == ""
    assert "did not come so far" in unmet(SCENARIOS["SCN-12"], deeds(struck={"a": 1}))
