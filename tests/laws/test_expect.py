"""What laws expect: each expectation passes in silence, or breaks in words that show both sides."""

import pytest

from contract.laws.driver import Reply
from contract.laws.expect import (
    expect,
    expect_close,
    expect_differ,
    expect_equal,
    expect_final,
    expect_finite,
    expect_refusal,
    expect_status,
    pairs,
)
from contract.laws.law import Broken


def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_what_is_as_expected_passes():
    expect([0], "nothing")
    expect_equal((1, 2), (1, 2), "pair")
    expect_status(reply(404), 403, 404, what="answer")
    expect_close([1.0, 200.0], [1.00001, 200.01], "numbers", tolerance=1e-4)
    expect_close(0.0, 5e-5, "number", tolerance=1e-4)
    expect_differ([1.0, 2.0], [1.0, 2.1], "numbers", by=0.01)
    expect_differ([1.0], [1.0, 1.0], "numbers", by=0.01)
    expect_final(reply(200), "answer")
    expect_final(reply(404, b""), "answer")
    expect_refusal(reply(422), "answer")
    expect_finite(reply(body=b'{"a": [1.5, null, "NaN"]}'), "answer")


def test_what_is_not_true_breaks_in_its_own_words():
    with pytest.raises(Broken, match=r"^expected a body, got none$"):
        expect(b"", "expected a body, got none")


def test_two_values_are_shown():
    with pytest.raises(Broken, match=r"^request_id: expected 'a', got 'b'$"):
        expect_equal("b", "a", "request_id")


def test_many_values_are_shown_by_their_first_ones_and_a_long_one_by_its_beginning():
    with pytest.raises(Broken, match=r"got 9 values: 0, 1, 2, 3, 4, 5, …$"):
        expect_equal(list(range(9)), [], "numbers")
    with pytest.raises(Broken, match=r"expected '', got 'x{199}…$"):
        expect_equal("x" * 300, "", "text")


def test_a_status_is_shown_with_its_body():
    with pytest.raises(Broken, match=r"^the poll: expected status 200 or 408, got 500 b'oops'$"):
        expect_status(reply(500, b"oops"), 200, 408, what="the poll")


def test_the_first_number_that_is_off_is_named_by_its_place():
    with pytest.raises(Broken, match=r"^logprobs: expected 2.0 at 1 of 3 within 0.001, got 2.5$"):
        expect_close([1.0, 2.5, 9.0], [1.0, 2.0, 3.0], "logprobs", tolerance=1e-3)
    with pytest.raises(Broken, match=r"^loss: expected 2.0 within 0.001, got nan$"):
        expect_close(float("nan"), 2.0, "loss", tolerance=1e-3)


def test_lists_of_two_lengths_are_never_close():
    with pytest.raises(Broken, match=r"^logprobs: expected 2 values, got 1$"):
        expect_close([1.0], [1.0, 1.0], "logprobs", tolerance=1.0)


def test_numbers_that_are_the_same_do_not_differ():
    with pytest.raises(
        Broken, match=r"^weights: expected a difference of more than 0.1, got the same \[1.0\]$"
    ):
        expect_differ([1.0], [1.05], "weights", by=0.1)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_an_answer_that_is_repeated_is_not_final(status):
    with pytest.raises(
        Broken, match=f"^the step: expected a status that no SDK repeats, got {status} b'why'$"
    ):
        expect_final(reply(status, b"why"), "the step")


@pytest.mark.parametrize("status", [200, 204, 302, 402, 408, 409, 429, 500, 503])
def test_what_is_no_refusal_or_is_repeated_is_no_final_refusal(status):
    with pytest.raises(Broken, match=f"^the step: expected a refusal that is final, got {status} b'why'$"):
        expect_refusal(reply(status, b"why"), "the step")


def test_a_refusal_that_asks_to_be_repeated_is_none():
    with pytest.raises(Broken, match="final, got 400 to be tried again"):
        expect_refusal(reply(400, b"why", x_should_retry="true"), "the step")


def test_a_refusal_without_a_body_is_none():
    with pytest.raises(Broken, match="expected a body that says why, got 400 with none"):
        expect_refusal(reply(400, b""), "the step")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_a_literal_that_is_no_number_is_named(literal):
    with pytest.raises(
        Broken, match=f"^metrics: expected JSON of finite numbers, got the literal {literal}$"
    ):
        expect_finite(reply(body=f'{{"a": {{"b": [{literal}]}}}}'.encode()), "metrics")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe"])
def test_what_is_no_json_is_not_finite(body):
    with pytest.raises(Broken, match=r"^metrics: expected JSON, got 200 b'"):
        expect_finite(reply(body=body), "metrics")


def test_what_came_stands_beside_what_was_expected():
    assert pairs([1, 2], "ab", "letters") == [(1, "a"), (2, "b")]


def test_more_or_less_than_was_expected_breaks():
    with pytest.raises(Broken, match=r"^letters: expected 2, got 3$"):
        pairs([1, 2, 3], "ab", "letters")
