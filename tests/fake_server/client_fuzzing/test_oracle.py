"""What is held against a client, and what is not."""

import pytest

from contract import programs as p
from fake_server.client_fuzzing.case import Case
from fake_server.client_fuzzing.oracle import judged
from fake_server.client_fuzzing.player import Hang, Heard
from fake_server.client_fuzzing.stage import Run
from fake_server.delivery import DeliveryRule
from fake_server.faults import KINDS, Schedule
from fake_server.rules import RULES
from fake_server.rules.rule import Finding as RuleFinding
from fake_server.scenarios.remains import Remains

PROGRAM = p.Program.of(p.CreateSession(), p.OptimStep())
RIGHT = Run((Heard("session"), Heard(1.5)), Remains({"optim_step": 1}))
DOCUMENTED = (OSError,)


def case(*kinds: str) -> Case:
    return Case(PROGRAM, Schedule(faults=tuple(KINDS[kind]() for kind in kinds)))


def run(*heard: Heard, done: int = 1, rules: tuple[RuleFinding, ...] = ()) -> Run:
    return Run(tuple(heard), Remains({"optim_step": done}), rules)


def rule(severity: str) -> RuleFinding:
    found = next(one for one in RULES if one.severity == severity)
    return RuleFinding(found, "it did", ())


def kinds(given: Case, struck: Run, clean: Run = RIGHT) -> list[str]:
    return [finding.kind for finding in judged(given, clean, struck, DOCUMENTED)]


@pytest.mark.parametrize(
    ("struck", "fault", "found"),
    [
        (RIGHT, "status", []),
        (run(Heard("session"), Heard(2.5)), "status", ["wrong number"]),
        (run(Heard("session"), Heard(2.5)), "garbage", ["wrong number"]),
        (run(Heard("session"), Heard(2.5)), "nan", []),
        (run(Heard("session"), Heard(error=OSError("no"))), "status", ["gave up"]),
        (run(Heard("session"), Heard(error=OSError("no"))), "garbage", []),
        (run(Heard("session"), Heard(error=KeyError("no"))), "garbage", ["undocumented error"]),
        (run(Heard("session"), Heard(error=Hang("10 s"))), "nan", ["hang"]),
        (run(Heard(error=OSError("no")), Heard(skipped=True)), "garbage", []),
        (run(Heard("session"), Heard(1.5), done=2), "status", ["done twice"]),
        (run(Heard("session"), Heard(1.5), done=0), "status", ["wrong number"]),
        (run(Heard("session"), Heard(1.5), done=0), "nan", []),
        (run(Heard("session"), Heard(1.5), rules=(rule("error"),)), "garbage", ["broke a rule"]),
        (run(Heard("session"), Heard(1.5), rules=(rule("warning"),)), "status", ["broke a rule"]),
        (run(Heard("session"), Heard(1.5), rules=(rule("warning"),)), "garbage", []),
        (run(Heard("session"), Heard(1.5), rules=(rule("note"),)), "status", []),
    ],
)
def test_what_is_found(struck, fault, found) -> None:
    assert kinds(case(fault), struck) == found


def test_an_error_of_the_clean_run_is_none_of_the_faults() -> None:
    failed = run(Heard("session"), Heard(error=KeyError("x")))

    assert kinds(case("status"), failed, failed) == []


def test_a_rule_that_the_reference_breaks_as_well_does_not_count() -> None:
    broken = run(Heard("session"), Heard(1.5), rules=(rule("error"),))

    assert kinds(case("status"), broken, broken) == []
    assert judged(case("status"), RIGHT, broken, DOCUMENTED, [rule("error").rule.id]) == []


def id_of(rule_id: str) -> RuleFinding:
    return RuleFinding(next(one for one in RULES if one.id == rule_id), "it did", ())


def test_notes_count_where_nothing_goes_wrong_and_another_client_has_none() -> None:
    noted = run(Heard("session"), Heard(1.5), rules=(rule("note"),))

    assert [one.kind for one in judged(case(), RIGHT, noted, DOCUMENTED, notes=True)] == ["broke a rule"]
    assert judged(case("status"), RIGHT, noted, DOCUMENTED, notes=True) == []


@pytest.mark.parametrize(("rule_id", "found"), [("CLI-06", ["broke a rule"]), ("CLI-01", [])])
def test_of_a_client_that_failed_retries_are_held_against_it_and_its_users_steps_are_not(
    rule_id, found
) -> None:
    failed = run(Heard("session"), Heard(error=OSError("no")), rules=(id_of(rule_id),))

    assert kinds(case("garbage"), failed) == found


@pytest.mark.parametrize(
    ("error", "fired", "found"),
    [("KeyError: 'haunted'", 1, ["hid the reason"]), ("step: it failed", 1, []), ("other", 0, [])],
)
def test_the_servers_reason_has_to_be_told(error, fired, found) -> None:
    told = Case(PROGRAM, rules=(DeliveryRule(error="it failed"),))
    failed = Run((Heard("session"), Heard(error=OSError(error))), Remains({"optim_step": 1}), late=(fired,))

    assert [one.kind for one in judged(told, RIGHT, failed, DOCUMENTED)] == found


def test_what_is_no_value_at_all_is_a_wrong_one() -> None:
    (found,) = judged(case("status"), RIGHT, run(Heard("session"), Heard(OSError)), DOCUMENTED)

    assert found.kind == "wrong number"


def test_findings_and_what_is_heard_are_told_in_words() -> None:
    (found,) = judged(case("status"), RIGHT, run(Heard("session"), Heard(2.5)), DOCUMENTED)

    assert str(found) == "wrong number: step 1, OptimStep(): expected 1.5, got 2.5"
    assert str(Heard(error=OSError("no"))) == "OSError: no"
    assert str(Heard(skipped=True)) == "nothing: what it needs had failed"
