"""Checkpoints: saved, loaded, listed, shared, kept for a time, copied, downloaded."""

import io
import json
import tarfile

import pytest

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


def test_a_checkpoint_goes_away_when_its_time_is_over(driver):
    model = driver.model()
    path = save(driver, model, 1, ttl_seconds=HOUR)["path"]
    driver.clock.advance(HOUR - 1)
    assert driver.post("weights_info", {"tinker_path": path}).status == 200

    driver.clock.advance(1)

    assert driver.post("weights_info", {"tinker_path": path}).status == 404
    assert driver.get("checkpoints").json["checkpoints"] == []


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


def test_an_external_checkpoint_is_downloaded_file_by_file(driver):
    model = driver.model()
    saved = driver.result("save_weights_external", {"model_id": model, "seq_id": 1, "path": "e"})
    answer = driver.get(f"training_runs/{model}/checkpoints/external_weights/e/external_weights_urls").json

    files = {
        name: driver.get(url.removeprefix("http://fake.test"), x_api_key="")
        for name, url in answer["urls"].items()
    }

    assert all(reply.status == 200 for reply in files.values())
    assert sum(len(reply.body) for reply in files.values()) == saved["size_bytes"]
    assert driver.service.backend.read_weights({name: reply.body for name, reply in files.items()})


def test_only_external_checkpoints_have_file_urls(driver):
    model = driver.model()
    save(driver, model, 1)

    assert driver.get(f"training_runs/{model}/checkpoints/weights/s/external_weights_urls").status == 400


def test_an_archive_unpacks_to_the_checkpoints_files(driver):
    model = driver.model()
    save(driver, model, 1)
    answer = driver.get(f"training_runs/{model}/checkpoints/weights/s/archive").json

    archive = driver.get(answer["url"].removeprefix("http://fake.test"), x_api_key="")
    with tarfile.open(fileobj=io.BytesIO(archive.body)) as tar:
        config = json.load(tar.extractfile("adapter_config.json"))

    assert archive.headers["content-type"] == "application/gzip"
    assert config["r"] == 8


def test_a_file_needs_a_signature_that_is_ours_and_still_valid(driver):
    model = driver.model()
    save(driver, model, 1)
    url = driver.get(f"training_runs/{model}/checkpoints/weights/s/archive").json["url"]
    path = url.removeprefix("http://fake.test")

    assert driver.get(path.replace("signature=", "signature=0")).status == 403
    assert driver.get(path.replace("expires=", "expires=x")).status == 403
    driver.clock.advance(HOUR)
    assert "ask for a new URL" in driver.get(path).json["detail"]


def test_a_file_that_a_checkpoint_does_not_have_is_not_found(driver):
    from fake_server.handlers.files import sign
    from fake_server.service import Call

    model = driver.model()
    save(driver, model, 1)
    call = Call(driver.service, "", sdk_version=None)
    path = sign(call, f"checkpoints/{model}/weights/s/nope", driver.clock.now() + 1)

    assert "no file 'nope'" in driver.get(path).json["detail"]


def test_files_are_encrypted_to_their_recipients(driver):
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    body = {"model_id": driver.model(), "seq_id": 1, "path": "e"}
    saved = driver.result(
        "save_weights_external", {**body, "age_encryption_recipients": [str(identity.to_public())]}
    )

    weights = driver.service.store.checkpoints.get(saved["path"]).weights
    plain = {
        name.removesuffix(".age"): pyrage.decrypt(data, [identity]) for name, data in weights.files().items()
    }
    assert driver.service.backend.read_weights(plain)


@pytest.mark.parametrize(
    ("recipients", "words"), [(["age1x"], "SSH public keys"), ([], "at least one public key")]
)
def test_recipients_that_cannot_be_read_fail_the_save(driver, recipients, words):
    body = {"model_id": driver.model(), "seq_id": 1, "path": "e", "age_encryption_recipients": recipients}

    assert words in driver.result("save_weights_external", body)["error"]


def test_a_server_without_the_library_says_what_to_install(driver, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyrage", None)
    body = {"model_id": driver.model(), "seq_id": 1, "path": "e", "age_encryption_recipients": ["age1x"]}

    assert "install tinkerproof[age]" in driver.result("save_weights_external", body)["error"]


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


def test_older_clients_are_sent_to_an_archive(driver):
    model = driver.model()
    save(driver, model, 1)
    path = f"training_runs/{model}/checkpoints/weights/s/archive"

    reply = driver.get(path, x_stainless_package_version="0.22.1")

    assert (reply.status, reply.headers["expires"]) == (302, "Sun, 15 Jun 2025 16:06:40 GMT")
    assert driver.get(reply.headers["location"].removeprefix("http://fake.test")).status == 200
