"""Rules of futures: for each a client that breaks it, and one that nearly does."""

import asyncio

import pytest

from tests.fake_server.driver import Driver
from tests.fake_server.journals import MODEL, Script, found

PENDING = {"type": "try_again", "request_id": f"{MODEL}:1", "queue_state": "active"}


@pytest.fixture
def driver():
    return Driver(control=True)


@pytest.fixture
def script():
    script = Script()
    script.promise("optim_step", 1)
    return script


@pytest.mark.parametrize(("times", "findings"), [(4, 0), (5, 1)])
def test_polls_that_are_given_up_at_once_are_found(driver, times, findings):
    model = driver.model()
    held = driver.answer("optim_step", driver.step(model, 2))["request_id"]

    async def glance():
        poll = asyncio.create_task(driver.send("POST", "retrieve_future", {"request_id": held}))
        for _ in range(5):
            await asyncio.sleep(0)
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)

    for _ in range(times):
        asyncio.run(glance())

    assert len(found(driver.controls.journal, "CLI-09")) == findings


def test_polls_that_the_server_answered_at_once_are_patient(script):
    for _ in range(50):
        script.read(1, PENDING, status=408, at=1.0)
    script.read(1)

    assert not found(script.journal, "CLI-09")


def test_polls_that_waited_before_they_were_given_up_are_patient(script):
    for number in range(9):
        script.read(1, None, status=0, at=number * 10.0, answered_at=number * 10.0 + 9)

    assert not found(script.journal, "CLI-09")


@pytest.mark.parametrize(("times", "findings"), [(2, 0), (3, 1)])
def test_many_polls_of_one_future_at_once_are_found(script, times, findings):
    for number in range(times):
        script.read(1, PENDING, status=408, at=float(number), answered_at=30.0 + number)

    assert len(found(script.journal, "CLI-09")) == findings


def test_a_future_that_nobody_polls_is_found(driver):
    model = driver.model()
    driver.answer("forward_backward", driver.train(model, 1))

    assert found(driver.controls.journal, "CLI-10") == [
        f"forward_backward was promised as {model}:1, and never polled"
    ]
    assert not found(driver.controls.journal, "CLI-11")


def test_futures_that_are_read_are_fine(driver):
    model = driver.model()
    driver.result("forward_backward", driver.train(model, 1))

    assert not found(driver.controls.journal, "CLI-10")
    assert not found(driver.controls.journal, "CLI-11")


def test_a_sample_that_was_cancelled_need_not_be_read(driver):
    sampler = driver.sampler(driver.session())
    promised = driver.answer("asample", driver.sample(sampler, 0))["request_id"]
    driver.post("cancel_future", {"request_id": promised})

    assert not found(driver.controls.journal, "CLI-10")


def test_a_sample_that_the_batched_poll_told_of_is_known(driver):
    sampler = driver.sampler(driver.session())
    driver.answer("asample", driver.sample(sampler, 0))
    driver.post("retrieve_futures", {"target": {"sampling_session_id": sampler}})
    driver.post("retrieve_futures", {"target": {"sampling_session_id": "nobody"}})

    assert not found(driver.controls.journal, "CLI-10")


def test_a_promise_that_was_lost_cannot_be_polled(script):
    script.promise("optim_step", 2, faults=["lose_answer"])
    script.read(1)

    assert not found(script.journal, "CLI-10")


def test_a_poll_that_still_waits_is_on_its_way(driver):
    model = driver.model()
    held = driver.answer("optim_step", driver.step(model, 2))["request_id"]

    def look():
        assert not found(driver.controls.journal, "CLI-10")
        driver.clock.advance(30)

    driver.poll_while(held, look)

    assert found(driver.controls.journal, "CLI-11")


def test_a_future_that_was_left_before_its_outcome_is_found(script):
    script.read(1, PENDING, status=408)

    assert found(script.journal, "CLI-11") == [
        f"optim_step {MODEL}:1 was polled 1 times, and not to its outcome"
    ]
    assert not found(script.journal, "CLI-10")


def test_the_size_of_an_outcome_is_not_the_outcome(script):
    script.read(1, {"status": "complete_metadata", "response_payload_size": 9})
    assert found(script.journal, "CLI-11")

    script.read(1, {"metrics": None})
    assert not found(script.journal, "CLI-11")


def test_a_future_that_is_gone_has_no_outcome_to_read(script):
    script.read(1, {"detail": "gone"}, status=410)

    assert not found(script.journal, "CLI-11")


@pytest.mark.parametrize(("times", "findings"), [(2, 0), (3, 1)])
def test_an_outcome_that_is_fetched_again_and_again_is_noted(driver, times, findings):
    model = driver.model()
    for _ in range(times):
        driver.result("optim_step", driver.step(model, 1))

    assert len(found(driver.controls.journal, "CLI-12")) == findings
