import pytest

from tests.fake_server.fuzzing.fuzzed import SHARE, VISIBLE, Hit, found_by, told
from tests.fake_server.fuzzing.unseen import UNSEEN
from tests.laws.mutants import MUTANTS

FOUND, MISSED, LATE = (
    Hit("empty-400", "WIRE-31", "no body", 9.0, 2.0),
    Hit("empty-400", "", "", 9.0, 2.0),
    Hit("empty-400", "WIRE-31", "no body", 99.0, 61.0),
)


def test_what_cannot_be_seen_is_a_mutant_and_most_of_the_rest_is_many():
    assert set(UNSEEN) <= set(MUTANTS)
    assert len(VISIBLE) >= 90


@pytest.mark.parametrize(
    ("mutant", "law"), [("content-type-exact", "WIRE-11"), ("bad-json-breaks", "WIRE-31")]
)
def test_a_strangers_broken_server_is_found(mutant, law):
    assert found_by(mutant).law == law


def test_a_server_that_cannot_be_tried_is_found_to_be_so():
    assert found_by("no-models").law == "begin"


@pytest.mark.parametrize("other", [MISSED, LATE])
def test_what_is_missed_or_found_too_late_counts_against_the_share(capsys, other):
    assert told([FOUND] * 9 + [other])
    assert not told([FOUND] * 8 + [other])
    assert "9 of 10 found (90%)" in capsys.readouterr().out
    assert SHARE == 0.9
