"""The mini client does what a right client does: judged by the verdict, and by what the server has."""

import pytest

from contract import ClientConfigResponse
from fake_server.settings import AuthSettings
from tests.clients.errors import (
    BadInput,
    Expired,
    FailedForUnknownReasons,
    Refused,
    ServerFailed,
    SessionEnded,
    Unreachable,
    UserFailed,
    WrongAnswer,
)
from tests.clients.patience import Patience
from tests.clients.training_loop import BASE_MODEL, datum, run
from tests.clients.transport import Reply

TEXT = (5, 6, 7, 8)
TOKENS = ClientConfigResponse(pjwt_auth_enabled=True)


@pytest.fixture
def client(world, client_in):
    with client_in(world) as client:
        yield client


@pytest.fixture
def model(client):
    return client.create_model(client.create_session(), BASE_MODEL).result()


def status_of(world, operation):
    return [entry.status for entry in world.journal.calls(operation)]


def test_a_whole_life_breaks_no_rule_and_leaves_nothing_open(world, client):
    report = run(client)

    assert report["ok"], report.get("error")
    world.verdict.assert_clean()
    assert {finding.rule.id for finding in world.verdict.findings} <= {"CLI-18"}
    assert client.pending == []


def test_a_life_gives_the_same_numbers_each_time(world_of, client_in):
    reports = []
    for _ in range(2):
        with client_in(world_of()) as client:
            reports.append(run(client))

    assert reports[0] == reports[1]


@pytest.mark.parametrize("operation", ["create_model", "forward_backward", "optim_step", "save_weights"])
@pytest.mark.parametrize("fault", ["lose_answer", "drop_request", "truncate", "reset"])
def test_what_is_lost_is_done_once(world, client, operation, fault):
    getattr(world.faults, fault)(operation, nth=1)

    assert run(client)["ok"]
    world.verdict.assert_clean()
    assert len({(e.model_id, e.seq_id) for e in world.journal.calls("optim_step")}) == 9


@pytest.mark.parametrize("status", [402, 408, 409, 429, 500, 503])
def test_statuses_that_pass_are_waited_out(world, client, model, status):
    world.faults.status("optim_step", status, times=3)
    client.forward_backward(model, [datum(TEXT)]).result()

    client.optim_step(model).result()

    assert status_of(world, "optim_step") == [status] * 3 + [200]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_statuses_that_last_are_raised_at_once(world, client, model, status):
    world.faults.status("optim_step", status, body={"detail": "no"})

    with pytest.raises(Refused, match=f"optim_step: refused with {status}: no"):
        client.optim_step(model)
    assert status_of(world, "optim_step") == [status]


def test_attempts_have_an_end(world, client, model):
    world.faults.status("optim_step", 503)

    with pytest.raises(Unreachable, match="expected success, got status 503 in 10 attempts"):
        client.optim_step(model)
    with pytest.raises(SessionEnded, match="got no answer to that; load its last checkpoint"):
        client.forward(model, [datum(TEXT)])


def test_the_server_says_how_long_to_wait(world, client, model):
    world.faults.rate_limit("optim_step", retry_after=30, times=2)
    before = world.clock.now()

    client.optim_step(model)

    assert world.clock.now() - before == pytest.approx(60)
    assert "CLI-07" not in {finding.rule.id for finding in world.verdict.findings}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 10.0),
        ({"retry-after": "soon"}, 2.0),
        ({}, 2.0),
    ],
)
def test_retry_after_has_several_forms(headers, seconds):
    assert Patience().pause(Reply(503, headers, b""), 2, now=90.0) == seconds


def test_a_header_may_say_whether_another_attempt_makes_sense():
    assert Patience().passes(Reply(400, {"x-should-retry": "true"}, b"no"))
    assert not Patience().passes(Reply(503, {"x-should-retry": "false"}, b"no"))


def test_sessions_beat_while_the_client_waits(world, client, model):
    world.faults.rate_limit("optim_step", retry_after=50, times=6)

    client.optim_step(model)

    assert len(world.journal.calls("session_heartbeat")) == 30
    assert "CLI-13" not in {finding.rule.id for finding in world.verdict.findings}


def test_a_session_that_is_over_beats_no_more(world, client):
    session = client.create_session()
    world.raw.call("finish_session", {"session_id": session, "reason": {"type": "success"}, "detail": None})

    client.wait(30)

    assert status_of(world, "session_heartbeat") == [410]


@pytest.mark.parametrize(
    ("category", "error"),
    [("user", UserFailed), ("server", ServerFailed), ("unknown", FailedForUnknownReasons)],
)
def test_a_failure_is_named_by_whose_fault_it_was(world, client, model, category, error):
    world.stubs.on("optim_step").fails(category, "the optimizer is tired")

    with pytest.raises(error, match=r"optim_step of .*: the optimizer is tired"):
        client.optim_step(model).result()


def test_a_result_that_is_gone_is_raised_each_time_and_fetched_once(world, client, model):
    world.faults.status("retrieve_future", 410, future="optim_step")
    pending = client.optim_step(model)

    for _ in range(2):
        with pytest.raises(Expired, match="expected an outcome, got that it is gone"):
            pending.result()
    assert status_of(world, "retrieve_future").count(410) == 1


def test_a_poll_is_tried_three_times_more_after_400(world, client, model):
    world.faults.status("retrieve_future", 400, future="optim_step", body={"detail": "no"})

    with pytest.raises(Refused, match="retrieve_future: refused with 400"):
        client.optim_step(model).result()
    assert status_of(world, "retrieve_future").count(400) == 4


@pytest.mark.parametrize("fault", ["empty_body", "wrong_result", "bad_json", "garbage", "wrong_content_type"])
def test_an_answer_that_is_none_to_the_question_is_no_result(world, client, model, fault):
    getattr(world.faults, fault)("retrieve_future", future="forward_backward")

    with pytest.raises(WrongAnswer, match="forward_backward: expected"):
        client.forward_backward(model, [datum(TEXT)]).result()


def test_polls_go_on_until_there_is_an_outcome(world, client, model):
    world.delivery("forward_backward").paused("paused_capacity", "busy", polls=20)

    assert client.forward_backward(model, [datum(TEXT)]).result().metrics["loss:sum"] > 0
    assert client.queue_state == "paused_capacity"
    world.verdict.assert_clean(ignore=["CLI-16"])


def test_a_poll_without_end_has_one(world_of, client_in):
    world = world_of()
    world.delivery("create_model").never()
    client = client_in(world, patience=Patience(polls=3))

    with client, pytest.raises(Unreachable, match="create_model: expected an outcome, got none in 3 polls"):
        client.create_model(client.create_session(), BASE_MODEL).result()


def test_large_results_are_told_by_their_size_first(world_of, client_in):
    with client_in(world_of(inline_result_bytes=16)) as client:
        assert run(client)["ok"]


def test_a_token_is_renewed_before_it_ends_and_when_it_is_refused(world_of, client_in):
    world = world_of(client_config=TOKENS, auth=AuthSettings(token_seconds=100))
    world.faults.invalid_token("optim_step", nth=2)
    with client_in(world) as client:
        session = client.create_session()
        world.clock.advance(99)
        assert client.get_session(session)["training_run_ids"] == []
        assert run(client)["ok"]
    assert len(world.journal.calls("auth_token")) == 3
    world.verdict.assert_clean()


def test_a_token_that_does_not_say_when_it_ends_is_refused(world_of, client_in):
    world = world_of(client_config=TOKENS)
    world.faults.wrong_result("auth_token", body={"jwt": "eyJ.eyJ.x"})

    with client_in(world) as client, pytest.raises(WrongAnswer, match="a token that says when it expires"):
        client.create_session()


def test_bad_data_take_no_number(world, client, model):
    wrong = datum(TEXT).model_copy(update={"loss_fn_inputs": {}})

    with pytest.raises(BadInput, match=r"target_tokens: expected whole numbers, got none \(datum 1\)"):
        client.forward_backward(model, [wrong])
    assert client.forward_backward(model, [datum(TEXT)]).result().loss_fn_outputs
    assert [entry.seq_id for entry in world.journal.calls("forward_backward")] == [1]


def test_a_session_is_ended_once_all_of_it_was_heard(world, client, model):
    pending = client.save_weights(model, "state")
    world.stubs.on("optim_step").fails("server", "no room")
    client.optim_step(model)

    with pytest.raises(ServerFailed, match="no room"):
        client.finish_session(model.split(":")[0])
    assert pending.is_read
    assert world.journal.calls("finish_session")[0].request["reason"] == {"type": "errored"}


def test_an_ended_session_takes_no_more_work(client, model):
    client.finish_session(model.split(":")[0])

    with pytest.raises(SessionEnded, match="expected an open session, got one that was finished"):
        client.optim_step(model)


def test_a_checkpoint_can_be_loaded_into_a_model_that_is_there(client, model):
    path = client.save_weights(model, "state", ttl_seconds=7200).result()

    assert client.load_state(model, path).result() is None
    assert client.forward(model, [datum(TEXT)]).result().loss_fn_outputs


def test_a_sampler_can_be_opened_on_a_model_as_it_is(client, model):
    sampler = client.sampler_of(model).result()

    (sequence,) = client.sample(sampler, TEXT, max_tokens=3).result().sequences
    assert len(sequence.tokens) == len(sequence.logprobs) <= 3


def test_what_is_there_can_be_asked_for(client, model):
    session = model.split(":")[0]
    path = client.save_weights(model, "state").result()

    assert BASE_MODEL in client.base_models()
    assert client.get_info(model)["model_data"]["model_name"] == BASE_MODEL
    assert client.weights_info(path)["base_model"] == BASE_MODEL
    assert client.get_training_run(model)["training_run_id"] == model
    assert [run["training_run_id"] for run in client.list_training_runs()] == [model]
    assert client.list_sessions() == [session]
    assert client.get_session(session)["training_run_ids"] == [model]
    assert [row["tinker_path"] for row in client.list_user_checkpoints()] == [path]


def test_a_checkpoint_can_be_kept_longer_and_deleted(client, model):
    path = client.save_weights(model, "state").result()
    client.set_checkpoint_ttl(path, 7200)
    assert client.list_checkpoints(model)[0]["expires_at"]

    client.delete_checkpoint(path)

    assert client.list_checkpoints(model) == []
    with pytest.raises(BadInput, match="tinker path: expected tinker://"):
        client.delete_checkpoint("weights/state")
