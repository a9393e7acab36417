"""Futures: polled until they show, kept until acknowledged or expired, replayed once."""

import asyncio
import json

import pytest

from contract import EmptyRequest, RequestErrorCategory, RequestFailedResponse
from contract.versions import SdkVersion
from fake_server.futures import REMEMBERED_IDS, Hold
from fake_server.service import Submission
from fake_server.settings import Settings
from tests.fake_server.driver import Driver, exchange


@pytest.fixture
def driver() -> Driver:
    return Driver()


def hold(driver: Driver) -> None:
    driver.service.futures.plan = lambda future: setattr(future, "hold", Hold(held=True))


def test_a_result_can_be_fetched_again(driver):
    request_id = driver.answer("forward_backward", driver.train(driver.model(), 1))["request_id"]

    first, again = driver.poll(request_id), driver.poll(request_id)

    assert first.status == again.status == 200
    assert first.body == again.body


def test_a_pending_future_is_answered_by_408_after_the_long_poll(driver):
    model = driver.model()
    request_id = driver.answer("optim_step", driver.step(model, 2))["request_id"]

    reply = driver.poll_while(request_id, lambda: driver.clock.advance(30))

    assert reply.status == 408
    assert reply.json == {"type": "try_again", "request_id": request_id, "queue_state": "active"}


def test_a_held_future_is_polled_until_it_is_released(driver):
    model = driver.model()
    hold(driver)
    request_id = driver.answer("optim_step", driver.step(model, 1))["request_id"]
    future = driver.service.futures.get(request_id)

    reply = driver.poll_while(request_id, lambda: driver.service.futures.release(future))

    assert reply.status == 200
    assert "metrics" in reply.json


def test_a_pending_future_tells_why_it_is_paused(driver):
    request_id = driver.answer("optim_step", driver.step(driver.model(), 2))["request_id"]
    future = driver.service.futures.get(request_id)
    future.queue_state, future.queue_state_reason = "paused_capacity", "full"

    reply = driver.poll_while(request_id, lambda: driver.clock.advance(30))

    assert reply.json["queue_state"] == "paused_capacity"
    assert reply.json["queue_state_reason"] == "full"


def test_a_future_that_never_was_is_not_found(driver):
    reply = driver.poll("nope")

    assert reply.status == 404
    assert "no future 'nope'" in reply.json["detail"]


def test_a_result_is_gone_when_its_time_is_over(driver):
    request_id = driver.answer("optim_step", driver.step(driver.model(), 1))["request_id"]

    driver.clock.advance(3600)

    assert driver.poll(request_id).status == 410


def test_an_expired_request_cannot_be_replayed(driver):
    model = driver.model()
    driver.answer("optim_step", driver.step(model, 1))
    driver.clock.advance(299)
    driver.post("session_heartbeat", {"session_id": model.partition(":")[0]})
    for _ in range(12):
        driver.clock.advance(299)
        driver.post("session_heartbeat", {"session_id": model.partition(":")[0]})

    assert driver.post("optim_step", driver.step(model, 1)).status == 410


def test_only_so_many_dropped_ids_are_remembered(driver, monkeypatch):
    monkeypatch.setattr("fake_server.futures.REMEMBERED_IDS", 1)
    model = driver.model()
    ids = [driver.answer("optim_step", driver.step(model, number))["request_id"] for number in (1, 2)]
    driver.clock.advance(3600)

    assert [driver.poll(request_id).status for request_id in ids] == [404, 410]
    assert REMEMBERED_IDS > 1


def test_the_life_of_a_result_counts_from_when_it_shows(driver):
    model = driver.model()
    hold(driver)
    request_id = driver.answer("optim_step", driver.step(model, 1))["request_id"]
    driver.clock.advance(10 * 3600)
    driver.service.futures.release(driver.service.futures.get(request_id))

    driver.clock.advance(3599)
    assert driver.poll(request_id).status == 200
    driver.clock.advance(1)
    assert driver.poll(request_id).status == 410


def test_results_that_show_first_are_gone_first(driver):
    first, second = driver.model(), driver.model()
    waiting = driver.answer("optim_step", driver.step(first, 2))["request_id"]
    done = driver.answer("optim_step", driver.step(second, 1))["request_id"]
    driver.clock.advance(50)
    driver.answer("optim_step", driver.step(first, 1))

    driver.clock.advance(3550)

    assert [driver.poll(request_id).status for request_id in (waiting, done)] == [200, 410]


def test_a_submission_that_meets_a_bug_leaves_no_promise(driver):
    broken = Submission("id", "owner", None, work=EmptyRequest, admit=lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        driver.service.submit(broken, "optim_step", b"")

    assert list(driver.service.futures) == []


@pytest.mark.parametrize("operation", ["retrieve_future", "retrieve_futures"])
def test_a_poll_whose_client_has_gone_is_dropped(driver, operation):
    model, sampler = driver.model(), driver.sampler(driver.session())
    request_id = driver.answer("optim_step", driver.step(model, 2))["request_id"]
    target = {"type": "sampling_session", "sampling_session_id": sampler, "cloned_sampler_id": 0}
    body = {"request_id": request_id} if operation == "retrieve_future" else {"target": target}
    waiters = driver.service.futures.get(request_id).waiters
    if operation == "retrieve_futures":
        waiters = driver.service.futures.completions(sampler, 0).waiters

    async def main():
        left, parts = asyncio.Event(), [json.dumps(body).encode()]
        poll = asyncio.create_task(
            exchange(driver.app, "POST", f"/api/v1/{operation}", parts, driver.headers, left)
        )
        while not waiters:
            await asyncio.sleep(0)
        left.set()
        with pytest.raises(IndexError):  # no answer
            await poll

    asyncio.run(main())
    assert not waiters


def test_nobody_waits_for_polls_that_are_over(driver):
    model, sampler = driver.model(), driver.sampler(driver.session())
    request_id = driver.answer("optim_step", driver.step(model, 2))["request_id"]
    target = {"sampling_session_id": sampler, "cloned_sampler_id": 0}
    many = {"target": {**target, "type": "sampling_session"}, "prev_cursor": 0, "retrieved_request_ids": []}

    async def both():
        polls = [
            asyncio.create_task(driver.send("POST", "retrieve_future", {"request_id": request_id})),
            asyncio.create_task(driver.send("POST", "retrieve_futures", many)),
        ]
        for _ in range(5):
            await asyncio.sleep(0)
        assert not any(poll.done() for poll in polls)
        driver.app.state.tenants.end_polls()
        return [await poll for poll in polls]

    one, batch = asyncio.run(both())
    assert (one.status, batch.status, batch.json["completions"]) == (408, 200, [])
    assert driver.poll(request_id).status == 408


def test_a_replay_gets_the_first_future_and_runs_once(driver):
    model = driver.model()
    first = driver.answer("forward_backward", driver.train(model, 1))
    again = driver.answer("forward_backward", driver.train(model, 1))

    assert first == again
    usage = [count for bucket, count in driver.service.usage.between(0, 2e9) if bucket.kind == "training"]
    assert usage == [3]


def test_the_same_number_with_another_body_is_refused(driver):
    model = driver.model()
    driver.answer("optim_step", driver.step(model, 1))

    reply = driver.post("optim_step", driver.step(model, 1, learning_rate=0.5))

    assert reply.status == 400
    assert "expected a replay of optim_step, got optim_step with another body" in reply.json["detail"]


def test_a_failure_of_the_work_is_answered_with_200_and_its_category(driver):
    reply = driver.result("forward_backward", driver.train(driver.model(), 1, loss_fn="l2"))

    assert reply["category"] == "user"
    assert reply["error"].startswith("loss_fn: expected one of cross_entropy, ")
    assert reply["error"].endswith("got 'l2'")


def test_a_bug_in_a_backend_is_answered_without_its_traceback(driver, caplog):
    model = driver.model()
    driver.service.backend.optim_step = lambda model_id, params: 1 / 0  # type: ignore[method-assign]

    reply = driver.result("optim_step", driver.step(model, 1))

    assert reply["category"] == RequestErrorCategory.Server
    assert f"internal error, request {model}:1" in reply["error"]
    assert "division" not in reply["error"]
    assert "ZeroDivisionError" in caplog.text


def test_a_large_result_is_answered_by_its_size_where_the_client_allows_that():
    driver = Driver(Settings(inline_result_bytes=10))
    request_id = driver.answer("forward_backward", driver.train(driver.model(), 1))["request_id"]

    sized = driver.post("retrieve_future", {"request_id": request_id, "allow_metadata_only": True})
    whole = driver.post("retrieve_future", {"request_id": request_id, "allow_metadata_only": False})

    assert sized.json == {"status": "complete_metadata", "response_payload_size": len(whole.body)}
    assert "loss_fn_outputs" in whole.json


def test_results_are_protobuf_where_the_client_accepts_it(driver):
    request_id = driver.answer("forward_backward", driver.train(driver.model(), 1))["request_id"]

    new = driver.poll(request_id, accept="application/x-protobuf")
    older = driver.poll(request_id, accept="application/x-protobuf, application/json")
    oldest = driver.poll(request_id, accept="application/json")

    assert new.headers["content-type"] == older.headers["content-type"] == "application/x-protobuf"
    assert oldest.headers["content-type"] == "application/json"


def test_only_a_computed_outcome_is_released_and_only_once(driver):
    request_id = driver.answer("optim_step", driver.step(driver.model(), 2))["request_id"]
    future = driver.service.futures.get(request_id)

    driver.service.futures.release(future)

    assert not future.released


def test_a_sample_that_expired_is_forgotten_by_its_samplers_completions(driver):
    sampler = driver.sampler(driver.session())
    driver.answer("asample", driver.sample(sampler, 0))
    driver.clock.advance(3600)

    with pytest.raises(Exception, match="no future"):
        driver.service.futures.get("other")

    assert not driver.service.futures.completions(sampler, 0).events


def test_what_is_ready_is_not_waited_for(driver):
    waiters = []
    traffic = driver.service.traffic
    asyncio.run(traffic.wait(traffic.begin("healthz", SdkVersion(0, 38, 0)), 0.0, waiters, lambda: True))

    assert waiters == []


def test_a_future_that_was_taken_back_is_not_kept_once_it_is_computed(driver):
    request_id = driver.answer("optim_step", driver.step(driver.model(), 2))["request_id"]
    future = driver.service.futures.get(request_id)
    driver.service.futures.discard(future)

    driver.service.futures.resolve(future, RequestFailedResponse(error="x", category="user"))
    driver.clock.advance(4000)

    assert future.released
    assert driver.poll(request_id).status == 404
