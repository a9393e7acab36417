"""Downloads: files and archives of checkpoints behind signed URLs, plain or encrypted."""

import io
import json
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest

from contract import RequestFailure, Weights
from fake_server.app import create_app
from fake_server.clock import VirtualClock
from fake_server.scripted import ScriptedBackend
from tests.fake_server.driver import Driver, Reply

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


def archive_of(driver: Driver, model: str, checkpoint: str = "weights/s") -> Reply:
    url = driver.get(f"training_runs/{model}/checkpoints/{checkpoint}/archive").json["url"]
    return driver.get(url.removeprefix("http://fake.test"), x_api_key="")


def unpacked(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def test_an_archive_unpacks_to_the_adapters_files_and_has_no_optimizer(driver):
    model = driver.model()
    driver.result("forward_backward", driver.train(model, 1))
    driver.result("optim_step", driver.step(model, 2))
    save(driver, model, 3)

    archive = archive_of(driver, model)
    files = unpacked(archive.body)

    assert archive.headers["content-type"] == "application/gzip"
    assert list(files) == ["adapter_config.json", "adapter_model.safetensors"]
    assert json.loads(files["adapter_config.json"])["r"] == 8
    assert "expected an optimizer state" in loaded(driver, files, optimizer=True)
    assert loaded(driver, files, optimizer=False) == ""


def loaded(driver: Driver, files: dict[str, bytes], optimizer: bool) -> str:
    """What loading the files into a model says where it fails."""
    backend, model = driver.service.backend, driver.model()
    try:
        backend.load_weights(model, backend.read_weights(files), optimizer=optimizer)
    except RequestFailure as failure:
        return failure.error
    return ""


def test_an_archive_is_the_same_bytes_whenever_it_was_saved(driver):
    model = driver.model()
    save(driver, model)
    driver.clock.advance(100)
    driver.result("save_weights_for_sampler", {"model_id": model, "seq_id": 2, "path": "s"})

    first, later = archive_of(driver, model), archive_of(driver, model, "sampler_weights/s")

    assert first.body == later.body
    with tarfile.open(fileobj=io.BytesIO(first.body)) as tar:
        assert {(entry.mtime, entry.uid, entry.mode) for entry in tar} == {(0, 0, 0o644)}


def test_external_weights_have_no_optimizer(driver):
    model = driver.model()
    driver.result("save_weights_external", {"model_id": model, "seq_id": 1, "path": "e"})

    urls = driver.get(f"training_runs/{model}/checkpoints/external_weights/e/external_weights_urls").json
    files = unpacked(archive_of(driver, model, "external_weights/e").body)

    assert sorted(urls["urls"]) == list(files) == ["adapter_config.json", "adapter_model.safetensors"]


class Hostile:
    """Weights whose files want to be somewhere else."""

    size_bytes = 1

    def __init__(self, name: str) -> None:
        self.name = name

    def files(self) -> dict[str, bytes]:
        return {self.name: b"x"}

    def without_optimizer(self) -> "Hostile":
        return self


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a/../b", "a//b", "", "a\\b", "."])
def test_a_file_stays_below_its_checkpoint(driver, name):
    model = driver.model()
    driver.service.backend.save_weights = lambda *a, **k: Hostile(name)  # type: ignore[method-assign]
    driver.result("save_weights_external", {"model_id": model, "seq_id": 1, "path": "e"})
    url = f"training_runs/{model}/checkpoints/external_weights/e"

    told = [driver.get(f"{url}/external_weights_urls"), archive_of(driver, model, "external_weights/e")]

    assert [reply.status for reply in told] == [400, 400]
    assert all(f"file {name!r}: expected a relative path" in reply.json["detail"] for reply in told)


def test_a_file_in_a_folder_is_downloaded_by_its_url(driver):
    model = driver.model()
    driver.service.backend.save_weights = lambda *a, **k: Hostile("a b/c+d.bin")  # type: ignore[method-assign]
    driver.result("save_weights_external", {"model_id": model, "seq_id": 1, "path": "e e"})
    path = f"training_runs/{model}/checkpoints/external_weights/e e/external_weights_urls"

    urls = driver.get(path).json["urls"]

    assert driver.get(urls["a b/c+d.bin"].removeprefix("http://fake.test"), x_api_key="").body == b"x"


def test_a_heavy_backends_files_are_packed_beside_other_requests():
    driver = Driver(app=create_app(lambda options: Heavy(options), clocks=VirtualClock))
    model, seen = driver.model(), []
    save(driver, model)
    record = driver.service.store.checkpoints.get(f"tinker://{model}/weights/s")
    driver.service.store.checkpoints.put(record.path, replace(record, weights=Watched(record.weights, seen)))

    assert "adapter_config.json" in unpacked(archive_of(driver, model).body)
    assert seen
    assert threading.current_thread() not in seen


class Heavy(ScriptedBackend):
    concurrent = True


class Watched:
    """Weights that note who asks for their files."""

    def __init__(self, weights: Weights, seen: list[threading.Thread]) -> None:
        self.weights, self.seen = weights, seen
        self.size_bytes = weights.size_bytes

    def files(self) -> Mapping[str, bytes]:
        self.seen.append(threading.current_thread())
        return self.weights.files()

    def without_optimizer(self) -> Weights:
        return Watched(self.weights.without_optimizer(), self.seen)


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

    run = saved["path"].split("/")[2]
    files = unpacked(archive_of(driver, run, "external_weights/e").body)
    plain = {name.removesuffix(".age"): pyrage.decrypt(data, [identity]) for name, data in files.items()}
    assert sorted(files) == ["adapter_config.json.age", "adapter_model.safetensors.age"]
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
