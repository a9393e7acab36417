"""A number of a session is one model's, whoever is first: create_model, load_weights or copy_weights."""

from typing import Any

import pytest

from tests.fake_server.driver import PICO, Driver

NUMBER = 4


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def path(driver) -> str:
    body = {"model_id": driver.model(lora_config={"rank": 2}), "seq_id": 1, "path": "s"}
    return driver.result("save_weights", body)["path"]


def body_of(name: str, session: str, path: str) -> dict[str, Any]:
    body = {"session_id": session, "model_seq_id": NUMBER}
    others = {
        "create_model": {"base_model": PICO, "lora_config": {"rank": 4}},
        "load_weights": {"path": path, "optimizer": False},
        "copy_weights": {"source_path": path},
    }
    return {**body, **others[name]}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("create_model", "copy_weights"),
        ("load_weights", "copy_weights"),
        ("copy_weights", "create_model"),
        ("copy_weights", "load_weights"),
        ("create_model", "load_weights"),
        ("load_weights", "create_model"),
    ],
)
def test_the_second_to_take_a_number_is_refused_and_changes_nothing(driver, path, first, second):
    session = driver.session()
    driver.answer(first, body_of(first, session, path))
    run = f"{session}:train:{NUMBER}"
    before = driver.get(f"training_runs/{run}").json, len(driver.service.store.checkpoints)

    reply = driver.post(second, body_of(second, session, path))

    assert reply.status == 400
    assert run in reply.json["detail"]
    assert (driver.get(f"training_runs/{run}").json, len(driver.service.store.checkpoints)) == before


def test_a_number_is_taken_while_its_model_is_being_made(driver, path):
    session, jobs = driver.session(), []
    driver.service.executor.submit = jobs.append  # type: ignore[method-assign]
    created = driver.answer("create_model", body_of("create_model", session, path))

    reply = driver.post("copy_weights", body_of("copy_weights", session, path))
    jobs[0]()

    assert (reply.status, "already exists" in reply.json["detail"]) == (400, True)
    assert driver.poll(created["request_id"]).json["model_id"] == f"{session}:train:{NUMBER}"


def test_a_model_that_could_not_be_made_gives_its_number_back(driver, path):
    session = driver.session()
    body = {**body_of("create_model", session, path), "optimizer_config": {"type": "dimuon"}}
    assert driver.result("create_model", body)["category"] == "user"

    copied = driver.answer("copy_weights", body_of("copy_weights", session, path))

    assert copied["tinker_path"] == f"tinker://{session}:train:{NUMBER}/weights/s"


def test_a_copy_has_a_number_from_zero(driver, path):
    body = {**body_of("copy_weights", driver.session(), path), "model_seq_id": -1}

    reply = driver.post("copy_weights", body)

    assert reply.status == 422
    assert "model_seq_id: expected 0 or more, got -1" in reply.json["detail"]
