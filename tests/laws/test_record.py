"""What a record counts, and when a run has passed."""

import pytest

from contract.laws.baseline import Excuse
from contract.laws.reports.record import expectation
from tests.laws.records import mixed, outcome, record


def test_it_counts_laws_by_verdict():
    counts = {"holds": 1, "broken": 1, "error": 1, "known": 1, "skipped": 2}
    assert mixed().counts == counts
    assert mixed().counts_of("FUT") == {**counts, "known": 0, "skipped": 0}


def test_what_was_skipped_is_not_counted_as_held():
    made = record([outcome("FUT-01"), outcome("FUT-02", "skipped")])

    assert (made.tried, made.percent, made.passed) == (1, 100, True)
    assert made.headline == "1 of 1 laws hold (100 %), 1 skipped"


@pytest.mark.parametrize("verdict", ["broken", "error"])
def test_a_law_that_does_not_hold_fails_the_run(verdict):
    made = record([outcome("FUT-01"), outcome("FUT-02", verdict)])

    assert not made.passed
    assert [row.id for row in made.failures] == ["FUT-02"]
    assert made.percent == 50


def test_a_law_that_does_not_hold_is_never_rounded_away():
    many = [outcome(f"FUT-{number:02}", "broken" if number == 50 else "holds") for number in range(100)]
    many += [outcome(f"SES-{number:02}") for number in range(100)]

    assert record(many).percent == 99


@pytest.mark.parametrize("outcomes", [[], [outcome("FUT-01", "skipped")]])
def test_a_run_that_tried_no_law_has_not_passed(outcomes):
    made = record(outcomes)

    assert (made.passed, made.percent) == (False, 0)
    assert made.headline.startswith("no laws were tried, which proves nothing")


def test_a_known_failure_fails_no_run_and_is_not_counted_as_held():
    made = record([outcome("FUT-01", "broken"), outcome("FUT-02")], {"FUT-01": Excuse("issue 12")})

    assert (made.passed, made.percent) == (True, 50)
    assert made.headline == "1 of 2 laws hold (50 %), 1 known to be broken"
    assert made.reasons("known") == {"issue 12": ("FUT-01",)}


def test_a_stale_entry_of_the_baseline_fails_the_run():
    made = record([outcome("FUT-01")], {"FUT-01": Excuse("issue 12")})

    assert not made.passed
    assert [stale.id for stale in made.stale] == ["FUT-01"]


def test_reasons_of_skips_are_told_once():
    assert mixed().reasons("skipped") == {"learning: three steps lower no loss": ("SES-02", "ACC-01")}


def test_groups_come_in_their_order_and_only_where_there_are_laws():
    assert list(mixed().of_groups()) == ["FUT", "SES", "ACC"]


def test_keys_are_not_in_a_record():
    trace = outcome("FUT-01", "broken", "expected 'tml-secret', got none")

    assert "tml-secret" not in record([trace], secrets=["tml-secret"]).model_dump_json()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("the poll: expected 1, got 2", ("the poll", "1", "2")),
        ("expected 1, got 2, got 3", ("", "1", "2, got 3")),
        ("POST /x: expected an\nanswer, got none", ("POST /x", "an\nanswer", "none")),
        ("KeyError: 'x'", None),
    ],
)
def test_an_expectation_is_taken_apart(text, parts):
    assert expectation(text) == parts


def test_details_are_kept_without_keys_and_the_long_ones_by_their_end():
    details = {"standard error": "x" * 3000 + " key tml-secret"}
    made = record([outcome("FUT-01", "broken", details=details)], secrets=["tml-secret"])

    assert made.rows[0].details["standard error"].startswith("… xxx")
    assert made.rows[0].details["standard error"].endswith(" key …")


def test_a_record_of_a_client_counts_scenarios_and_the_time_that_passed():
    made = record([outcome("SCN-01")], kind="client", groups={"SCN": "scenarios"}, seconds=1.5)

    assert made.headline == "1 of 1 scenarios hold (100 %)"
    assert (made.kind, made.seconds, made.groups) == ("client", 1.5, {"SCN": "scenarios"})
