"""The journal: questions to it, its limits, and what became of each call."""

import asyncio

import pytest

from fake_server.journal import Journal, as_fields
from tests.fake_server.driver import Driver
from tests.fake_server.journals import MODEL, Script, exchange, lived, message


@pytest.fixture(scope="module")
def journal():
    return lived().controls.journal


def test_calls_are_found_by_operation(journal):
    assert [call.seq_id for call in journal.calls("optim_step")] == [2, 4]
    assert [call.operation for call in journal.calls("save_state")] == ["save_weights"]
    assert {call.operation for call in journal.calls("save_*", "optim_step")} == {
        "save_weights",
        "optim_step",
    }


def test_an_operation_that_there_is_not_is_refused_with_the_likeliest():
    with pytest.raises(LookupError, match="got 'optim_stp'; did you mean 'optim_step'"):
        Journal().calls("optim_stp")
    with pytest.raises(LookupError, match="`tinkerproof operations` lists them"):
        Journal().calls("zzz")


def test_calls_are_found_by_session_model_status_and_version(journal):
    model = journal.calls("optim_step").first().model_id
    session = model.split(":")[0]

    assert journal.calls(session=session)
    assert not journal.calls(session="another")
    assert {call.operation for call in journal.calls(model=model)} >= {"optim_step", "retrieve_future"}
    assert len(journal.calls(status=200)) == len(journal)
    assert not journal.calls(sdk="0.25.0")


def test_calls_are_found_by_fields_of_the_request(journal):
    steps = journal.calls("optim_step")

    assert steps.where(seq_id=4).one().number > steps.where(seq_id=2).one().number
    assert len(steps.where(adam_params__learning_rate=0.001)) == 1
    assert len(steps.where(adam_params={"beta1": 0.9})) == 2
    assert len(steps.where(seq_id=lambda number: number > 2)) == 1
    assert len(steps.where(lambda call: call.status == 404)) == 0
    assert len(steps.where(no_such_field=1)) == 0


def test_calls_are_found_by_their_idempotency_key():
    script = Script()
    script.add("copy_weights", idempotency_key="mine")

    assert len(script.journal.calls().where(idempotency_key="mine")) == 1
    assert len(script.journal.history()[:1]) == 1


def test_a_place_in_a_list_is_found_by_its_number(journal):
    passes = journal.calls("forward_backward")

    assert passes.where(**{"forward_backward_input.data.0.model_input.chunks.0.tokens": [1, 2, 3]})
    assert not passes.where(**{"forward_backward_input.data.7.model_input": 1})


def test_a_value_may_be_an_object_of_the_contract(journal):
    from contract import AdamParams

    assert len(journal.calls("optim_step").where(adam_params=AdamParams(learning_rate=0.001))) == 1


def test_a_call_tells_its_outcome_through_its_poll(journal):
    first, second = journal.calls("optim_step").outcomes()

    assert first["metrics"]["grad_norm"] > second["metrics"]["grad_norm"]
    assert journal.calls("create_session").one().outcome["session_id"]


def test_a_call_that_nobody_polled_tells_its_outcome_from_the_store():
    driver = Driver(control=True)
    model = driver.model()
    driver.answer("save_weights", {"model_id": model, "seq_id": 1, "path": "unread"})

    assert driver.controls.journal.calls("save_weights").one().outcome["path"].endswith("/unread")


def test_an_outcome_that_is_gone_is_unknown():
    script = Script()
    script.promise("optim_step", 1)
    driver = Driver(control=True)
    driver.controls.journal.add(next(iter(script.journal)))

    assert driver.controls.journal.calls().one().outcome is None
    assert script.journal.calls().one().outcome is None


def test_an_outcome_stays_known_when_a_later_poll_does_not_get_it():
    script = Script()
    script.promise("optim_step", 1)
    script.read(1, {"metrics": None})
    script.read(1, None, status=0)

    assert script.journal.calls("optim_step").one().outcome == {"metrics": None}


def test_first_last_and_one_say_what_is_missing(journal):
    steps = journal.calls("optim_step")

    assert (steps.first().seq_id, steps.last().seq_id, len(steps), steps[0].seq_id) == (2, 4, 2, 2)
    assert "optim_step: expected exactly 1, got 2" in message(steps.one)
    assert "unload_model: expected at least 1, got 0" in message(journal.calls("unload_model").last)


def test_failures_are_told_in_the_servers_words():
    driver = Driver(control=True)
    model = driver.model()
    driver.post("get_info", {"model_id": "nobody"})
    driver.result("forward_backward", driver.train(model, 1, loss_fn="no_such_loss"))
    failed = driver.controls.journal.calls().failed()

    assert [call.operation for call in failed] == ["get_info", "forward_backward", "retrieve_future"]
    assert "no model 'nobody'" in failed[0].failure
    assert "no_such_loss" in failed[1].failure


def test_a_failure_without_words_is_told_by_its_status():
    script = Script()
    script.add("get_info", answer="oops", status=503)
    script.add("get_info", answer=None, status=200)

    assert [call.failure for call in script.journal.calls()] == ["status 503", None]


def test_an_entry_has_the_fields_that_json_has(journal):
    fields = as_fields(next(iter(journal)))

    assert (fields["number"], fields["operation"], fields["status"]) == (1, "create_session", 200)


def test_entries_are_looked_at_in_the_order_of_arrival():
    journal = Journal()
    journal.add(exchange("healthz", 2))
    journal.add(exchange("healthz", 1))

    assert [call.number for call in journal.calls()] == [1, 2]
    assert repr(journal.calls()) == "<2 of a call: <#1 healthz 200>, <#2 healthz 200>>"


def test_a_full_journal_drops_its_large_entries_too():
    journal = Journal(limit=1, byte_limit=20_000)
    for number in range(1, 5):
        journal.add(exchange("forward_backward", number, request_bytes=9_000, request={"data": [0] * 99}))

    assert [entry.number for entry in journal] == [4]
    assert journal.calls().one().request == {"data": [0] * 99}


def test_old_large_bodies_become_outlines():
    journal = Journal(byte_limit=20_000)
    request = {"model_id": MODEL, "seq_id": 1, "data": [[1, 2], "x" * 300], "targets": list(range(99))}
    for number in (1, 2, 3):
        journal.add(exchange("forward_backward", number, request_bytes=9_000, request=request))
    first, second, _ = journal.calls()

    assert first.request["targets"] == {"summary": "99 items"}
    assert first.request["data"] == [[1, 2], {"summary": "300 characters"}]
    assert (first.seq_id, first.model_id) == (1, MODEL)
    assert second.request == request


def test_small_bodies_stay_whole():
    journal = Journal(byte_limit=0)
    journal.add(exchange("optim_step", request_bytes=4_096, request={"a": list(range(99))}))

    assert journal.calls().one().request["a"] == list(range(99))


def test_a_poll_that_its_client_left_has_no_answer():
    driver = Driver(control=True)
    model = driver.model()
    held = driver.answer("optim_step", driver.step(model, 2))["request_id"]

    async def leave():
        poll = asyncio.create_task(driver.send("POST", "retrieve_future", {"request_id": held}))
        for _ in range(5):
            await asyncio.sleep(0)
        assert driver.controls.journal.history().open_polls == {held}
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)

    asyncio.run(leave())
    poll = driver.controls.journal.calls("poll").last()

    assert (poll.status, poll.answer, poll.is_final) == (0, None, False)
    assert repr(poll) == f"<#{poll.number} retrieve_future no answer>"


def test_an_answer_of_bytes_is_decoded_where_it_is_json():
    driver = Driver(control=True)
    driver.get("get_server_capabilities")

    assert driver.controls.journal.calls().one().answer["supported_models"]
