"""Answers to clients, and what a right client makes of each."""

import pytest
from hypothesis import find, given, settings

from contract import OPERATIONS, ApiError, FutureMetadata, SampleResponse, UntypedAPIFuture
from contract.codec import JSON, PROTOBUF, decode
from contract.strategies import (
    answer_type,
    answers,
    broken_answers,
    damaged_answers,
    edge_answers,
    rare_answers,
)
from tests.draws import draws

FEW = settings(max_examples=draws(8, 100), deadline=None, database=None)
SEARCH = settings(max_examples=500, deadline=None, database=None)
ROWS = {row.name: row for row in OPERATIONS}


def is_read(type_, answer):
    try:
        decode(type_, answer.body, answer.media_type, on_unknown=lambda names: None)
    except ApiError:
        return False
    return True


@pytest.mark.parametrize("name", ROWS)
def test_answers_are_what_they_say(name):
    kind = answer_type(ROWS[name])

    @FEW
    @given(answers(kind))
    def is_labelled(answer):
        assert answer.what
        if kind is not type(None) and answer.expects != "either":
            assert is_read(kind, answer) == (answer.expects == "accept")

    is_labelled()


def test_a_deferred_operation_answers_a_promise():
    assert answer_type(ROWS["optim_step"]) is UntypedAPIFuture
    assert answer_type(ROWS["delete_checkpoint"]) is type(None)


@FEW
@given(rare_answers(SampleResponse, PROTOBUF))
def test_a_rare_answer_is_read_in_protobuf_too(answer):
    assert is_read(SampleResponse, answer)
    assert (answer.kind, answer.expects) == ("rare", "accept")


@FEW
@given(answers(SampleResponse, PROTOBUF))
def test_protobuf_has_rare_and_damaged_answers(answer):
    assert answer.kind in ("rare", "damaged")


def test_integers_that_many_languages_do_not_have_may_be_refused():
    found = find(edge_answers(FutureMetadata), lambda answer: answer.expects == "either", settings=SEARCH)
    assert found.what == "response_payload_size: 2**64"


def test_large_integers_are_found_in_lists_and_beside_others():
    found = find(edge_answers(SampleResponse), lambda answer: answer.expects == "either", settings=SEARCH)
    assert str(2**64).encode() in found.body


def test_a_broken_answer_shrinks_to_one_violation_in_the_simplest_body():
    found = find(
        broken_answers(UntypedAPIFuture), lambda answer: answer.body.startswith(b"{"), settings=SEARCH
    )
    assert found.body == b"{}"
    assert (found.what, found.expects) == ("request_id: absent", "error")


def test_a_violation_of_what_is_optional_may_go_unnoticed():
    found = find(broken_answers(UntypedAPIFuture), lambda answer: answer.expects == "either", settings=SEARCH)
    assert found.what.startswith(("model_id", "sample_sequence_ids"))


def test_damage_that_leaves_a_valid_value_is_nobodys_fault():
    found = find(
        damaged_answers(UntypedAPIFuture), lambda answer: answer.expects == "either", settings=SEARCH
    )
    assert is_read(UntypedAPIFuture, found)
    assert find(damaged_answers(type(None)), lambda _: True, settings=SEARCH).media_type == JSON
