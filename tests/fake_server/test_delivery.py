"""When futures show, and as what; what they do to the model is done in order all the same."""

import asyncio

import pytest
from pydantic import ValidationError

from fake_server.app import create_app
from fake_server.clock import VirtualClock
from fake_server.delivery import DeliveryRule
from fake_server.futures import Future
from fake_server.running import find_backend
from tests.fake_server.driver import Driver


@pytest.fixture
def driver() -> Driver:
    return Driver(control=True)


@pytest.fixture
def delivery(driver):
    return driver.controls.delivery


def submit(driver, model, number):
    return driver.answer("optim_step", driver.step(model, number))["request_id"]


def test_a_future_shows_at_once_where_no_rule_fits(driver, delivery):
    rule = delivery("asample").never()

    assert driver.poll(submit(driver, driver.model(), 1)).status == 200
    assert (rule.fired, delivery.unfired) == (0, [DeliveryRule(operation="asample", never=True)])


def test_a_future_shows_after_so_many_polls_which_do_not_wait(driver, delivery):
    delivery("optim_step").after_polls(3)
    request_id, start = submit(driver, driver.model(), 1), driver.clock.now()

    statuses = [driver.poll(request_id).status for _ in range(5)]

    assert statuses == [408, 408, 408, 200, 200]
    assert driver.clock.now() == start


def test_polls_count_before_the_outcome_is_computed(driver, delivery):
    model = driver.model()
    delivery("optim_step", seq_id=2).after_polls(1)
    late = submit(driver, model, 2)

    first = driver.poll(late).status
    submit(driver, model, 1)

    assert (first, driver.poll(late).status) == (408, 200)


def test_a_future_shows_after_so_many_seconds(driver, delivery):
    delivery("optim_step").after(45)
    request_id = submit(driver, driver.model(), 1)

    early = driver.poll_while(request_id, lambda: driver.clock.advance(30))
    late = driver.poll_while(request_id, lambda: driver.clock.advance(15))

    assert (early.status, late.status) == (408, 200)


def test_a_future_shows_at_a_time_of_the_clock(driver, delivery):
    delivery().at(driver.clock.now() + 10)
    request_id = driver.answer("create_model", model_of(driver))["request_id"]

    assert driver.poll_while(request_id, lambda: driver.clock.advance(10)).status == 200


def model_of(driver):
    return {"session_id": driver.session(), "model_seq_id": 0, "base_model": "tinkerproof/pico"}


def test_an_outcome_that_is_computed_after_its_time_shows_at_once(driver, delivery):
    model = driver.model()
    delivery("optim_step", seq_id=2).after(5)
    late = submit(driver, model, 2)
    driver.clock.advance(10)

    async def main():
        poll = asyncio.create_task(driver.send("POST", "retrieve_future", {"request_id": late}))
        while not driver.service.traffic.waits:
            await asyncio.sleep(0)
        await driver.send("POST", "optim_step", driver.step(model, 1))
        return await poll

    assert asyncio.run(main()).status == 200


def test_a_future_is_held_until_it_is_released(driver, delivery):
    delivery("optim_step").held()
    request_id = submit(driver, driver.model(), 1)

    reply = driver.poll_while(request_id, delivery.release)

    assert reply.status == 200
    assert delivery.held == []


def test_held_futures_are_released_in_the_order_that_is_asked_for(driver, delivery):
    model = driver.model()
    delivery("optim_step").held()
    ids = [submit(driver, model, number) for number in (1, 2, 3)]

    first = delivery.release(ids[2], ids[0])
    rest = delivery.release()

    futures = driver.service.futures
    assert (first, rest) == ([ids[2], ids[0]], [ids[1]])
    assert [future.request_id for future in futures._released.values()][-3:] == [ids[2], ids[0], ids[1]]


def test_a_part_of_what_is_held_is_released(driver, delivery):
    model = driver.model()
    delivery().held()
    ids = [submit(driver, model, number) for number in (1, 2)]

    assert delivery.release(seq_id=2) == [ids[1]]
    assert delivery.release(operation="asample") == []
    assert delivery.release(owner=model[:4] + "*") == [ids[0]]


def test_a_future_that_is_released_before_it_is_computed_shows_once_it_is(driver, delivery):
    model = driver.model()
    delivery().held()
    late = submit(driver, model, 2)

    delivery.release(late)
    submit(driver, model, 1)

    assert driver.poll(late).status == 200


def test_what_never_shows_takes_effect(driver, delivery):
    model = driver.model()
    delivery("optim_step").never()
    request_id = submit(driver, model, 1)

    delivery.release()

    assert driver.poll_while(request_id, lambda: driver.clock.advance(30)).status == 408
    assert driver.service.futures.get(request_id).outcome.metrics
    assert delivery.release(request_id) == [request_id]
    assert driver.poll(request_id).status == 200


def test_a_future_that_shows_as_a_failure_has_taken_effect(driver, delivery):
    body = {"session_id": driver.session(), "model_seq_id": 0, "base_model": "tinkerproof/pico"}
    delivery("create_model").failed("user", "out of quota")

    reply = driver.result("create_model", body)

    assert reply == {"error": "out of quota", "category": "user"}
    assert [model.session_id for model in driver.service.store.models] == [body["session_id"]]


def test_polls_are_told_why_a_future_is_paused(driver, delivery):
    delivery("optim_step").paused("paused_capacity", "all engines are busy", polls=1)
    request_id = submit(driver, driver.model(), 1)

    told, done = driver.poll(request_id), driver.poll(request_id)

    assert (told.status, told.json["queue_state"], told.json["queue_state_reason"]) == (
        408,
        "paused_capacity",
        "all engines are busy",
    )
    assert done.status == 200


def test_a_future_is_paused_until_it_is_released_where_no_end_is_given(driver, delivery):
    delivery("optim_step").paused("paused_rate_limit")

    request_id = submit(driver, driver.model(), 1)

    assert [future.queue_state for future in delivery.held] == ["paused_rate_limit"]
    assert delivery.release() == [request_id]


def test_the_first_rule_that_fits_decides_until_it_is_spent(driver, delivery):
    model = driver.model()
    once = delivery("optim_*", owner=model, times=1).after_polls(1)
    rest = delivery("optim_step").at_once()
    never = delivery().never()

    statuses = [driver.poll(submit(driver, model, number)).status for number in (1, 2, 3)]

    assert statuses == [408, 200, 200]
    assert [once.fired, rest.fired, never.fired] == [1, 2, 0]


def test_a_predicate_chooses_among_what_fits(driver, delivery):
    model = driver.model()
    delivery(where=lambda future: future.seq_id == 2).after_polls(1)

    assert [driver.poll(submit(driver, model, number)).status for number in (1, 2)] == [200, 408]


def test_a_rejected_request_spends_no_rule(driver, delivery):
    rule = delivery("asample", times=1).after_polls(1)
    sampler = driver.sampler(driver.session())
    too_long = driver.sample(sampler, 0, sampling_params={"max_tokens": 10**6})

    assert driver.post("asample", too_long).status == 400
    assert rule.fired == 0


def test_a_replay_spends_no_rule(driver, delivery):
    model = driver.model()
    rule = delivery("optim_step").after_polls(1)

    submit(driver, model, 1)
    submit(driver, model, 1)

    assert rule.fired == 1


def test_rules_that_are_dropped_decide_for_nothing(driver, delivery):
    delivery().never()
    delivery.clear()

    assert driver.poll(submit(driver, driver.model(), 1)).status == 200


def many(sampler, cursor=0, **fields):
    target = {"type": "sampling_session", "sampling_session_id": sampler, "cloned_sampler_id": 0}
    return {"target": target, "prev_cursor": cursor, **fields}


def test_a_round_of_many_counts_as_a_poll_of_each(driver, delivery):
    sampler = driver.sampler(driver.session())
    delivery("asample", seq_id=0).after_polls(2)
    driver.answer("asample", driver.sample(sampler, 0))

    rounds = [driver.answer("retrieve_futures", many(sampler)) for _ in range(3)]

    assert [len(one["completions"]) for one in rounds] == [0, 0, 1]


def test_a_round_that_only_acknowledges_is_no_poll(driver, delivery):
    sampler = driver.sampler(driver.session())
    delivery("asample").after_polls(1)
    driver.answer("asample", driver.sample(sampler, 0))

    rounds = [driver.answer("retrieve_futures", many(sampler, timeout=wait)) for wait in (0.0, 1.0, 1.0)]

    assert [len(one["completions"]) for one in rounds] == [0, 0, 1]


def test_a_round_of_many_waits_for_the_next_time(driver, delivery):
    sampler = driver.sampler(driver.session())
    delivery("asample").after(7)
    driver.answer("asample", driver.sample(sampler, 0))

    async def main():
        polls = asyncio.create_task(driver.send("POST", "retrieve_futures", many(sampler)))
        while not driver.service.traffic.waits:
            await asyncio.sleep(0)
        driver.clock.advance(7)
        return await polls

    assert len(asyncio.run(main()).json["completions"]) == 1


def test_rules_are_json_over_http(driver):
    rule = {"operation": "optim_step", "polls": 1, "queue_state": "paused_capacity", "times": 2}
    driver.post("/-/delivery", rule)
    request_id = submit(driver, driver.model(), 1)

    told = driver.get("/-/delivery").json

    assert (told["rules"][0]["fired"], driver.poll(request_id).json["queue_state"]) == (1, "paused_capacity")
    assert DeliveryRule(**told["rules"][0]["rule"]) == DeliveryRule(**rule)
    assert driver.call("DELETE", "/-/delivery").status == 204
    assert driver.get("/-/delivery").json["rules"] == []


def test_what_is_held_is_listed_and_released_over_http(driver):
    driver.post("/-/delivery", {"operation": "optim_step", "held": True})
    request_id = submit(driver, driver.model(), 1)

    (held,) = driver.get("/-/delivery").json["held"]
    released = driver.post("/-/delivery/release", {"request_ids": [request_id]}).json

    assert (held["request_id"], held["computed"]) == (request_id, True)
    assert released == {"released": [request_id]}


def test_an_unknown_future_is_not_released(driver):
    assert driver.post("/-/delivery/release", {"request_ids": ["nope"]}).status == 404


def test_a_rule_that_cannot_be_is_refused_by_name(driver):
    reply = driver.post("/-/delivery", {"pols": 3})

    assert (reply.status, "pols" in reply.json["detail"]) == (422, True)


def test_a_category_without_an_error_is_refused():
    with pytest.raises(ValidationError, match="expected it beside an error, got no error"):
        DeliveryRule(category="user")


def test_a_backend_that_computes_on_a_thread_is_delivered_by_the_same_rules():
    pytest.importorskip("torch")
    driver = Driver(app=create_app(find_backend("torch"), clocks=VirtualClock, control=True))
    driver.controls.delivery("optim_step").after_polls(2)
    request_id = submit(driver, driver.model(), 1)

    statuses = [driver.poll(request_id).status for _ in range(3)]

    assert statuses == [408, 408, 200]
    driver.app.state.tenants.close()


def test_an_operation_that_there_is_not_is_refused_with_those_that_are_near(driver):
    reply = driver.post("/-/delivery", {"operation": "optm_step", "held": True})

    assert reply.status == 422
    assert "near: optim_step" in reply.json["detail"]


def test_a_rule_knows_operations_by_the_names_of_the_sdk():
    assert DeliveryRule(operation="sample").fits(Future("r", "asample", "o", 1, b"", 0.0))
