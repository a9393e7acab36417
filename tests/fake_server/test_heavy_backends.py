"""A backend that computes for long: training on a thread, samples beside it, results that come later."""

import threading
from concurrent.futures import Future
from queue import Queue
from typing import Any

import pytest

from contract import BadRequest, RequestErrorCategory, RequestFailure, SampledSequence, SampleResponse
from fake_server.app import create_app
from fake_server.scripted import open_scripted
from tests.fake_server.driver import PICO, Driver

ANSWER = SampleResponse(sequences=[SampledSequence(stop_reason="length", tokens=[1, 2, 3])])


class Batching:
    """Trains as the scripted backend does; what it samples, and when, is the test's to say."""

    concurrent = True

    def __init__(self, options: Any) -> None:
        self._inner = open_scripted(options)
        self.taken: Queue[Future[SampleResponse]] = Queue()
        self.go_on = threading.Event()
        self.go_on.set()
        self.closed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def optim_step(self, model_id: Any, params: Any) -> Any:
        self.go_on.wait()
        return self._inner.optim_step(model_id, params)

    def sample(self, *_: Any) -> Future[SampleResponse]:
        future: Future[SampleResponse] = Future()
        self.taken.put(future)
        self.go_on.wait()
        return future

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def driver():
    made = Driver(app=create_app(Batching))
    yield made
    made.service.backend.go_on.set()
    made.app.state.tenants.close()


@pytest.fixture
def backend(driver) -> Batching:
    return driver.service.backend


def submit(driver: Driver) -> str:
    sampler = driver.sampler(driver.session())
    return driver.answer("asample", driver.sample(sampler, 0))["request_id"]


def test_a_sample_shows_once_the_backend_has_it(driver, backend):
    request_id = submit(driver)
    computation = backend.taken.get(timeout=10)

    reply = driver.poll_while(request_id, lambda: computation.set_result(ANSWER))

    assert reply.json["sequences"][0]["tokens"] == [1, 2, 3]


def test_a_sample_that_was_done_at_once_shows_at_once(driver, backend):
    done: Future[SampleResponse] = Future()
    done.set_result(ANSWER)
    backend.sample = lambda *_: done

    assert driver.poll(submit(driver)).json["sequences"][0]["tokens"] == [1, 2, 3]


def test_a_sample_is_counted_when_it_is_there(driver, backend):
    request_id = submit(driver)
    computation = backend.taken.get(timeout=10)
    assert list(driver.service.usage.between(0, 2e12)) == []

    driver.poll_while(request_id, lambda: computation.set_result(ANSWER))

    counts = {bucket.kind: count for bucket, count in driver.service.usage.between(0, 2e12)}
    assert counts == {"sampling_prefill": 2, "sampling_sample": 3}


@pytest.mark.parametrize(
    ("error", "category", "words"),
    [
        (RequestFailure("max_tokens: too many"), RequestErrorCategory.User, "max_tokens: too many"),
        (RequestFailure("out of memory", RequestErrorCategory.Server), RequestErrorCategory.Server, "out of"),
        (BadRequest("not so"), RequestErrorCategory.User, "not so"),
        (ZeroDivisionError("secret"), RequestErrorCategory.Server, "internal error, request"),
    ],
)
def test_a_sample_that_fails_later_fails_as_one_that_fails_at_once(
    driver, backend, caplog, error, category, words
):
    request_id = submit(driver)
    computation = backend.taken.get(timeout=10)

    reply = driver.poll_while(request_id, lambda: computation.set_exception(error))

    assert (reply.status, reply.json["category"]) == (200, category)
    assert words in reply.json["error"]
    assert "secret" not in reply.json["error"]
    assert ("ZeroDivisionError" in caplog.text) is isinstance(error, ZeroDivisionError)


def test_a_sample_that_is_taken_back_stops(driver, backend):
    request_id = submit(driver)
    computation = backend.taken.get(timeout=10)

    reply = driver.poll_while(
        request_id, lambda: driver.service.futures.cancel(driver.service.futures.get(request_id))
    )

    assert computation.cancelled()
    assert reply.json == {"error": "cancelled by the client", "category": "user"}


def test_a_sample_that_is_taken_back_while_the_backend_takes_it_stops_too(driver, backend):
    backend.go_on.clear()
    request_id = submit(driver)
    computation = backend.taken.get(timeout=10)
    stopped = threading.Event()
    computation.add_done_callback(lambda _: stopped.set())

    assert driver.post("cancel_future", {"request_id": request_id}).status in (200, 204)
    backend.go_on.set()

    assert stopped.wait(10)
    assert computation.cancelled()
    assert driver.poll(request_id).json["error"] == "cancelled by the client"


def test_a_sample_that_the_backend_gives_up_fails(driver, backend):
    request_id = submit(driver)
    computation = backend.taken.get(timeout=10)

    reply = driver.poll_while(request_id, computation.cancel)

    assert reply.json["category"] == "user"


def test_samples_do_not_wait_for_a_training_step(driver, backend):
    model = driver.model()
    backend.go_on.clear()
    step = driver.answer("optim_step", driver.step(model, 1))["request_id"]

    request_id = submit(driver)
    computation = backend.taken.get(timeout=10)
    backend.go_on.set()
    computation.set_result(ANSWER)

    assert driver.poll(request_id).status == driver.poll(step).status == 200


def test_the_event_loop_answers_during_a_training_step(driver, backend):
    model = driver.model()
    backend.go_on.clear()
    driver.answer("optim_step", driver.step(model, 1))

    assert driver.get("healthz").status == 200
    assert driver.post("get_info", {"model_id": model}).json["model_name"] == PICO


def test_a_tenant_that_is_dropped_closes_its_backend(driver, backend):
    driver.app.state.tenants.drop("default")
    driver.app.state.tenants.drop("default")

    assert backend.closed == 1
