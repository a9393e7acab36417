"""What a test may claim about a journal; and what it hears where that is not true."""

import pytest

from fake_server.mismatch import JournalMismatch
from tests.fake_server.journals import MODEL, Script, lived, message


@pytest.fixture(scope="module")
def journal():
    return lived().controls.journal


def test_true_claims_pass(journal):
    journal.assert_called("optim_step")
    journal.assert_called_once("save_state")
    journal.assert_not_called("sample")
    journal.assert_count(2, "optim_step")
    journal.assert_at_least(2, "optim_step")
    journal.assert_at_most(2, "optim_step")
    journal.assert_called_with("optim_step", seq_id=4)
    journal.assert_called_once_with("save_state", path="last")
    journal.assert_any_call("optim_step", adam_params__learning_rate=0.001)
    journal.assert_each(None, "optim_step", status=200)
    journal.assert_each(lambda call: call.status == 200)
    journal.assert_consecutive_seq_ids()
    journal.assert_no_errors()
    journal.assert_no_retries()
    journal.assert_all_read()
    journal.assert_answered_within(0)


def test_claims_may_be_made_of_chosen_calls(journal):
    journal.calls("optim_step").assert_count(2)
    journal.calls("optim_step").where(seq_id=2).assert_called_once()
    journal.calls().assert_called("optim_step")


def test_a_count_that_is_wrong_shows_the_calls_and_the_right_claim(journal):
    said = message(journal.assert_called_once, "optim_step")

    assert said.splitlines() == [
        "optim_step: expected exactly 1, got 2",
        "  #6 optim_step, seq_id 2: 200, 11425dad…:train:0",
        "  #10 optim_step, seq_id 4: 200, 11425dad…:train:0",
        "  fix: if 2 is right: .assert_count(2)",
    ]


@pytest.mark.parametrize(
    ("operation", "name", "fix"),
    [
        ("optim_step", "learning_rate", "has no learning_rate; did you mean adam_params__learning_rate?"),
        ("optim_step", "colour", "has no colour; did you mean model_id or seq_id or "),
        ("healthz", "colour", "has no colour; its request is empty"),
    ],
)
def test_a_field_that_there_is_not_is_told_with_those_that_there_are(operation, name, fix):
    script = Script()
    script.add("optim_step", {"model_id": MODEL, "seq_id": 1, "adam_params": {"learning_rate": 0.1}})
    script.add("healthz", {})

    assert fix in message(script.journal.assert_called_with, operation, **{name: 1})


def test_a_call_that_never_came_shows_what_came(journal):
    said = message(journal.assert_called, "sample")

    assert "sample: expected at least 1, got 0\n  fix: look at what came: retrieve_future x6" in said


def test_an_empty_journal_asks_for_the_url():
    assert "fix: no request has come; does the client have the fake's URL" in message(
        Script().journal.assert_called
    )


def test_too_many_are_too_many(journal):
    assert "expected at most 1, got 2" in message(journal.assert_at_most, 1, "optim_step")
    assert "expected exactly 0, got 2" in message(journal.assert_not_called, "optim_step")


def test_other_values_show_the_nearest_call_and_each_difference(journal):
    said = message(journal.assert_any_call, "optim_step", seq_id=2, adam_params__learning_rate=0.003)

    assert said.splitlines() == [
        "optim_step: expected a call with seq_id=2, adam_params__learning_rate=0.003, got 2 without",
        "  #10 optim_step, seq_id 4: 200, 11425dad…:train:0",
        "      seq_id: expected 2, got 4",
        "  #6 optim_step, seq_id 2: 200, 11425dad…:train:0",
        "      adam_params__learning_rate: expected 0.003, got 0.001",
        "  fix: if #10 is right, claim seq_id=4, adam_params__learning_rate=0.003",
    ]


def test_the_parts_of_an_object_that_differ_are_named(journal):
    said = message(
        journal.assert_called_with,
        "optim_step",
        adam_params={"learning_rate": 0.1, "momentum": 1, "eps": 1e-12},
    )

    assert "adam_params.learning_rate: expected 0.1, got 0.003" in said
    assert "adam_params.momentum: expected 1, got nothing" in said
    assert "no_such_field: expected 1, got nothing" in message(
        journal.assert_any_call, "optim_step", no_such_field=1
    )
    assert "adam_params.eps" not in said.partition("\n")[2].partition("fix")[0]


def test_only_the_last_call_counts_for_assert_called_with(journal):
    assert "expected the last call with seq_id=2" in message(
        journal.assert_called_with, "optim_step", seq_id=2
    )
    assert "got none at all" in message(journal.assert_called_with, "unload_model", seq_id=2)


def test_once_with_fails_where_there_are_more(journal):
    assert "exactly 1, got 2" in message(journal.assert_called_once_with, "optim_step", status=200)


def test_long_values_are_cut(journal):
    said = message(journal.assert_any_call, "save_state", path="x" * 500)

    assert max(map(len, said.splitlines())) < 300


def test_each_names_those_that_do_not_fit(journal):
    said = message(journal.assert_each, None, "optim_step", adam_params={"learning_rate": 0.001})

    assert "expected each of 2 to fit, got 1 that do not" in said
    assert "adam_params.learning_rate: expected 0.001, got 0.003" in said
    assert "got 2 that do not" in message(journal.assert_each, lambda call: False, "optim_step")


def test_each_of_nothing_is_not_true(journal):
    assert "expected at least 1, got 0" in message(journal.assert_each, None, "sample", status=200)


def test_others_are_named_and_polls_are_no_others(journal):
    journal.assert_only("create_*", "forward_backward", "optim_step", "save_state")
    said = message(journal.assert_only, "create_*", "forward_backward")

    assert "expected only create_*, forward_backward, got optim_step x2, save_weights x1" in said
    assert "fix: allow them too: .assert_only(…, 'optim_step')" in said


def test_an_order_may_have_others_between(journal):
    journal.assert_order("create_session", "optim_step", "optim_step", "save_*")
    journal.assert_order("forward_backward+", "optim_step")
    journal.assert_order("create_model", "poll", "forward_backward", "poll")


def test_an_exact_order_may_not(journal):
    journal.assert_order("create_model", "forward_backward+", "optim_step", exact=True)
    said = message(journal.assert_order, "create_model", "optim_step", exact=True)

    assert "expected optim_step after create_model, got none there" in said
    assert "a name with + at the end stands for one or more in a row" in said


def test_a_wrong_order_shows_the_order(journal):
    said = message(journal.assert_order, "save_state", "create_model")

    assert said.splitlines()[:2] == [
        "order save_state → create_model: expected create_model after save_state, got none there",
        "  the order was: create_session, create_model, forward_backward, optim_step, forward_backward, "
        "optim_step, save_weights",
    ]
    assert "expected sample at all, got none there" in message(journal.assert_order, "sample")


def test_long_orders_are_counted_and_cut():
    script = Script()
    for _ in range(8):
        script.add("forward_backward")
        script.add("forward_backward")
        script.add("optim_step")

    said = message(script.journal.assert_order, "sample")

    assert "the order was: …, forward_backward x2, optim_step" in said


def test_what_came_too_early_is_shown(journal):
    journal.assert_never_before("optim_step", "forward_backward")

    assert "which came as #6, got 1" in message(journal.assert_never_before, "forward_backward", "optim_step")
    assert "which never came, got 2" in message(journal.assert_never_before, "optim_step", "sample")


def test_numbers_that_are_missing_are_named():
    script = Script()
    for seq_id in (1, 2, 5):
        script.promise("forward_backward", seq_id)
    script.promise("optim_step", 9)

    assert f"seq_ids of {MODEL}: expected 1 to 9, got none of [3, 4, 6, 7, 8]" in message(
        script.journal.assert_consecutive_seq_ids
    )
    assert "expected 1 to 5, got none of [3, 4]" in message(
        script.journal.assert_consecutive_seq_ids, "forward_backward"
    )


def test_errors_are_told_in_their_words():
    script = Script()
    script.add("get_info", answer={"detail": "no model 'x'"}, status=404)

    said = message(script.journal.assert_no_errors)

    assert "#1 get_info: 404: no model 'x'" in said


def test_what_was_sent_again_is_shown():
    script = Script()
    script.promise("optim_step", 1)
    script.journal.assert_no_retries()
    script.promise("optim_step", 1)
    script.add("get_info", retry_count=1, faults=["status 503"])

    said = message(script.journal.assert_no_retries)

    assert "expected no retries, got 2" in said
    assert "#3 get_info: 200, faults status 503" in said


def test_what_was_not_read_is_shown():
    script = Script()
    script.promise("optim_step", 1)
    script.promise("optim_step", 2)
    script.read(2)

    assert "got 1 that were not" in message(script.journal.assert_all_read, "optim_step")


def test_slow_answers_are_shown():
    script = Script()
    script.add("get_info", answered_at=4.0)
    script.add("get_info", answered_at=None, status=0)

    said = message(script.journal.assert_answered_within, 1)

    assert "expected answers within 1 s, got 2 slower ones" in said
    assert "#2 get_info: no answer" in said
    assert "fix: if 3 s is right: .assert_answered_within(3)" in said


def test_a_mismatch_is_an_assertion_error():
    assert issubclass(JournalMismatch, AssertionError)
