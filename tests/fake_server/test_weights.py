"""Checkpoints: saved, loaded, listed, shared, kept for a time, copied."""

import pytest

from fake_server.times import utc
from tests.fake_server.driver import PICO, Driver

HOUR = 3600


@pytest.fixture
def driver() -> Driver:
    return Driver()


def save(
    driver: Driver, model: str, number: int, path: str | None = "s", **fields: object
) -> dict[str, object]:
    return driver.result("save_weights", {"model_id": model, "seq_id": number, "path": path, **fields})


def loss(driver: Driver, model: str, number: int) -> float:
    return driver.result("forward_backward", driver.train(model, number))["metrics"]["loss:sum"]


def test_saved_weights_load_into_a_new_model_with_the_same_numbers(driver):
    session = driver.session()
    model = driver.model(session)
    loss(driver, model, 1)
    driver.result("optim_step", driver.step(model, 2, 0.01))
    path = save(driver, model, 3)["path"]

    body = {
        "session_id": session,
        "model_seq_id": 1,
        "path": path,
        "optimizer": True,
        "user_metadata": {"a": "b"},
    }
    loaded = driver.result("load_weights", body)

    assert loaded == {"path": path, "model_id": f"{session}:train:1", "type": "load_weights"}
    assert loss(driver, f"{session}:train:1", 1) == loss(driver, model, 4)


def test_weights_load_into_an_existing_model_in_its_order(driver):
    session = driver.session()
    model, other = driver.model(session, 0), driver.model(session, 1)
    loss(driver, model, 1)
    driver.result("optim_step", driver.step(model, 2, 0.01))
    path = save(driver, model, 3)["path"]

    driver.result("load_weights", {"model_id": other, "seq_id": 1, "path": path, "optimizer": False})

    assert loss(driver, other, 2) == loss(driver, model, 4)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"session_id": "s", "model_id": "m"}, "got a mix"),
        ({"session_id": "s"}, "got a mix"),
        ({}, "got none"),
        ({"model_id": "MODEL", "seq_id": 1, "base_model": "x"}, "base_model: expected it with session_id"),
    ],
)
def test_a_load_names_one_model(driver, fields, words):
    model = driver.model()
    body = {"path": "tinker://a/weights/b", "optimizer": False, **fields}
    if fields.get("model_id") == "MODEL":
        body["model_id"] = model

    reply = driver.post("load_weights", body)

    assert reply.status == 400
    assert words in reply.json["detail"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "tinker://x/weights/y"}, "no checkpoint 'tinker://x/weights/y'; this server has"),
        ({"path": "tinker://{run}/sampler_weights/s"}, "save_state saves such"),
        ({"base_model": "Qwen/Qwen3-8B"}, "base_model: expected 'tinkerproof/pico', as tinker://"),
        ({"optimizer": True, "optimizer_config": {"type": "dimuon"}}, "optimizer_config: expected none"),
        ({"optimizer_config": {"type": "dimuon"}}, "dimuon"),
    ],
)
def test_a_load_that_cannot_be_fails_and_leaves_no_model(driver, change, words):
    session = driver.session()
    model = driver.model(session)
    path = save(driver, model, 1)["path"]
    driver.result("save_weights_for_sampler", {"model_id": model, "seq_id": 2, "path": "s"})
    body = {"session_id": session, "model_seq_id": 1, "path": path, "optimizer": False, **change}
    body["path"] = body["path"].replace("{run}", model)

    failed = driver.result("load_weights", body)

    assert words in failed["error"]
    assert driver.post("get_info", {"model_id": f"{session}:train:1"}).status == 404


def test_a_backend_that_cannot_load_forgets_the_new_model(driver):
    session = driver.session()
    path = save(driver, driver.model(session), 1)["path"]
    backend = driver.service.backend
    backend.load_weights = lambda *a, **k: 1 / 0  # type: ignore[method-assign]

    failed = driver.result(
        "load_weights", {"session_id": session, "model_seq_id": 1, "path": path, "optimizer": False}
    )

    assert failed["category"] == "server"
    assert driver.post("get_info", {"model_id": f"{session}:train:1"}).status == 404


def test_a_name_is_used_once_unless_overwritten(driver):
    model = driver.model()
    save(driver, model, 1, user_metadata={"v": "1"})

    failed = save(driver, model, 2)
    replaced = save(driver, model, 3, overwrite=True)

    assert "pass overwrite=True to save_state" in failed["error"]
    shown = driver.get(f"training_runs/{model}/checkpoints").json["checkpoints"]
    assert [checkpoint["tinker_path"] for checkpoint in shown] == [replaced["path"]]
    assert "user_metadata" not in shown[0]


def test_the_server_names_what_the_client_does_not(driver):
    model = driver.model()

    assert save(driver, model, 1, None)["path"].endswith("/weights/000001")
    assert save(driver, model, 2, None)["path"].endswith("/weights/000002")


def test_the_server_leaves_out_names_that_are_taken(driver):
    model = driver.model()
    for number, name in enumerate(("000001", "000002", "000004"), 1):
        save(driver, model, number, name)

    unnamed = [save(driver, model, number, None)["path"].rpartition("/")[2] for number in (4, 5)]
    driver.result("save_weights_for_sampler", {"model_id": model, "seq_id": 6, "path": "000006"})
    sampler = driver.result("save_weights_for_sampler", {"model_id": model, "seq_id": 7})

    assert unnamed == ["000003", "000005"]
    assert sampler["path"].endswith("/sampler_weights/000007")


def test_a_checkpoint_goes_away_when_its_time_is_over(driver):
    model = driver.model()
    path = save(driver, model, 1, ttl_seconds=HOUR)["path"]
    driver.clock.advance(HOUR - 1)
    assert driver.post("weights_info", {"tinker_path": path}).status == 200

    driver.clock.advance(1)

    assert driver.post("weights_info", {"tinker_path": path}).status == 404
    assert driver.get("checkpoints").json["checkpoints"] == []


def test_an_expired_checkpoint_says_that_it_expired_and_when(driver):
    model = driver.model()
    path = save(driver, model, 1, ttl_seconds=HOUR)["path"]
    ended = utc(driver.clock.now() + HOUR).isoformat()
    load = {"session_id": driver.session(), "model_seq_id": 0, "path": path, "optimizer": False}
    for _ in range(25):
        driver.clock.advance(HOUR / 20)
        driver.post("session_heartbeat", {"session_id": load["session_id"]})

    told = f"checkpoint {path!r} expired at {ended}; give the next one a longer ttl_seconds, or none"

    reply = driver.post("weights_info", {"tinker_path": path})
    assert (reply.status, reply.json["detail"]) == (404, told)
    assert driver.result("load_weights", load) == {"error": told, "category": "user"}


def test_a_deleted_checkpoint_says_that_it_was_deleted_and_when(driver):
    model = driver.model()
    path = save(driver, model, 1)["path"]
    url = f"training_runs/{model}/checkpoints/weights/s"
    driver.call("DELETE", url)
    ended = utc(driver.clock.now()).isoformat()
    driver.clock.advance(5)

    assert driver.call("DELETE", url).json["detail"] == f"checkpoint {path!r} was deleted at {ended}"
    save(driver, model, 2)
    assert driver.call("DELETE", url).status == 204


def test_a_life_can_be_made_longer_or_endless(driver):
    model = driver.model()
    path = save(driver, model, 1, ttl_seconds=HOUR)["path"]
    url = f"training_runs/{model}/checkpoints/weights/s/ttl"

    assert driver.call("PUT", url, {"ttl_seconds": 2 * HOUR}).status == 204
    driver.clock.advance(HOUR)
    assert driver.call("PUT", url, {"ttl_seconds": None}).status == 204
    driver.clock.advance(100 * HOUR)

    assert driver.post("weights_info", {"tinker_path": path}).status == 200


@pytest.mark.parametrize("ttl", [3599, 315_360_001, -1])
def test_a_life_is_an_hour_to_ten_years(driver, ttl):
    reply = driver.post(
        "save_weights", {"model_id": driver.model(), "seq_id": 1, "path": "s", "ttl_seconds": ttl}
    )

    assert reply.status == 400
    assert f"ttl_seconds: expected 3600 to 315360000, got {ttl}" in reply.json["detail"]


def test_weights_info_says_what_one_needs_to_load(driver):
    model = driver.model(lora_config={"rank": 4, "train_mlp": False})

    assert driver.answer("weights_info", {"tinker_path": save(driver, model, 1)["path"]}) == {
        "base_model": PICO,
        "optimizer_config": {"type": "adamw"},
        "is_lora": True,
        "lora_rank": 4,
        "train_unembed": True,
        "train_mlp": False,
        "train_attn": True,
    }


def test_checkpoints_are_listed_newest_first_in_pages(driver):
    model = driver.model()
    for number in range(1, 5):
        save(driver, model, number, f"c{number}")

    page = driver.get("checkpoints?limit=2&offset=1").json

    assert [c["checkpoint_id"] for c in page["checkpoints"]] == ["weights/c3", "weights/c2"]
    assert page["cursor"] == {"offset": 1, "limit": 2, "total_count": 4}


def test_clients_that_know_no_external_checkpoints_are_shown_none(driver):
    model = driver.model()
    driver.result("save_weights_external", {"model_id": model, "seq_id": 1, "path": "e"})

    newest = driver.get(f"training_runs/{model}/checkpoints", x_stainless_package_version="0.28.0").json
    older = driver.get(f"models/{model}/checkpoints", x_stainless_package_version="0.27.2").json

    assert [c["checkpoint_type"] for c in newest["checkpoints"]] == ["external"]
    assert older["checkpoints"] == []


def test_a_checkpoint_is_published_and_taken_back(driver):
    model = driver.model()
    save(driver, model, 1)
    url = f"training_runs/{model}/checkpoints/weights/s/publish"

    assert driver.call("POST", url).status == 204
    assert driver.get("checkpoints").json["checkpoints"][0]["public"] is True
    assert driver.call("POST", url).json["detail"].endswith("is already public")
    assert driver.call("DELETE", url).status == 204
    assert driver.call("DELETE", url).status == 400


def test_a_deleted_checkpoint_is_gone_and_its_samplers_go_on(driver):
    session = driver.session()
    model = driver.model(session)
    path = driver.result("save_weights_for_sampler", {"model_id": model, "seq_id": 1, "path": "s"})["path"]
    sampler = driver.sampler(session, model_path=path)

    assert driver.call("DELETE", f"training_runs/{model}/checkpoints/sampler_weights/s").status == 204
    assert driver.call("DELETE", f"training_runs/{model}/checkpoints/sampler_weights/s").status == 404
    assert driver.result("asample", driver.sample(sampler, 0))["sequences"]


def test_training_runs_show_their_newest_checkpoints(driver):
    session = driver.session(project_id="p")
    first, second = driver.model(session, 0, user_metadata={"a": 1}), driver.model(session, 1)
    save(driver, first, 1, "old")
    save(driver, first, 2, "new")

    runs = driver.get("training_runs?project_id=p").json
    run = driver.get(f"training_runs/{first}?access_scope=owned").json

    assert [r["training_run_id"] for r in runs["training_runs"]] == [second, first]
    assert run["last_checkpoint"]["checkpoint_id"] == "weights/new"
    assert "last_sampler_checkpoint" not in run
    assert run["user_metadata"] == {"a": "1"}
    assert driver.get("training_runs?project_id=other").json["cursor"]["total_count"] == 0


def test_a_copy_is_a_training_run_of_its_own(driver):
    path = save(driver, driver.model(), 1)["path"]
    body = {"source_path": path, "destination_project_id": "p", "ttl_seconds": HOUR}

    first = driver.answer("copy_weights", body, x_idempotency_key="k")["tinker_path"]
    again = driver.answer("copy_weights", body, x_idempotency_key="k")["tinker_path"]
    other = driver.answer("copy_weights", body)["tinker_path"]

    assert first == again != other != path
    assert driver.get("training_runs?project_id=p").json["cursor"]["total_count"] == 2


def test_a_copy_can_go_into_a_session(driver):
    path, session = save(driver, driver.model(), 1)["path"], driver.session()

    body = {"source_path": path, "session_id": session, "model_seq_id": 3}

    assert driver.answer("copy_weights", body)["tinker_path"] == f"tinker://{session}:train:3/weights/s"
    assert driver.post("copy_weights", {"source_path": path}).status == 400
