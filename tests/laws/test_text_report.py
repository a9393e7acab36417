"""The report for a terminal."""

from contract.laws.baseline import Excuse
from contract.laws.driver import Trace
from contract.laws.reports.text import as_text
from tests.laws.records import mixed, outcome, record

FAILURE = """
FUT-02 broken: What FUT-02 says.
  request_id of the replay
  expected  'one'
  got       'two'
  usually   breaks it, and users suffer
  source    a source
  its last 1 of 1 requests:
    POST /api/v1/optim_step
    > {"seq_id": 1}
    < 200 {"request_id": "one"}
"""


def test_it_tells_groups_failures_skips_and_the_baseline():
    text = as_text(mixed())

    assert text.startswith("server http://server, base model a-model, SDK 0.38.0\n")
    assert "    0.8 s    1 hold, 1 broken, 1 error\n" in text
    assert "\nskipped:\n  SES-02, ACC-01: learning: three steps lower no loss\n" in text
    assert "\nknown to be broken:\n  SES-01: not yet\n" in text
    assert "\nstale in the baseline:\n  FUT-01: it holds now; remove the entry\n" in text
    assert text.endswith("1 skipped, 1 stale in the baseline; 1.5 s".replace("1 skipped", "2 skipped"))


def test_a_failure_says_what_was_expected_and_what_came_and_how():
    assert FAILURE in as_text(mixed())


def test_an_error_of_the_suite_is_told_as_it_is():
    assert "\nFUT-03 error: What FUT-03 says.\n  KeyError: 'request_id'\n  usually" in as_text(mixed())


def test_laws_that_all_hold_are_told_in_three_paragraphs():
    text = as_text(record([outcome("FUT-01")]))

    assert text.split("\n\n")[-1] == "1 of 1 laws hold (100 %); 0.2 s"
    assert text.count("\n\n") == 2


def test_only_the_last_requests_of_a_failure_are_shown_and_long_bodies_are_cut():
    trace = tuple(Trace("GET", f"/{number}", "", 0, "x" * 1000) for number in range(9))
    text = as_text(record([outcome("FUT-01", "broken", "expected it, got none", trace=trace)]))

    assert "FUT-01 says.\n  expected  it\n" in text
    assert "its last 4 of 9 requests:\n    GET /5\n    < no answer xxx" in text
    assert "x… (1000 characters)" in text


def test_a_failure_without_requests_shows_none():
    text = as_text(record([outcome("FUT-01", "broken", trace=())], {"FUT-02": Excuse("x")}))
    assert "its last" not in text


def test_details_of_a_failure_are_told_the_long_ones_by_their_last_lines():
    details = {"ended": "exit status 1", "standard error": "\n".join(map(str, range(14))), "left": "a\nb\n"}
    text = as_text(record([outcome("FUT-01", "broken", details=details)]))

    assert "\n  ended     exit status 1\n  standard error:\n    … 2 lines\n    2\n    3\n" in text
    assert "\n    13\n  left:\n    a\n    b\n" in text
