"""The sequencer puts operations in order, whatever order they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_server.ordering import MOST_USED_UP, Sequencer


def test_an_item_in_turn_comes_back_at_once():
    assert Sequencer[str]().push(1, "a") == ["a"]


def test_an_early_item_waits_for_those_before_it():
    sequencer = Sequencer[str]()

    assert sequencer.push(2, "b") == []
    assert sequencer.missing == 1
    assert sequencer.push(1, "a") == ["a", "b"]
    assert sequencer.missing is None


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


def test_a_used_up_number_holds_nobody_back():
    sequencer = Sequencer[str]()
    sequencer.push(10**15, None)

    assert (sequencer.missing, sequencer.free) == (None, 1)
    assert not sequencer.takes(10**15)
    assert sequencer.give_up() == []
    assert sequencer.push(1, "a") == ["a"]


def test_the_free_number_is_not_one_that_was_used_up():
    sequencer = Sequencer[str]()
    sequencer.push(1, "a")
    sequencer.push(2, "b")
    sequencer.push(4, None)
    sequencer.push(5, "e")
    sequencer.push(6, None)

    assert sequencer.free == 7


def test_giving_up_skips_the_numbers_that_were_used_up_behind_the_last():
    sequencer = Sequencer[str]()
    for number, item in ((2, None), (3, "c"), (4, None), (6, None)):
        sequencer.push(number, item)

    assert sequencer.give_up() == ["c"]
    assert sequencer.next_seq_id == 5


def test_only_so_many_used_up_numbers_are_remembered_the_nearest_of_them(monkeypatch):
    monkeypatch.setattr("fake_server.ordering.MOST_USED_UP", 2)
    sequencer = Sequencer[str]()
    for number in (9, 3, 2):
        sequencer.push(number, None)

    assert [sequencer.takes(number) for number in (2, 3, 9)] == [False, False, True]
    assert MOST_USED_UP > 100


def test_giving_up_returns_the_held_items_and_goes_on_behind_them():
    sequencer = Sequencer[str]()
    sequencer.push(5, "e")
    sequencer.push(3, "c")
    sequencer.push(4, None)

    assert sequencer.give_up() == ["c", "e"]
    assert sequencer.missing is None
    assert sequencer.push(6, "f") == ["f"]
