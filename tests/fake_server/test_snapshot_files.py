"""The file of a snapshot: one hash over all, no half files, no surprises; and the JSON face."""

import json
import re

import numpy as np
import pytest

from contract import (
    BackendOptions,
    ForwardBackwardOutput,
    OptimStepResponse,
    RequestFailure,
    TensorData,
)
from contract.codec import JSON, PROTOBUF, encode
from fake_server.futures import Future
from fake_server.record_forms import future_form, read_future
from fake_server.scripted import ScriptedBackend
from fake_server.snapshot_files import MAGIC, StoredFiles, write_atomically
from fake_server.snapshots import Snapshot, take
from tests.fake_server.driver import Driver


@pytest.fixture
def driver():
    return Driver(control=True)


@pytest.fixture
def content(driver):
    model = driver.model()
    driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "one"})
    driver.result("forward_backward", driver.train(model, 2))
    return take(driver.service).to_bytes()


def test_no_byte_of_a_file_can_change_unnoticed(content):
    for place in range(0, len(content), 97):
        broken = bytearray(content)
        broken[place] ^= 1
        with pytest.raises(ValueError, match="snapshot: expected"):
            Snapshot.of_bytes(bytes(broken))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(content, share):
    with pytest.raises(ValueError, match="snapshot: expected"):
        Snapshot.of_bytes(content[: int(len(content) * share)])


def test_a_file_of_another_version_is_refused(content):
    with pytest.raises(ValueError, match="expected format 1, got '9'"):
        Snapshot.of_bytes(content.replace(MAGIC + b" 1", MAGIC + b" 9", 1))


def test_records_that_do_not_fit_are_refused(driver, monkeypatch):
    driver.session()
    monkeypatch.setattr("fake_server.record_forms.record_form", lambda *_: {})
    monkeypatch.setattr("fake_server.snapshot_files.record_form", lambda *_: {})
    content = take(driver.service).to_bytes()

    with pytest.raises(ValueError, match="expected the records of this version, got others"):
        Snapshot.of_bytes(content)


def test_a_file_is_there_as_a_whole_or_not_at_all(tmp_path):
    (tmp_path / "one").write_bytes(b"before")

    with pytest.raises(TypeError):
        write_atomically(tmp_path / "one", "no bytes")

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_numbers_that_json_does_not_have_survive(driver):
    logprobs = TensorData.from_numpy(np.array([-np.inf, np.nan, 0.1], dtype=np.float32))
    output = ForwardBackwardOutput(
        loss_fn_output_type="ArrayRecord", loss_fn_outputs=[{"logprobs": logprobs}], metrics={"a:sum": 1.0}
    )
    for outcome, media_type in ((output, PROTOBUF), (OptimStepResponse(metrics={"a": np.inf}), JSON)):
        future = Future("r", "o", "m", 1, b"\0\xff", 0.0, outcome=outcome)
        read = read_future(json.loads(json.dumps(future_form(future))))
        assert (read.digest, encode(read.outcome, media_type)) == (b"\0\xff", encode(outcome, media_type))


def test_stored_files_are_weights_of_nobody():
    stored = StoredFiles({"a": b"12", "b": b"3"})

    assert (stored.size_bytes, stored.without_optimizer(), dict(stored.files())["b"]) == (3, stored, b"3")


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({}, "expected it whole, got none with 'state.json'"),
        ({"state.json": b"{}"}, "got none with 'format'"),
        ({"state.json": b'{"format": "x"}'}, "expected the format 'tinkerproof scripted state 1', got 'x'"),
        ({"state.json": b"["}, "state file 'state.json'"),
    ],
)
def test_the_scripted_backend_refuses_files_that_are_no_state(files, match):
    with pytest.raises(RequestFailure, match=re.escape(match)):
        ScriptedBackend(BackendOptions()).read_state(files)


def test_accumulated_gradients_that_are_missing_are_named(driver, content):
    files = dict(driver.service.backend.state().files())
    del files["0/pending-0.safetensors"]

    with pytest.raises(RequestFailure, match=r"state file 'pending-0.safetensors': expected it whole"):
        driver.service.backend.read_state(files)


def test_a_snapshot_is_taken_downloaded_and_put_back_over_http(driver):
    session = driver.session()
    taken = driver.post("/-/snapshot", {"name": "one"}).json
    file = driver.get("/-/snapshots/one").body
    driver.session()

    put = driver.call("PUT", "/-/snapshots/two", file).json
    driver.post("/-/restore", {"name": "two"})

    assert taken == {"name": "one", "objects": 1, "seed": 0}
    assert put["objects"] == 1
    assert [each["name"] for each in driver.get("/-/snapshots").json["snapshots"]] == ["one", "two"]
    assert driver.get("sessions").json["sessions"] == [session]


def test_a_snapshot_is_forgotten_over_http(driver):
    driver.post("/-/snapshot")

    assert driver.call("DELETE", "/-/snapshots/latest").status == 204
    reply = driver.post("/-/restore")

    assert (reply.status, reply.json["detail"]) == (404, "no snapshot 'latest'; this tenant has none")


def test_a_fork_may_begin_at_a_snapshot(driver):
    driver.post("/-/snapshot")
    driver.session()

    made = driver.post("/-/fork", {"snapshot": "latest"}).json

    assert made == {"tenant": "default-fork-1", "path": "/t/default-fork-1"}
    assert Driver(app=driver.app, prefix=made["path"]).get("sessions").json["sessions"] == []


def test_a_damaged_file_is_refused_over_http(driver, content):
    reply = driver.call("PUT", "/-/snapshots/one", content[:-1])

    assert (reply.status, "the file is damaged" in reply.json["detail"]) == (400, True)


def test_a_snapshot_that_the_backend_cannot_take_is_refused_over_http(driver):
    driver.controls.snapshots["one"] = Snapshot.of_bytes(take(driver.service).to_bytes())
    driver.controls.snapshots["one"].world.backend.contents.clear()

    reply = driver.post("/-/restore", {"name": "one"})

    assert reply.status == 400
    assert reply.json["detail"].startswith("snapshot 'one': state file 'state.json'")
