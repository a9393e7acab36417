"""Baselines: what they excuse, when they are stale, how they are written."""

from datetime import date

import pytest

from contract.laws.baseline import Baseline, Excuse
from tests.laws.records import outcome

TODAY = date(2026, 3, 4)
LISTED = Baseline({"FUT-01": Excuse("issue 12", date(2026, 3, 4))})
TOML = 'FUT-01 = "replays are applied twice"\nFUT-02 = { reason = "slow", expires = 2026-12-31 }'
JSON = '{"FUT-01": "replays are applied twice", "FUT-02": {"reason": "slow", "expires": "2026-12-31"}}'


def stale(outcomes, today=TODAY, known=("FUT-01",)):
    return LISTED.stale(outcomes, known, today)


@pytest.mark.parametrize("verdict", ["broken", "error"])
def test_a_listed_failure_is_excused_through_its_last_day(verdict):
    failure = outcome("FUT-01", verdict)

    assert LISTED.excuse(failure, TODAY) == "issue 12"
    assert LISTED.excuse(failure, date(2026, 3, 5)) == ""
    assert stale([failure]) == {}


@pytest.mark.parametrize("verdict", ["holds", "skipped"])
def test_what_does_not_fail_needs_no_excuse(verdict):
    assert LISTED.excuse(outcome("FUT-01", verdict), TODAY) == ""


def test_a_failure_that_is_not_listed_is_not_excused():
    assert LISTED.excuse(outcome("FUT-02", "broken"), TODAY) == ""


def test_an_entry_of_a_law_that_holds_is_stale():
    assert "holds now" in stale([outcome("FUT-01")])["FUT-01"]


def test_an_entry_of_no_law_is_stale():
    assert "none of that id" in stale([], known=["FUT-02"])["FUT-01"]


def test_an_entry_is_stale_after_its_last_day():
    found = stale([outcome("FUT-01", "broken")], date(2026, 3, 5))
    assert found["FUT-01"].startswith("expired after 2026-03-04")


def test_an_entry_of_a_law_that_was_not_tried_is_left_alone():
    assert stale([], date(2026, 3, 5)) == {}
    assert stale([outcome("FUT-01", "skipped")]) == {}


@pytest.mark.parametrize(("name", "text"), [("known.toml", TOML), ("known.json", JSON)])
def test_a_file_is_toml_or_json(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)

    assert Baseline.read(path).excuses == {
        "FUT-01": Excuse("replays are applied twice"),
        "FUT-02": Excuse("slow", date(2026, 12, 31)),
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "FUT-01 =", "a.toml: expected TOML, got what is none"),
        ("a.json", "{", "a.json: expected JSON, got what is none"),
        ("a.json", "[]", "expected ids with reasons, got a list"),
        ("a.toml", 'FUT-01 = " "', "FUT-01: expected a reason in words"),
        ("a.toml", "FUT-01 = { expires = 2026-12-31 }", "FUT-01: expected a reason in words"),
        ("a.toml", 'FUT-01 = { reason = "x", until = "y" }', "FUT-01: expected a reason in words"),
        ("a.toml", 'FUT-01 = { reason = "x", expires = "soon" }', "expected YYYY-MM-DD, got 'soon'"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused_in_words(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)

    with pytest.raises(ValueError, match=said):
        Baseline.read(tmp_path / name)
