"""Replays: a request that was taken is answered with its first future's id, whatever happened since."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.fake_server.driver import PICO, Driver
from tests.fake_server.test_account import uploaded

Operation = tuple[str, dict[str, Any]]


@pytest.fixture
def driver() -> Driver:
    return Driver()


def operations(driver: Driver, session: str, model: str, path: str) -> list[Operation]:
    """One of every kind that is answered by a promise."""
    return [
        ("create_model", {"session_id": session, "model_seq_id": 5, "base_model": PICO}),
        ("load_weights", {"session_id": session, "model_seq_id": 6, "path": path, "optimizer": False}),
        ("create_custom_loss", uploaded(session, 0)),
        ("asample", driver.sample(driver.sampler(session), 0)),
        ("forward_backward", driver.train(model, 2)),
        ("optim_step", driver.step(model, 3)),
        ("save_weights", {"model_id": model, "seq_id": 4, "path": "a"}),
        ("save_weights_for_sampler", {"model_id": model, "seq_id": 5, "path": "a"}),
        ("save_weights_external", {"model_id": model, "seq_id": 6, "path": "a"}),
        ("load_weights", {"model_id": model, "seq_id": 7, "path": path, "optimizer": False}),
        ("unload_model", {"model_id": model}),
    ]


def finish(driver: Driver, session: str) -> int:
    return driver.post(f"sessions/{session}/finish", {"reason": {"type": "success"}}).status


@pytest.mark.parametrize(
    "end",
    [finish, lambda driver, session: driver.clock.advance(301), lambda driver, session: None],
    ids=["finished", "silent", "open"],
)
def test_a_replay_after_the_end_gets_the_first_future(driver, end: Callable[[Driver, str], object]):
    session = driver.session()
    model = driver.model(session)
    path = driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "s"})["path"]
    sent = operations(driver, session, model, path)
    first = [driver.answer(name, body) for name, body in sent]
    results = [driver.poll(answer["request_id"]).body for answer in first]

    end(driver, session)
    again = [driver.answer(name, body) for name, body in sent]

    assert again == first
    assert [driver.poll(answer["request_id"]).body for answer in again] == results


def test_what_is_new_is_refused_after_the_end_and_leaves_no_future(driver):
    session = driver.session()
    model = driver.model(session)
    sent = operations(driver, session, model, "tinker://a/weights/b")
    finish(driver, session)
    before = len(list(driver.service.futures))

    replies = [driver.post(name, body) for name, body in sent]

    assert {reply.status for reply in replies} == {400}
    assert all("has ended (success); open a new one" in reply.json["detail"] for reply in replies)
    assert len(list(driver.service.futures)) == before
    assert not driver.service.store.creating


def test_a_sampler_that_was_opened_is_named_again_after_the_end(driver):
    session = driver.session()
    model = driver.model(session)
    saved = driver.result("save_weights_for_sampler", {"model_id": model, "seq_id": 1, "path": "s"})
    first = driver.sampler(session, model_path=saved["path"], base_model=PICO)
    driver.call("DELETE", f"training_runs/{model}/checkpoints/sampler_weights/s")
    finish(driver, session)

    assert driver.sampler(session, model_path=saved["path"], base_model=PICO) == first
    body = {"session_id": session, "sampling_session_seq_id": 1, "base_model": PICO}
    assert driver.post("create_sampling_session", body).status == 400


def test_a_sampler_on_saved_weights_is_not_one_on_the_base_model(driver):
    session = driver.session()
    save = {"model_id": driver.model(session), "seq_id": 1, "sampling_session_seq_id": 0}
    driver.result("save_weights_for_sampler", save)
    body = {"session_id": session, "sampling_session_seq_id": 0, "base_model": PICO}

    reply = driver.post("create_sampling_session", body)

    assert reply.status == 400
    assert "samples from another model; use a new number" in reply.json["detail"]


def test_another_request_under_a_used_id_is_refused_by_its_id(driver):
    session = driver.session()
    driver.model(session)
    body = {"session_id": session, "model_seq_id": 0, "base_model": PICO, "lora_config": {"rank": 4}}

    reply = driver.post("create_model", body)

    assert reply.status == 400
    assert f"request {session}:train:0:create: expected a replay of create_model, got" in reply.json["detail"]


def test_the_oldest_clients_replay_a_sample_whose_weights_are_gone(driver):
    model = driver.result("create_model", {"base_model": PICO})["model_id"]
    saved = driver.result("save_weights_for_sampler", {"model_id": model, "path": "s"})
    body = {"model_path": saved["path"], "prompt": {"chunks": [{"tokens": [1]}]}, "sampling_params": {}}
    first = driver.answer("asample", body, x_idempotency_key="c:0:1")
    driver.call("DELETE", f"training_runs/{model}/checkpoints/sampler_weights/s")

    assert driver.answer("asample", body, x_idempotency_key="c:0:1") == first
    assert driver.post("asample", body, x_idempotency_key="c:0:2").status == 404
