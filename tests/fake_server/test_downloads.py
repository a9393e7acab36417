"""Downloads: files and archives of checkpoints behind signed URLs, plain or encrypted."""

import io
import json
import tarfile

import pytest

from tests.fake_server.driver import Driver

HOUR = 3600


@pytest.fixture
def driver() -> Driver:
    return Driver()


def save(driver: Driver, model: str, number: int = 1) -> str:
    return driver.result("save_weights", {"model_id": model, "seq_id": number, "path": "s"})["path"]


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
    save(driver, model)

    assert driver.get(f"training_runs/{model}/checkpoints/weights/s/external_weights_urls").status == 400


def test_an_archive_unpacks_to_the_checkpoints_files(driver):
    model = driver.model()
    save(driver, model)
    answer = driver.get(f"training_runs/{model}/checkpoints/weights/s/archive").json

    archive = driver.get(answer["url"].removeprefix("http://fake.test"), x_api_key="")
    with tarfile.open(fileobj=io.BytesIO(archive.body)) as tar:
        config = json.load(tar.extractfile("adapter_config.json"))

    assert archive.headers["content-type"] == "application/gzip"
    assert config["r"] == 8


def test_a_file_needs_a_signature_that_is_ours_and_still_valid(driver):
    model = driver.model()
    save(driver, model)
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
    save(driver, model)
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


def test_older_clients_are_sent_to_an_archive(driver):
    model = driver.model()
    save(driver, model)
    path = f"training_runs/{model}/checkpoints/weights/s/archive"

    reply = driver.get(path, x_stainless_package_version="0.22.1")

    assert (reply.status, reply.headers["expires"]) == (302, "Sun, 15 Jun 2025 16:06:40 GMT")
    assert driver.get(reply.headers["location"].removeprefix("http://fake.test")).status == 200
