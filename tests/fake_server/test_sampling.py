"""Samplers: opened once per number, joined, sampled from, polled in batches, cancelled."""

import asyncio

import pytest

from fake_server.futures import CLONE_BLOCK
from tests.fake_server.driver import PICO, Driver


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def sampler(driver) -> str:
    return driver.sampler(driver.session())


def poll_all(
    driver: Driver, sampler: str, cursor: int = 0, client: int = 0, **fields: object
) -> dict[str, object]:
    target = {"type": "sampling_session", "sampling_session_id": sampler, "cloned_sampler_id": client}
    return driver.answer(
        "retrieve_futures", {"target": target, "prev_cursor": cursor, "timeout": 0.0, **fields}
    )


def test_a_sampler_is_opened_once_per_number(driver):
    session = driver.session()

    assert driver.sampler(session) == driver.sampler(session) == f"{session}:sample:0"
    body = {"session_id": session, "sampling_session_seq_id": 0, "base_model": "Qwen/Qwen3-8B"}
    assert "samples from another model" in driver.post("create_sampling_session", body).json["detail"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, 400, "base_model is required"),
        ({"base_model": "nope"}, 400, "base_model: expected one of"),
        ({"model_path": "tinker://a/weights/b"}, 404, "no checkpoint"),
        ({"sampling_session_seq_id": -1, "base_model": PICO}, 422, "expected 0 or more, got -1"),
    ],
)
def test_a_sampler_needs_a_model(driver, fields, status, words):
    body = {"session_id": driver.session(), "sampling_session_seq_id": 0, **fields}

    reply = driver.post("create_sampling_session", body)

    assert reply.status == status
    assert words in reply.json["detail"]


def test_a_sampler_on_weights_knows_its_base_model(driver):
    session = driver.session()
    model = driver.model(session)
    saved = driver.result("save_weights_for_sampler", {"model_id": model, "seq_id": 1, "path": "s"})
    sampler = driver.sampler(session, model_path=saved["path"])

    assert driver.get(f"samplers/{sampler}").json == {
        "sampler_id": sampler,
        "base_model": PICO,
        "model_path": saved["path"],
    }
    body = {
        "session_id": session,
        "sampling_session_seq_id": 9,
        "model_path": saved["path"],
        "base_model": "other",
    }
    assert (
        "base_model: expected 'tinkerproof/pico'"
        in driver.post("create_sampling_session", body).json["detail"]
    )


def test_external_weights_are_not_sampled_from(driver):
    session = driver.session()
    saved = driver.result(
        "save_weights_external", {"model_id": driver.model(session), "seq_id": 1, "path": "s"}
    )
    body = {"session_id": session, "sampling_session_seq_id": 0, "model_path": saved["path"]}

    assert (
        "expected weights or sampler_weights" in driver.post("create_sampling_session", body).json["detail"]
    )


def test_clients_of_a_sampler_are_numbered_from_one(driver, sampler):
    numbers = [driver.answer("join_sampling_session", {"sampling_session_id": sampler}) for _ in range(2)]

    assert [number["client_counter"] for number in numbers] == [1, 2]


def test_a_sample_has_an_id_for_each_sequence_and_repeats(driver, sampler):
    body = driver.sample(sampler, 0, num_samples=3)

    first, again = driver.answer("asample", body), driver.answer("asample", body)

    assert first == again
    assert len(set(first["sample_sequence_ids"])) == 3
    assert len(driver.poll(first["request_id"]).json["sequences"]) == 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"num_samples": 0}, "num_samples: expected 1 to 1024, got 0"),
        ({"seq_id": None}, "seq_id: expected 0 to 2\\*\\*63"),
        ({"seq_id": -1}, "seq_id: expected 0 to 2\\*\\*63"),
        ({"seq_id": 2**63}, "seq_id"),
    ],
)
def test_a_sample_that_cannot_be_is_refused(driver, sampler, fields, words):
    reply = driver.post("asample", driver.sample(sampler, 0) | fields)

    assert reply.status == 422
    assert words.replace("\\", "") in reply.json["detail"]


def test_a_sample_that_does_not_fit_into_the_context_is_refused_at_once(driver):
    sampler = driver.sampler(driver.session(), base_model=f"{PICO}:peft:64")
    fits = driver.sample(sampler, 0, sampling_params={"max_tokens": 62})
    before = len(list(driver.service.futures))

    reply = driver.post("asample", driver.sample(sampler, 0, sampling_params={"max_tokens": 63}))

    words = "Prompt length plus max_tokens exceeds the model's context window: 2 + 63 > 64"
    assert (reply.status, reply.json["detail"]) == (400, words)
    assert len(list(driver.service.futures)) == before
    assert driver.result("asample", fits)["sequences"]


def test_an_unnamed_save_opens_a_sampler_that_keeps_its_weights(driver):
    session = driver.session()
    model = driver.model(session)
    body = {"model_id": model, "seq_id": 1, "sampling_session_seq_id": 5}
    saved = driver.result("save_weights_for_sampler", body)
    before = driver.service.store.samplers.get(saved["sampling_session_id"]).weights

    driver.result("save_weights_for_sampler", {**body, "seq_id": 2, "sampling_session_seq_id": 6})

    assert saved == {"sampling_session_id": f"{session}:sample:5", "type": "save_weights_for_sampler"}
    assert driver.service.store.samplers.get(f"{session}:sample:5").weights is before


def test_inflight_samplers_follow_later_inflight_saves_of_their_model(driver):
    session = driver.session()
    model, other = driver.model(session, 0), driver.model(session, 1)

    def save(owner: str, seq_id: int, number: int, kind: str) -> str:
        body = {"model_id": owner, "seq_id": seq_id, "sampling_session_seq_id": number, "kind": kind}
        return driver.result("save_weights_for_sampler", body)["sampling_session_id"]

    follower = save(model, 1, 0, "inflight")
    snapshot, foreign = save(model, 2, 1, "snapshot"), save(other, 1, 2, "inflight")
    newest = save(model, 3, 3, "inflight")

    weights = {s: driver.service.store.samplers.get(s).weights for s in (follower, snapshot, foreign, newest)}
    assert weights[follower] is weights[newest]
    assert weights[snapshot] is not weights[newest] is not weights[foreign]


def test_an_inflight_save_has_no_name_and_a_number_is_used_once(driver):
    model = driver.model()
    named = {"model_id": model, "seq_id": 1, "path": "s", "kind": "inflight"}
    assert "leave the name out" in driver.post("save_weights_for_sampler", named).json["detail"]

    body = {"model_id": model, "seq_id": 2, "sampling_session_seq_id": 0}
    driver.result("save_weights_for_sampler", body)
    assert (
        "expected a new number" in driver.result("save_weights_for_sampler", {**body, "seq_id": 3})["error"]
    )


def test_completions_are_told_once_per_cursor(driver, sampler):
    done = [driver.answer("asample", driver.sample(sampler, number))["request_id"] for number in (0, 1)]
    failed = driver.answer("asample", driver.sample(sampler, 2, sampling_params={"max_tokens": 0}))[
        "request_id"
    ]

    first = poll_all(driver, sampler)
    second = poll_all(driver, sampler, first["cursor"])

    assert [(c["request_id"], c["state"]) for c in first["completions"]] == [
        *((request_id, "finished") for request_id in done),
        (failed, "failed"),
    ]
    assert first["completions"][0]["response_payload_uncompressed_size"] > 0
    assert second == {"completions": [], "cursor": first["cursor"]}


def test_each_client_of_a_sampler_has_completions_of_its_own(driver, sampler):
    driver.answer("asample", driver.sample(sampler, 3 * CLONE_BLOCK + 1))

    assert poll_all(driver, sampler, client=0)["completions"] == []
    assert len(poll_all(driver, sampler, client=3)["completions"]) == 1


def test_acknowledged_results_are_dropped_and_those_of_others_are_not(driver, sampler):
    mine = driver.answer("asample", driver.sample(sampler, 0))["request_id"]
    foreign = driver.answer("optim_step", driver.step(driver.model(), 1))["request_id"]

    poll_all(driver, sampler, retrieved_request_ids=[mine, foreign, "nope"])

    assert [driver.poll(mine).status, driver.poll(foreign).status] == [410, 200]


def test_a_batched_poll_waits_for_a_completion(driver, sampler):
    async def both() -> list[dict[str, object]]:
        target = {"sampling_session_id": sampler}
        poll = asyncio.create_task(driver.send("POST", "retrieve_futures", {"target": target}))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not poll.done()
        await driver.send("POST", "asample", driver.sample(sampler, 0))
        return (await poll).json["completions"]

    assert len(asyncio.run(both())) == 1


def test_a_batched_poll_ends_empty_when_its_time_is_over(driver, sampler):
    async def both() -> object:
        body = {"target": {"sampling_session_id": sampler}, "timeout": 5}
        poll = asyncio.create_task(driver.send("POST", "retrieve_futures", body))
        for _ in range(5):
            await asyncio.sleep(0)
        driver.clock.advance(5)
        return (await poll).json

    assert asyncio.run(both()) == {"completions": [], "cursor": 0}


def test_a_batched_poll_needs_a_sampler_and_a_time(driver, sampler):
    assert driver.post("retrieve_futures", {"target": {"sampling_session_id": "nope"}}).status == 404
    body = {"target": {"sampling_session_id": sampler}, "timeout": -1}
    assert driver.post("retrieve_futures", body).status == 422


def test_a_pending_sample_can_be_cancelled(driver, sampler):
    jobs = []
    driver.service.sampling_executor.submit = jobs.append  # type: ignore[method-assign]
    request_id = driver.answer("asample", driver.sample(sampler, 0))["request_id"]

    assert driver.post("cancel_future", {"request_id": request_id}).status == 204
    jobs[0]()

    assert driver.poll(request_id).json == {"error": "cancelled by the client", "category": "user"}


def test_a_finished_sample_stays_finished_when_cancelled(driver, sampler):
    request_id = driver.answer("asample", driver.sample(sampler, 0))["request_id"]

    assert driver.post("cancel_future", {"request_id": request_id}).status == 204
    assert "sequences" in driver.poll(request_id).json


def test_only_samples_can_be_cancelled(driver):
    request_id = driver.answer("optim_step", driver.step(driver.model(), 1))["request_id"]

    assert (
        "expected a sample, got optim_step"
        in driver.post("cancel_future", {"request_id": request_id}).json["detail"]
    )


def test_the_oldest_clients_sample_from_weights_by_path(driver):
    body = {"base_model": PICO, "lora_config": {"rank": 8, "seed": None}, "type": "create_model"}
    model = driver.result("create_model", body, x_idempotency_key="c:0:0")["model_id"]
    again = driver.result("create_model", body, x_idempotency_key="c:0:0")["model_id"]
    path = driver.result("save_weights_for_sampler", {"model_id": model, "path": "s"})["path"]

    sample = {
        "model_path": path,
        "prompt": {"chunks": [{"tokens": [1]}]},
        "sampling_params": {"max_tokens": 2},
    }

    assert model == again == "legacy:train:0"
    assert driver.result("asample", {**sample, "num_samples": 1, "prompt_logprobs": False})["sequences"]
    assert driver.result("asample", sample, x_idempotency_key="c:0:9")["sequences"]
