"""The SDK's own sleeps take no time; whatever is not the SDK's is left alone."""

import asyncio
import time

import pytest
import tinker
from tinker import types

from fake_server import fast_sdk as module
from fake_server.fast_sdk import fast_sdk
from fake_server.wire import Answer
from tests.sdk.conftest import until
from tests.sdk.data import PICO, weighted

pytestmark = pytest.mark.sdk

STEP = types.AdamParams(learning_rate=1e-3)


def refuse(fake, operation, statuses):
    """Answer the next requests of an operation by these statuses; returns which are left."""
    left = list(statuses)

    async def refusing(exchange, row, incoming, serve):
        if row.name == operation and left:
            return Answer(left.pop(0), b'{"detail": "refused by the test"}')
        return await serve()

    fake.service.traffic.interceptors.append(refusing)
    return left


@pytest.mark.parametrize(
    ("status", "slept"),
    [(429, [1, 2, 4, 8, 16, 30, 30]), (402, [5] * 7)],
    ids=["backoff", "billing pause"],
)
def test_two_minutes_of_polls_that_are_refused_take_no_time(tinker_fake, training, status, slept):
    left = refuse(tinker_fake, "retrieve_future", [status] * 7)

    with fast_sdk() as fast:
        assert training.optim_step(STEP).result()

    assert (left, fast.sleeps) == ([], slept)


def test_requests_that_are_refused_are_repeated_in_no_time(tinker_fake, training):
    left = refuse(tinker_fake, "optim_step", [503] * 10)

    with fast_sdk() as fast:
        assert training.optim_step(STEP).result()

    assert left == []
    assert sum(fast.sleeps) > 40


def test_heartbeats_keep_their_time(tinker_fake, seen):
    with fast_sdk() as fast:
        tinker_fake.service_client().create_lora_training_client(PICO, rank=4).result()
        until(lambda: 10 in fast.background)

    assert 10 not in fast.sleeps
    assert "session_heartbeat" not in [exchange.operation for exchange in seen]


def test_nothing_but_the_loop_of_the_sdk_is_changed(training):
    functions = (time.time, time.monotonic, time.sleep, asyncio.sleep)
    with fast_sdk() as fast:
        private = module._private_loop()

        async def user():
            loop = asyncio.get_running_loop()
            await asyncio.sleep(0.001)
            return loop is private, "call_later" in vars(loop)

        assert asyncio.run(user()) == (False, False)
        assert (time.time, time.monotonic, time.sleep, asyncio.sleep) == functions
        assert {"time", "call_at"}.isdisjoint(vars(private))

    assert fast.sleeps == []


def test_timeouts_of_the_sdk_keep_their_time():
    async def waits():
        try:
            async with asyncio.timeout(60):
                await asyncio.sleep(30)
        except TimeoutError:
            return "too late"
        return "in time"

    with fast_sdk() as fast:
        assert asyncio.run_coroutine_threadsafe(waits(), module._private_loop()).result(10) == "in time"

    assert fast.sleeps == [30]


def test_contexts_may_be_nested_and_leave_nothing_behind():
    with fast_sdk() as outer:
        with fast_sdk() as inner:
            sleep(3)
        sleep(2)

    assert (inner.sleeps, outer.sleeps) == ([3], [0.003, 2])
    assert "call_later" not in vars(module._private_loop())


def sleep(seconds):
    asyncio.run_coroutine_threadsafe(asyncio.sleep(seconds), module._private_loop()).result(10)


def test_a_timer_outside_of_tasks_is_left_alone():
    called = []
    with fast_sdk() as fast:
        loop = module._private_loop()
        loop.call_soon_threadsafe(loop.call_later, 0, called.append, 1)
        until(lambda: called)

    assert (fast.sleeps, fast.background) == ([], [])


def test_a_sleep_outside_of_tasks_is_one_of_nobody_in_the_background():
    done = []

    def drive():
        sleeping = asyncio.sleep(1)
        sleeping.send(None)
        sleeping.close()
        done.append(True)

    with fast_sdk() as fast:
        module._private_loop().call_soon_threadsafe(drive)
        until(lambda: done)

    assert fast.sleeps == [1]


def test_a_factor_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="factor: expected more than 0, got 0"), fast_sdk(0):
        pass


def test_an_sdk_without_such_a_loop_is_named(monkeypatch):
    monkeypatch.delattr(f"{module.HOLDER}.{module.SINGLETON}")

    with pytest.raises(LookupError, match="expected a tinker SDK with a private event loop"), fast_sdk():
        pass


def test_the_fixture_shortens_a_whole_test(tinker_fast_sdk, tinker_fake, training):
    refuse(tinker_fake, "retrieve_future", [429] * 3)
    output = training.forward([weighted()], "cross_entropy").result()

    assert (len(output.loss_fn_outputs), tinker_fast_sdk.sleeps) == (1, [1, 2, 4])
    assert isinstance(training, tinker.TrainingClient)
