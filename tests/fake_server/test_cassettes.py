"""Record and replay, in process: what matches, what is a miss, and what the file looks like."""

import pytest

from contract.codec import PROTOBUF, decode
from contract.training import ForwardBackwardOutput
from fake_server.cassettes.cassette import Cassette
from fake_server.cassettes.replay import UnusedEntry
from fake_server.settings import Settings
from tests.fake_server.driver import PICO, Driver, datum


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.jsonl"


def life(driver: Driver, learning_rate: float = 1e-3) -> list:
    """A short training life; everything that was answered, ids aside."""
    session = driver.session(tags=["one"])
    model = driver.model(session)
    loss = driver.result("forward_backward", driver.train(model, 1))
    step = driver.result("optim_step", driver.step(model, 2, learning_rate))
    saved = driver.result("save_weights", {"model_id": model, "seq_id": 3, "path": "a"})
    sampler = driver.sampler(session)
    sampled = driver.result("asample", driver.sample(sampler, 0))
    return [loss, step, saved["path"].rpartition(":")[2], sampled]


@pytest.fixture
def recorded(path):
    """The answers of a life, recorded."""
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    answers = life(driver)
    driver.controls.cassettes.close()
    return answers


@pytest.fixture
def player(recorded, path):
    """A driver of another seed, so of other ids, that replays the life."""
    driver = Driver(Settings(seed=9), control=True)
    driver.controls.cassettes.replay(path)
    return driver


def strict(path) -> Driver:
    driver = Driver(Settings(seed=9), control=True)
    driver.controls.cassettes.replay(path, strict=True)
    return driver


def playing(driver: Driver):
    return driver.controls.cassettes.playing


def test_a_recording_replays_under_other_ids(recorded, path):
    driver = strict(path)

    assert life(driver) == recorded
    assert not driver.service.store.models
    playing(driver).assert_clean()


def test_the_same_run_writes_the_same_bytes(recorded, path, tmp_path):
    driver = Driver(Settings(seed=3), control=True)
    driver.controls.cassettes.record(tmp_path / "again.jsonl")
    driver.service.ids.next("session")
    life(driver)
    driver.controls.cassettes.close()

    again, first = (Cassette.load(file) for file in (tmp_path / "again.jsonl", path))
    assert [entry.request for entry in again.entries] == [entry.request for entry in first.entries]
    assert again.ids == first.ids == {"model:1": "<session:1>:train:0", "sampler:1": "<session:1>:sample:0"}


def test_a_changed_field_is_a_miss_that_names_it(player):
    session = player.session(tags=["one"])
    model = player.model(session)

    reply = player.post("optim_step", player.step(model, 2, 0.5))

    assert reply.status == 422
    assert reply.json["detail"].startswith(
        "cassette run.jsonl: optim_step: adam_params.learning_rate: expected 0.001, got 0.5; "
        "the nearest is entry 4 (optim_step of model:1, seq_id 2)"
    )
    with pytest.raises(UnusedEntry, match=r"missed: cassette run.jsonl: optim_step"):
        playing(player).assert_clean()


def test_an_operation_that_was_not_recorded_is_a_miss(player):
    reply = player.post("create_custom_loss", {"session_id": "s"})

    assert "expected an operation of the cassette, which has asample, create_model" in reply.json["detail"]


def test_a_miss_tells_three_places_and_how_many_more(player):
    reply = player.post("create_session", {"tags": list("ab"), "user_metadata": {"a": 1}, "sdk_version": "9"})
    body = {"learning_rate": 1, "beta1": 0.5, "beta2": 0.5, "eps": 1}
    other = player.post("optim_step", {"model_id": "m", "seq_id": 9, "adam_params": body})

    assert "tags: expected 1 items, got 2 items; user_metadata: expected nothing, got {'a': 1}" in str(
        reply.json
    )
    assert "and 3 more places" in str(other.json)


def test_what_is_long_is_counted_and_not_quoted(player):
    reply = player.post("create_session", {"tags": ["x" * 99], "user_metadata": {}, "sdk_version": "9"})

    assert "tags[0]: expected 'one', got 101 characters" in reply.json["detail"]


def test_what_nobody_asked_for_is_told_at_the_end(recorded, path):
    driver = strict(path)
    driver.session(tags=["one"])

    assert playing(driver).unused[0] == "entry 2 (create_model of model:1)"
    with pytest.raises(UnusedEntry, match="not used: entry 4"):
        playing(driver).assert_clean()


def test_a_lenient_replay_may_leave_entries_unused(player):
    player.session(tags=["one"])

    playing(player).assert_clean()
    assert "not used: entry 3 (forward_backward of model:1, seq_id 1)" in playing(player).report()


def test_a_replayed_number_gets_its_first_promise(player):
    model = player.model(player.session(tags=["one"]))

    first = player.answer("optim_step", player.step(model, 2))
    again = player.answer("optim_step", player.step(model, 2))

    assert first == again


def test_numbers_may_come_in_any_order(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    model = driver.model()
    bodies = [{**driver.train(model, n), "forward_backward_input": chunk(n)} for n in (2, 3, 1)]
    promises = [driver.answer("forward_backward", body)["request_id"] for body in bodies]
    losses = [driver.poll(promise).json["metrics"] for promise in promises]
    driver.controls.cassettes.close()

    replay = strict(path)
    model = replay.model()
    assert [
        replay.result("forward_backward", {**replay.train(model, n), "forward_backward_input": chunk(n)})[
            "metrics"
        ]
        for n in (1, 2, 3)
    ] == [losses[2], losses[0], losses[1]]
    assert [entry.seq_id for entry in Cassette.load(path).entries] == [None, None, 1, 2, 3]


def chunk(number: int) -> dict:
    return {"data": [datum((number, 2, 3))], "loss_fn": "cross_entropy"}


def test_reads_repeat_their_last_answer_unless_it_is_strict(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    for number in range(2):
        driver.get("/api/v1/sessions")
        driver.session(tags=[str(number)])
    driver.controls.cassettes.close()

    lenient, exact = Driver(control=True), strict(path)
    lenient.controls.cassettes.replay(path)
    seen = [lenient.get("/api/v1/sessions").json["sessions"] for _ in range(3)]
    assert [len(sessions) for sessions in seen] == [0, 1, 1]
    for _ in range(2):
        exact.get("/api/v1/sessions")
    assert "expected at most what was recorded, got one more" in exact.get("/api/v1/sessions").json["detail"]


def test_samples_match_whatever_their_number(recorded, path):
    for number in (7, 5_000_000_000):  # the second is a random client's
        driver = strict(path)
        sampler = driver.sampler(driver.session(tags=["one"]))
        assert driver.result("asample", driver.sample(sampler, number)) == recorded[-1]


def test_of_two_equal_samples_each_gets_that_of_its_number(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    sampler = driver.sampler(driver.session())
    drawn = [driver.result("asample", driver.sample(sampler, number)) for number in range(3)]
    driver.controls.cassettes.close()

    replay = strict(path)
    sampler = replay.sampler(replay.session())
    assert [replay.result("asample", replay.sample(sampler, n)) for n in (2, 0, 1)] == [
        drawn[2],
        drawn[0],
        drawn[1],
    ]
    assert replay.post("asample", replay.sample(sampler, 3)).status == 422


def test_json_and_protobuf_are_one_request(player):
    from contract.codec import encode
    from contract.training import ForwardBackwardRequest

    model = player.model(player.session(tags=["one"]))
    body = encode(ForwardBackwardRequest.model_validate(player.train(model, 1)), PROTOBUF)

    promise = player.call("POST", "forward_backward", body, content_type=PROTOBUF).json["request_id"]
    reply = player.poll(promise, accept=PROTOBUF)

    assert reply.headers["content-type"] == PROTOBUF
    assert decode(ForwardBackwardOutput, reply.body, PROTOBUF).metrics["tokens:sum"] == 3


def test_a_forward_of_an_older_client_is_a_pass_without_gradients(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    model = driver.model()
    driver.result("forward_backward", {**driver.train(model, 1), "forward_only": True})
    driver.controls.cassettes.close()

    replay = strict(path)
    body = replay.train(replay.model(), 1)
    body["forward_input"] = body.pop("forward_backward_input")
    assert replay.result("forward", body)["metrics"]


def test_batched_polls_are_answered(player):
    sampler = player.sampler(player.session(tags=["one"]))
    promise = player.answer("asample", player.sample(sampler, 0))["request_id"]

    target = {"type": "sampling_session", "sampling_session_id": sampler, "cloned_sampler_id": 0}
    reply = player.answer("retrieve_futures", {"target": target, "prev_cursor": 0})

    assert [(done["state"], done["request_id"]) for done in reply["completions"]] == [("finished", promise)]


def test_what_a_clock_or_a_credential_brings_is_no_part_of_it(player, path):
    session = player.session(tags=["one"])
    assert player.post("session_heartbeat", {"session_id": session}).status == 200
    assert player.post("telemetry", {}).json == {"status": "accepted"}
    assert player.get("healthz").status == 200
    end = {"reason": {"type": "success"}, "detail": None}
    assert player.post(f"sessions/{session}/finish", end).status == 204
    assert player.post("client/config", {"sdk_version": "0.38.0"}).status == 200
    assert player.post("cancel_future", {"request_id": "nobody"}).status == 404
    assert not {"session_heartbeat", "telemetry"} & {e.operation for e in Cassette.load(path).entries}


def test_configuration_is_recorded_once_and_answered_often(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    for _ in range(3):
        driver.post("client/config", {"sdk_version": "0.38.0"})
    driver.post("session_heartbeat", {"session_id": "none"})
    driver.controls.cassettes.close()

    assert len(Cassette.load(path).entries) == 1
    replay = strict(path)
    for version in ("0.38.0", "0.40.0"):
        assert replay.post("client/config", {"sdk_version": version}).json["parallel_fwdbwd_chunks"]
    replay.controls.cassettes.close()
    assert replay.controls.cassettes.playing is None


def test_an_error_is_replayed_and_the_success_after_it(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    model = driver.model()
    driver.post("get_info", {"model_id": "nobody"})
    driver.result("load_weights", {"model_id": model, "seq_id": 1, "path": "tinker://x", "optimizer": True})
    driver.post("optim_step", {"model_id": model, "seq_id": "x"})
    driver.controls.cassettes.close()

    replay = strict(path)
    model = replay.model()
    assert replay.post("get_info", {"model_id": "nobody"}).status == 404
    failed = {"model_id": model, "seq_id": 1, "path": "tinker://x", "optimizer": True}
    assert "error" in replay.result("load_weights", failed)
    assert replay.post("optim_step", {"model_id": model, "seq_id": "x"}).status == 422
    playing(replay).assert_clean()


def test_an_outcome_that_nobody_fetched_is_a_miss_once_it_is_asked_for(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    model = driver.model()
    driver.answer("optim_step", driver.step(model, 1))
    driver.controls.cassettes.close()

    replay = strict(path)
    promise = replay.answer("optim_step", replay.step(replay.model(), 1))["request_id"]
    assert (
        replay.poll(promise)
        .json["detail"]
        .startswith("cassette run.jsonl: retrieve_future: nobody fetched the outcome of entry 3")
    )


def test_a_tenant_has_one_cassette_at_a_time(player, path):
    with pytest.raises(RuntimeError, match=r"cassette: expected none in this tenant, got '.*run.jsonl'"):
        player.controls.cassettes.record(path)


def test_a_mode_says_whether_a_file_is_replayed_or_recorded(recorded, path, tmp_path):
    for mode, file, plays in [
        ("once", path, True),
        ("once", tmp_path / "new.jsonl", False),
        ("replay", path, True),
        ("record", tmp_path / "other.jsonl", False),
    ]:
        deck = Driver(control=True).controls.cassettes
        deck.use(file, mode)
        assert (deck.playing is not None) is plays
        deck.close()
    with pytest.raises(ValueError, match="mode: expected one of once, replay, record, got 'twice'"):
        deck.use(path, "twice")


def test_what_a_replay_answers_can_be_held_as_any_other_result(player):
    player.controls.delivery("create_model").held()
    session = player.session(tags=["one"])
    body = {"session_id": session, "model_seq_id": 0, "base_model": PICO, "lora_config": {"rank": 8}}
    promise = player.answer("create_model", body)["request_id"]

    reply = player.poll_while(promise, player.controls.delivery.release)

    assert reply.json["model_id"]


def test_what_cannot_be_decoded_is_kept_as_it_came(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    driver.post("sample", b"not json")
    driver.post("retrieve_future", {"request_id": "nobody"})
    driver.post("cancel_future", {"request_id": "nobody"})
    driver.controls.cassettes.close()

    (entry,) = Cassette.load(path).entries
    assert (entry.operation, entry.request, entry.status) == ("sample", None, 400)
    assert strict(path).post("sample", b"not json").json == entry.answer


def test_models_that_were_loaded_and_losses_that_were_uploaded_have_names(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path)
    session = driver.session()
    model = driver.model(session)
    saved = driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "a"})["path"]
    driver.result("save_weights_for_sampler", {"model_id": model, "seq_id": 2, "path": "b"})
    loading = {"session_id": session, "model_seq_id": 1, "path": saved, "optimizer": False}
    loaded = driver.result("load_weights", loading)
    assert driver.answer("get_info", {"model_id": f"{session}:train:1"})["model_data"]["tokenizer_id"]
    driver.controls.cassettes.close()

    replay = strict(path)
    session = replay.session()
    model = replay.model(session)
    saved = replay.result("save_weights", {"model_id": model, "seq_id": 1, "path": "a"})["path"]
    again = replay.result("load_weights", {**loading, "session_id": session, "path": saved})
    assert again.keys() == loaded.keys()
    info = replay.answer("get_info", {"model_id": f"{session}:train:1"})
    assert info["model_data"]["tokenizer_id"].endswith("pico")
    assert Cassette.load(path).ids["model:2"] == "<session:1>:train:1"


def test_times_are_kept_where_they_are_asked_for(path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(path, times=True)
    model = driver.model()
    driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "a", "ttl_seconds": 3600})
    driver.get("/api/v1/checkpoints")
    driver.controls.cassettes.close()

    assert Cassette.load(path).entries[-1].answer["checkpoints"][0]["time"].startswith("2025-06-15T")
