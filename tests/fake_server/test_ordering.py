"""The sequencer puts operations in order, whatever order they come in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_server.ordering import Sequencer


def test_an_item_in_turn_comes_back_at_once():
    assert Sequencer[str]().push(1, "a") == ["a"]


def test_an_early_item_waits_for_those_before_it():
    sequencer = Sequencer[str]()

    assert sequencer.push(2, "b") == []
    assert sequencer.missing == 1
    assert sequencer.push(1, "a") == ["a", "b"]
    assert sequencer.missing is None


@settings(derandomize=True)
@given(st.permutations(list(range(1, 9))))
def test_any_order_of_arrival_gives_the_same_order(arrivals):
    sequencer = Sequencer[int]()

    out = [item for number in arrivals for item in sequencer.push(number, number)]

    assert out == list(range(1, 9))


def test_a_number_can_be_used_up_without_an_item():
    sequencer = Sequencer[str]()
    sequencer.push(2, "b")

    assert sequencer.push(1, None) == ["b"]


@pytest.mark.parametrize("number", [1, 3])
def test_a_number_is_taken_only_once(number):
    sequencer = Sequencer[str]()
    sequencer.push(1, "a")
    sequencer.push(3, "c")

    assert not sequencer.takes(number)
    with pytest.raises(ValueError, match=f"expected a new number from 2 on, got {number}"):
        sequencer.push(number, "again")


def test_the_free_number_is_behind_all_that_were_taken():
    sequencer = Sequencer[str]()
    assert sequencer.free == 1

    sequencer.push(4, "d")

    assert sequencer.free == 5


def test_giving_up_returns_the_held_items_and_goes_on_behind_them():
    sequencer = Sequencer[str]()
    sequencer.push(5, "e")
    sequencer.push(3, "c")
    sequencer.push(4, None)

    assert sequencer.give_up() == ["c", "e"]
    assert sequencer.missing is None
    assert sequencer.push(6, "f") == ["f"]
