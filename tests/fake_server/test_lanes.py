"""Lanes: any order of arrival, one order of effect; gaps hold, and are given up in the end."""

import pytest

from contract import FinishSessionRequest
from contract.versions import SdkVersion
from fake_server.handlers.sessions import finish_session
from fake_server.service import Call
from fake_server.settings import Settings
from tests.fake_server.driver import Driver, datum

NEWEST = SdkVersion.parse(None)


@pytest.fixture
def driver() -> Driver:
    return Driver()


def submit(driver: Driver, model: str, number: int) -> str:
    return driver.answer("optim_step", driver.step(model, number))["request_id"]


def test_a_submission_never_waits_for_an_earlier_number(driver):
    model = driver.model()

    late = submit(driver, model, 3)
    later = submit(driver, model, 2)
    first = submit(driver, model, 1)

    assert [driver.poll(request_id).status for request_id in (first, later, late)] == [200, 200, 200]


def test_operations_take_effect_in_the_order_of_their_numbers(driver):
    seen: list[str] = []
    model = driver.model()
    backend = driver.service.backend
    optim_step, forward_backward = backend.optim_step, backend.forward_backward
    backend.optim_step = lambda *a, **k: (seen.append("step"), optim_step(*a, **k))[1]
    backend.forward_backward = lambda *a, **k: (seen.append("pass"), forward_backward(*a, **k))[1]

    driver.answer("optim_step", driver.step(model, 2))
    driver.answer("forward_backward", driver.train(model, 1))

    assert seen == ["pass", "step"]


def test_a_gap_fails_what_waits_behind_it_once_its_time_is_over(driver):
    model = driver.model()
    waiting = submit(driver, model, 2)

    driver.clock.advance(60)
    reply = driver.poll(waiting)

    assert reply.status == 200
    assert reply.json["category"] == "user"
    assert f"seq_id 2 of {model}: expected seq_id 1 before it, got none within 60 s" in reply.json["error"]


def test_a_waiting_poll_hears_that_a_gap_was_given_up(driver):
    model = driver.model()
    driver.clock.advance(1)
    waiting = submit(driver, model, 2)
    driver.poll_while(waiting, lambda: driver.clock.advance(30))

    reply = driver.poll_while(waiting, lambda: driver.clock.advance(30))

    assert "expected seq_id 1 before it" in reply.json["error"]


def test_a_lane_goes_on_behind_a_gap_that_was_given_up(driver):
    model = driver.model()
    submit(driver, model, 2)
    driver.clock.advance(60)

    assert driver.poll(submit(driver, model, 3)).status == 200


def test_a_number_that_comes_after_it_was_given_up_is_refused(driver):
    model = driver.model()
    submit(driver, model, 2)
    driver.clock.advance(60)

    reply = driver.post("optim_step", driver.step(model, 1))

    assert reply.status == 400
    assert f"seq_id: expected 3, got 1, which {model} has passed" in reply.json["detail"]


def test_progress_behind_one_gap_gives_the_next_gap_its_full_time(driver):
    model = driver.model()
    submit(driver, model, 2)
    last = submit(driver, model, 4)
    driver.clock.advance(59)
    submit(driver, model, 1)
    driver.clock.advance(59)

    assert driver.service.lanes.deadline(model) == driver.clock.now() + 1
    submit(driver, model, 3)
    assert driver.poll(last).status == 200


@pytest.mark.parametrize("number", [0, -3])
def test_numbers_start_at_one(driver, number):
    reply = driver.post("optim_step", driver.step(driver.model(), number))

    assert reply.status == 422
    assert f"seq_id: expected 1 to 2**63 - 1, got {number}" in reply.json["detail"]


def test_a_rejected_request_uses_up_its_number(driver):
    model = driver.model()
    body = {**driver.step(model, 1), "adam_params": {"learning_rate": "fast"}}

    assert driver.post("optim_step", body).status == 422
    assert driver.poll(submit(driver, model, 2)).status == 200


def test_a_rejected_number_far_ahead_holds_nobody_back(driver):
    model = driver.model()
    body = {**driver.step(model, 10**15), "adam_params": {"learning_rate": "fast"}}
    assert driver.post("optim_step", body).status == 422
    driver.poll(submit(driver, model, 1))
    driver.clock.advance(61)

    assert driver.poll(submit(driver, model, 2)).status == 200
    unloaded = driver.answer("unload_model", {"model_id": model})["request_id"]
    assert driver.poll(unloaded).status == 200


def test_a_request_that_met_a_bug_uses_up_its_number(driver, monkeypatch):
    model = driver.model()
    monkeypatch.setattr(driver.service.futures, "open", lambda future: 1 / 0)
    assert driver.post("optim_step", driver.step(model, 1)).status == 500
    monkeypatch.undo()

    assert driver.poll(submit(driver, model, 2)).status == 200


def test_a_request_that_is_refused_for_its_key_can_be_sent_again(driver):
    model = driver.model()
    refused = driver.post("optim_step", driver.step(model, 1), x_api_key="wrong")

    assert refused.status == 401
    assert driver.poll(submit(driver, model, 1)).status == 200


def test_an_operation_without_a_number_comes_next_in_order_of_arrival(driver):
    model = driver.model()
    submit(driver, model, 1)

    first = driver.answer("optim_step", driver.step(model, None), x_idempotency_key="k:0:1")
    again = driver.answer("optim_step", driver.step(model, None), x_idempotency_key="k:0:1")
    other = driver.answer("optim_step", driver.step(model, None))

    assert first == again != other
    assert driver.service.lanes.next_seq_id(model) == 4


def test_models_do_not_wait_for_each_other(driver):
    session = driver.session()
    stuck, free = driver.model(session, 0), driver.model(session, 1)
    submit(driver, stuck, 2)

    assert driver.poll(submit(driver, free, 1)).status == 200
    assert datum()["model_input"]


def test_what_waits_for_a_number_fails_when_its_session_is_finished(driver):
    session = driver.session()
    model = driver.model(session)
    body = {"model_id": model, "seq_id": 3, "path": "s"}
    waiting = [submit(driver, model, 2), driver.answer("save_weights", body)["request_id"]]

    driver.post(f"sessions/{session}/finish", {"reason": {"type": "success"}, "detail": None})
    missing = driver.post("optim_step", driver.step(model, 1))

    told = [driver.poll(request_id).json for request_id in waiting]
    assert missing.status == 400
    assert {answer["category"] for answer in told} == {"user"}
    assert f"seq_id 2 of {model}: session {session!r} has ended (success); the operation" in told[0]["error"]
    assert len(driver.service.store.checkpoints) == 0
    assert driver.service.lanes.deadline(model) is None


def test_a_poll_that_waits_hears_that_its_session_was_finished(driver):
    session = driver.session()
    model = driver.model(session)
    waiting = submit(driver, model, 2)
    end = FinishSessionRequest.model_validate({"session_id": session, "reason": {"type": "errored"}})

    reply = driver.poll_while(waiting, lambda: finish_session(Call(driver.service, "", NEWEST), end))

    assert "has ended (errored)" in reply.json["error"]


def test_what_waits_for_a_number_fails_when_its_session_fell_silent(driver):
    driver = Driver(Settings(gap_timeout_seconds=1000.0))
    model, other = driver.model(), driver.model()
    waiting, untouched = submit(driver, model, 2), submit(driver, other, 2)
    driver.clock.advance(200)
    driver.post("session_heartbeat", {"session_id": other.partition(":")[0]})
    driver.clock.advance(101)

    assert driver.post("optim_step", driver.step(model, 1)).status == 400

    assert "no heartbeat for more than 300 s" in driver.poll(waiting).json["error"]
    assert driver.service.futures.get(untouched).outcome is None
