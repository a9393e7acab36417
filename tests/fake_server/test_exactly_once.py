"""The exactly-once lab: whatever answer is lost or request doubled, models end as if all came once.

The client repeats a request whose answer it did not get, as the SDK does: the same body and numbers, and the
same idempotency key. The oracle is the same program with nothing lost.
"""

from typing import Any
from uuid import uuid4

import pytest

from fake_server.fake import Fake
from fake_server.faults import KINDS
from fake_server.occasions import When
from tests.fake_server.driver import Driver, Reply
from tests.fake_server.raw_client import RawClient
from tests.fake_server.test_account import uploaded

MUTATING = (
    "create_model",
    "forward_backward",
    "forward",
    "optim_step",
    "save_weights",
    "save_weights_for_sampler",
    "save_weights_external",
    "load_weights",
    "unload_model",
    "asample",
    "create_custom_loss",
    "create_sampling_session",
    "copy_weights",
    "set_checkpoint_ttl",
    "publish_checkpoint",
    "unpublish_checkpoint",
    "delete_checkpoint",
    "assign_session_project",
    "finish_session",
    "session_heartbeat",
    "retrieve_future",
    "*",
)
"""Operations that change something; `*` stands for all at once."""
COUNTED = ("create_session", "join_sampling_session")
"""Operations that have no number and no name: the API cannot tell a repeated one from a second."""
TRIES = 3


class RetryingDriver(Driver):
    """A driver over sockets that repeats what was not answered."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.headers = {}
        self._client = RawClient(fake)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        key = headers.pop("x_idempotency_key", str(uuid4()))
        for tried in range(TRIES):
            named = {"x-stainless-retry-count": str(tried), "x-idempotency-key": key, **headers}
            reply = self._client.read(self._client.send(path, body, method, **named))
            if reply.raw:
                return Reply(reply.status, reply.headers, reply.body)
        raise AssertionError(f"{path}: expected an answer in {TRIES} tries, got none")


def program(driver: RetryingDriver) -> dict[str, Any]:
    """A life in which every operation has its place; what it has learned of its models and samples."""
    session = driver.session()
    model = driver.model(session, lora_config={"rank": 8, "seed": 1})
    for number in (1, 2):
        driver.result("forward_backward", driver.train(model, number))
    driver.result("optim_step", driver.step(model, 3, learning_rate=0.1))
    save = {"model_id": model, "path": "kept"}
    kept = driver.result("save_weights", {**save, "seq_id": 4})["path"]
    driver.result("save_weights_for_sampler", {**save, "seq_id": 5})
    driver.result("save_weights_external", {**save, "seq_id": 6})
    driver.result("load_weights", {"model_id": model, "seq_id": 7, "path": kept, "optimizer": True})
    driver.result("forward_backward", driver.train(model, 8))
    driver.result("optim_step", driver.step(model, 9, learning_rate=0.1))
    asked = {"session_id": session, "model_seq_id": 1, "path": kept, "optimizer": True}
    second = driver.result("load_weights", asked)["model_id"]
    driver.result("optim_step", driver.step(second, 1, learning_rate=0.1))
    learned = {name: scores(driver, name, number) for name, number in ((model, 10), (second, 2))}
    driver.result("create_custom_loss", uploaded(session, 0))
    sampler = driver.sampler(session)
    sampled = driver.result(
        "asample", driver.sample(sampler, 0, sampling_params={"max_tokens": 4, "seed": 3})
    )
    manage(driver, session, model, kept)
    driver.result("unload_model", {"model_id": second})
    driver.post("session_heartbeat", {"session_id": session})
    driver.post(f"sessions/{session}/finish", {"reason": {"type": "success"}, "detail": None})
    return {"learned": list(learned.values()), "sampled": sampled["sequences"], **left_behind(driver.fake)}


def scores(driver: RetryingDriver, model: str, number: int) -> Any:
    """The logprobs of a forward pass: every bit of the weights counts in them."""
    body = {**driver.train(model, number)}
    body["forward_input"] = body.pop("forward_backward_input")
    result = driver.result("forward", body)
    return result["loss_fn_outputs"], result["metrics"]


def manage(driver: RetryingDriver, session: str, model: str, kept: str) -> None:
    """What is done with checkpoints; a repeated one may be refused, since it is done."""
    driver.post("copy_weights", {"source_path": kept, "destination_project_id": "p"})
    driver.call("PUT", f"sessions/{session}/project", {"project_id": "p"})
    checkpoint = f"training_runs/{model}/checkpoints"
    driver.call("PUT", f"{checkpoint}/weights/kept/ttl", {"ttl_seconds": 7200})
    driver.call("POST", f"{checkpoint}/weights/kept/publish")
    driver.call("POST", f"{checkpoint}/external_weights/kept/publish")
    driver.call("DELETE", f"{checkpoint}/external_weights/kept/publish")
    driver.call("DELETE", f"{checkpoint}/sampler_weights/kept")


def left_behind(fake: Fake) -> dict[str, Any]:
    """What the world has in the end, without ids and times."""
    store = fake.service.store
    return {
        "models": [(one.base_model, one.lora.rank, one.loaded) for one in store.models],
        "samplers": len(list(store.samplers)),
        "checkpoints": sorted(
            (
                one.checkpoint_type,
                one.name if one.name == "kept" else "copy",
                one.public,
                bool(one.expires_at),
            )
            for one in store.checkpoints
        ),
        "sessions": [(one.project_id, one.ended is not None) for one in store.sessions],
        "failed": sum(future.failed for future in fake.service.futures),
    }


@pytest.fixture(scope="module")
def oracle(tinker_fake_server):
    """The program with nothing lost."""
    return program(RetryingDriver(tinker_fake_server.fresh()))


def first_tries(kind: str, operation: str) -> Any:
    """A fault that strikes each request once, whoever repeats it gets through."""
    when = When(operation=operation, predicate=lambda exchange: exchange.retry_count == 0)
    return KINDS[kind](when=when)


def test_the_oracle_has_seen_everything(tinker_fake, oracle):
    program(RetryingDriver(tinker_fake))

    called = {entry.operation for entry in tinker_fake.journal}
    assert {*MUTATING, "create_session"} - {"*"} <= called
    assert oracle["failed"] == 0
    assert oracle["learned"][0] != oracle["learned"][1]


@pytest.mark.tinker_unread
@pytest.mark.parametrize("kind", ["lose_answer", "duplicate", "reset"])
@pytest.mark.parametrize("operation", MUTATING)
def test_an_operation_is_applied_once(tinker_fake, oracle, operation, kind):
    fault = tinker_fake.faults.set(first_tries(kind, operation))

    ends = program(RetryingDriver(tinker_fake))

    if operation == "*":  # the session whose answer was lost, as told below
        ends["sessions"].remove(("default", False))
    assert fault.fired
    assert ends == oracle


@pytest.mark.tinker_unread
@pytest.mark.tinker_backend("torch")
@pytest.mark.parametrize("kind", ["lose_answer", "duplicate"])
@pytest.mark.parametrize("operation", ["forward_backward", "optim_step", "load_weights", "*"])
def test_an_engine_applies_it_once_too(tinker_fake, tinker_servers, operation, kind):
    expected = program(RetryingDriver(tinker_servers.of("torch").fresh()))
    tinker_fake.faults.set(first_tries(kind, operation))

    ends = program(RetryingDriver(tinker_fake))

    assert ends["learned"] == expected["learned"]
    assert ends["checkpoints"] == expected["checkpoints"]


@pytest.mark.parametrize("kind", ["lose_answer", "duplicate"])
def test_a_session_without_a_number_is_opened_again(tinker_fake, kind):
    tinker_fake.faults.set(first_tries(kind, "create_session"))

    RetryingDriver(tinker_fake).session()

    assert len(tinker_fake.service.store.sessions) == 2


@pytest.mark.parametrize("kind", ["lose_answer", "duplicate"])
def test_a_client_of_a_sampler_is_counted_again(tinker_fake, kind):
    driver = RetryingDriver(tinker_fake)
    sampler = driver.sampler(driver.session())
    tinker_fake.faults.set(first_tries(kind, "join_sampling_session"))

    counter = driver.answer("join_sampling_session", {"sampling_session_id": sampler})["client_counter"]

    assert counter in (1, 2)


def test_a_step_that_is_doubled_under_another_number_is_two_steps(tinker_fake, oracle):
    """The lab can tell: a server or client that applies a step twice ends elsewhere."""
    driver = RetryingDriver(tinker_fake)
    model = driver.model(driver.session(), lora_config={"rank": 8, "seed": 1})
    for number in (1, 2, 3):
        driver.result("forward_backward", driver.train(model, number))
    driver.result("optim_step", driver.step(model, 4, learning_rate=0.1))
    driver.result("optim_step", driver.step(model, 5, learning_rate=0.1))

    assert scores(driver, model, 6) != oracle["learned"][0]
