"""Requests that no client should send, and answers that no backend should give: nothing hangs."""

from typing import Any

import pytest

from tests.fake_server.driver import PICO, Driver


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def model(driver) -> str:
    return driver.model()


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"sampling_session_seq_id": -1}, 422, "sampling_session_seq_id: expected 0 or more, got -1"),
        ({"sampling_session_seq_id": 0, "path": "s"}, 400, "expected a name or a number, got both"),
        ({"sampling_session_seq_id": 0, "ttl_seconds": 7200}, 400, "ttl_seconds: expected it with a name"),
        ({"sampling_session_seq_id": 0, "user_metadata": {"a": "b"}}, 400, "user_metadata: expected it with"),
        ({"kind": "inflight"}, 400, "kind: expected 'snapshot' for a checkpoint, got 'inflight'"),
    ],
)
def test_a_save_for_a_sampler_is_one_thing_or_the_other(driver, model, fields, status, words):
    reply = driver.post("save_weights_for_sampler", {"model_id": model, "seq_id": 1, **fields})

    assert reply.status == status
    assert words in reply.json["detail"]


@pytest.mark.parametrize(
    "fields",
    [
        {"session_id": "s", "destination_project_id": "p"},
        {"model_seq_id": 1, "destination_project_id": "p"},
        {"session_id": "s", "model_seq_id": 1, "destination_project_id": "p"},
        {"destination_project_id": ""},
        {},
    ],
)
def test_a_copy_has_one_destination(driver, model, fields):
    path = driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "s"})["path"]

    reply = driver.post("copy_weights", {"source_path": path, **fields})

    assert reply.status == 400
    assert "expected destination_project_id, or session_id and model_seq_id" in reply.json["detail"]
    assert len(driver.service.store.sessions) == 1


def test_a_copy_under_the_key_of_another_is_refused(driver, model):
    path = driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "s"})["path"]
    body = {"source_path": path, "destination_project_id": "p"}
    driver.answer("copy_weights", body, x_idempotency_key="k")

    reply = driver.post("copy_weights", {**body, "destination_project_id": "q"}, x_idempotency_key="k")

    assert reply.status == 400
    assert "header X-Idempotency-Key: expected a new key, or a replay" in reply.json["detail"]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("9999-12-31T22:00:00Z", "9999-12-31T23:00:00Z"),
        ("0001-01-01T00:00:00%2B14:00", "0001-01-01T01:00:00%2B14:00"),
        ("9999-12-31T22:00:00-14:00", "9999-12-31T23:00:00-14:00"),
    ],
)
def test_times_at_the_ends_of_time_are_judged(driver, start, end):
    reply = driver.get(f"billing/usage/events?starting_on={start}&ending_before={end}")

    assert reply.status in (200, 400)


def test_a_search_goes_on_behind_a_session_that_changed_in_between(driver):
    ids = [driver.session() for _ in range(3)]
    query: dict[str, Any] = {"statuses": [{"type": "active"}], "limit": 1}
    first = driver.answer("sessions/search", query)
    driver.post(f"sessions/{ids[2]}/finish", {"reason": {"type": "success"}})

    second = driver.answer("sessions/search", {**query, "cursor": first["next_cursor"]})

    assert [session["session_id"] for session in first["sessions"] + second["sessions"]] == [ids[2], ids[1]]


def test_an_answer_that_cannot_be_written_is_a_failure_of_the_server(driver, model, caplog):
    driver.service.backend.optim_step = lambda *a, **k: object()  # type: ignore[method-assign]
    request_id = driver.answer("optim_step", driver.step(model, 1))["request_id"]

    first, again = driver.poll(request_id), driver.poll(request_id)

    assert first.status == again.status == 200
    assert first.body == again.body
    assert first.json["category"] == "server"
    assert f"internal error, request {request_id}" in first.json["error"]
    assert "could not be written" in caplog.text


def test_a_sample_that_cannot_be_written_is_told_as_failed(driver):
    sampler = driver.sampler(driver.session())
    driver.service.backend.sample = lambda *a, **k: Unwritable()  # type: ignore[method-assign]
    request_id = driver.answer("asample", driver.sample(sampler, 0))["request_id"]
    target = {"type": "sampling_session", "sampling_session_id": sampler, "cloned_sampler_id": 0}

    told = driver.answer("retrieve_futures", {"target": target, "prev_cursor": 0, "timeout": 0.0})

    assert told["completions"] == [{"state": "failed", "request_id": request_id}]


class Unwritable:
    """Not a response; it has only what the server looks at before it writes."""

    sequences = ()


@pytest.mark.parametrize("field", ["prev_cursor", "cloned_sampler_id"])
def test_a_batched_poll_counts_from_zero(driver, field):
    sampler = driver.sampler(driver.session())
    target = {"type": "sampling_session", "sampling_session_id": sampler, "cloned_sampler_id": 0}
    body = {"target": target, "prev_cursor": 0, "timeout": 0.0}
    (target if field in target else body)[field] = -1

    reply = driver.post("retrieve_futures", body)

    assert reply.status == 422
    assert f"{field}: expected 0 or more, got -1" in reply.json["detail"]


def test_a_sample_whose_result_was_dropped_is_cancelled_in_peace(driver):
    sampler = driver.sampler(driver.session())
    request_id = driver.answer("asample", driver.sample(sampler, 0))["request_id"]
    driver.clock.advance(3600)

    assert driver.post("cancel_future", {"request_id": request_id}).status == 204
    assert driver.post("cancel_future", {"request_id": "nope"}).status == 404


@pytest.mark.parametrize("number", [2**63, 10**30])
def test_a_number_has_63_bits(driver, model, number):
    reply = driver.post("optim_step", driver.step(model, number))

    assert reply.status == 422
    assert f"seq_id: expected 1 to 2**63 - 1, got {number}" in reply.json["detail"]


def test_the_oldest_clients_get_numbers_that_nobody_has(driver):
    taken = driver.model("legacy", 0)

    made = driver.result("create_model", {"base_model": PICO})["model_id"]

    assert (taken, made) == ("legacy:train:0", "legacy:train:1")
