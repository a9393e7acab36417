"""A slice of the hunt on broken clients by random programs and faults; `make mutants` tries all."""

import pytest

from tests.clients import fuzzed
from tests.clients.fuzzed import Hit, found_by, main, told
from tests.clients.mutants import MUTANTS
from tests.clients.unseen import UNSEEN

SLICE = ["fetches-thrice", "polls-the-last", "skips-a-number", "steps-unread"]


@pytest.mark.parametrize("mutant_id", SLICE)
def test_a_broken_client_is_found_with_little(mutant_id):
    hit = found_by(mutant_id, rounds=1)

    assert hit.text
    assert hit.is_small


def test_nothing_is_found_on_the_sound_client(monkeypatch):
    monkeypatch.setattr(fuzzed, "EXAMPLES", 8)

    assert found_by("sound", rounds=1).text == ""


def test_what_is_listed_is_a_mutant_and_few_are():
    assert set(UNSEEN) <= set(MUTANTS)
    assert len(MUTANTS) - len(UNSEEN) > 80
    assert all(UNSEEN.values())


@pytest.mark.parametrize(
    ("hit", "fits"),
    [
        (Hit("storm", "hang", 5, 2), True),
        (Hit("storm", "hang", 6, 2), False),
        (Hit("storm", "hang", 5, 3), False),
        (Hit("storm", ""), False),
        (Hit("hasty", ""), True),
        (Hit("hasty", "hang", 2, 1), False),
        (Hit("sound", ""), True),
        (Hit("sound", "hang", 2, 1), False),
    ],
)
def test_what_is_not_found_or_not_small_or_listed_and_found_fails(capsys, hit, fits):
    assert told([hit], ["hasty"]) is fits
    assert ("WRONG" not in capsys.readouterr().out) is fits


def test_the_command_knows_its_mutants():
    with pytest.raises(SystemExit, match="2"):
        main(["no-such-mutant"])
