"""A release that plays scenes: the program in its process, and the recorder in the server."""

import http.client
import json
import sys
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from contract.codec import PROTOBUF
from fake_server.app import create_app
from fake_server.drift import program
from fake_server.drift.between import Release
from fake_server.drift.program import Program
from fake_server.drift.recorder import Recorder, Scene, Strike
from fake_server.drift.runs import Stage
from fake_server.drift.scenes import scenes
from fake_server.fake import API_KEY, Fake
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted

NOWHERE = "http://127.0.0.1:9"


class Model:
    """A training client that does what a test says."""

    def __init__(self, **ends):
        self.ends = ends

    def optim_step(self, params):
        return self.ends["optim_step"]()

    def forward_backward(self, data, loss_fn):
        return SimpleNamespace(loss_fn_outputs=[])

    def save_weights_and_get_sampling_client(self, name):
        self.ends[name]()


@pytest.fixture
def tinker(monkeypatch):
    """A release with nothing but types."""
    types = SimpleNamespace(
        AdamParams=dict, TensorData=dict, Datum=dict, SamplingParams=dict, ModelInput=SimpleNamespace
    )
    types.ModelInput = SimpleNamespace(from_ints=list)
    monkeypatch.setitem(sys.modules, "tinker", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "tinker.types", types)


def outcome(step, **made):
    played = Program(NOWHERE)
    played.made.update(made)
    return played.run(step)


def fail(error):
    def end():
        raise error

    return end


def test_a_step_ends_well(tinker):
    assert outcome("optim_step", model=Model(optim_step=lambda: SimpleNamespace(result=dict))) == "ok"


def test_a_step_ends_with_the_kind_of_its_error_and_what_it_says(tinker):
    assert outcome("optim_step 429", model=Model(optim_step=fail(KeyError()))) == "KeyError: "
    assert outcome("optim_step", model=Model(optim_step=fail(ValueError("a\nb")))) == "ValueError: a"


def test_the_category_of_an_error_is_part_of_its_kind(tinker):
    error = type("Failed", (Exception,), {"category": "user"})("bad")
    assert outcome("optim_step", model=Model(optim_step=fail(error))) == "Failed (user): bad"


def test_a_step_that_a_release_has_not_is_absent(tinker):
    client = SimpleNamespace()
    assert outcome("optim_step", model=client) == "absent"
    assert outcome("sampler_of_model", model=client) == "absent"
    assert outcome("rest", service=client) == "absent"
    assert outcome("forward_backward_with_config", model=Model()) == "absent"


def test_a_step_that_needs_what_failed_is_not_tried(tinker):
    assert outcome("optim_step") == "not tried: needs model"


def test_results_that_are_missing_fail_a_step(tinker):
    assert (
        outcome("forward_backward", model=Model()) == "ValueError: forward_backward: expected 1 output, got 0"
    )
    sampler = SimpleNamespace(sample=lambda **_: SimpleNamespace(sequences=[]))
    assert outcome("sample", sampler=sampler) == "ValueError: sample: expected 2 sequences, got 0"


def test_old_releases_name_the_weights_that_they_sample_from(tinker):
    assert outcome("sampler_of_model", model=Model(unnamed=lambda: None)) == "ok"


def test_a_step_without_an_end_is_given_up(tinker, monkeypatch):
    import threading

    monkeypatch.setattr(program, "PATIENCE_SECONDS", 0.01)
    gate = threading.Event()
    assert outcome("optim_step", model=Model(optim_step=gate.wait)) == "no end"
    gate.set()


@pytest.fixture(scope="module")
def server():
    with LiveServer(create_app(open_scripted, control=True)) as running:
        yield running


def recorded(server, name, scene):
    world, recorder = Fake(server, f"{name}-recorded"), Recorder(scene)
    world.service.traffic.interceptors.insert(0, recorder.intercept)
    world.service.traffic.strays.insert(0, recorder.stray)
    return world, recorder


def ask(world, method, path, body=None, **headers):
    parts = urlsplit(world.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    named = {"x-api-key": API_KEY, "x-stainless-package-version": "0.38.0", **named}
    connection.request(method, f"{parts.path}{path}", body, named)
    answer = connection.getresponse()
    told = answer.status, answer.read()
    connection.close()
    return told


def test_a_request_is_written_down_without_ids_and_versions(server):
    world, recorder = recorded(server, "down", Scene("s", ()))
    ask(world, "GET", "/step/a%20b")
    body = {"session_id": "s-1", "sdk_version": "v0.38.0", "n": 2.0, "rows": [{"a": 1}, {"a": 2}], "no": []}
    ask(world, "POST", "/api/v1/get_info?x=1", json.dumps(body), content_type="application/json")
    [sent] = recorder.sent
    assert (sent.step, sent.operation, sent.query) == ("a b", "get_info", {"x": "1"})
    assert sent.body == {
        "session_id": '"…"',
        "sdk_version": '"v{version}"',
        "n": "2",
        "rows[].a": "1, 2",
        "no": "[]",
    }
    assert sent.headers["x-api-key"] == "{key}"
    assert sent.headers["x-stainless-package-version"] == "{version}"


def test_numbers_and_uuids_in_headers_are_words(server):
    world, recorder = recorded(server, "words", Scene("s", ()))
    key = "retry-123e4567-e89b-12d3-a456-426614174000"
    headers = {"x_stainless_retry_count": "3", "x_tinker_request_iteration": "4", "x_idempotency_key": key}
    ask(world, "GET", "/api/v1/healthz", **headers)
    told = recorder.sent[0].headers
    assert [told["x-stainless-retry-count"], told["x-tinker-request-iteration"]] == ["{number}"] * 2
    assert told["x-idempotency-key"] == "retry-{uuid}"


def test_a_body_that_cannot_be_read_is_told_as_such(server):
    world, recorder = recorded(server, "odd", Scene("s", ()))
    ask(world, "POST", "/api/v1/forward_backward", b"\xff\xff", content_type=PROTOBUF)
    assert recorder.sent[0].body == {"(unreadable)": "true"}


def test_a_client_of_no_version_is_written_down_too(server):
    world, recorder = recorded(server, "none", Scene("s", ()))
    ask(world, "GET", "/api/v1/healthz", x_stainless_package_version="")
    assert recorder.sent[0].headers["x-stainless-package-version"] == ""


def test_a_server_lacks_operations_fields_and_media_types(server):
    scene = Scene("s", (), frozenset({"healthz"}), {"CreateSessionResponse": frozenset({"session_id"})})
    world, _ = recorded(server, "lacks", scene)
    assert ask(world, "GET", "/api/v1/healthz")[0] == 404
    opened = json.dumps({"tags": [], "sdk_version": "0.38.0"})
    status, answer = ask(world, "POST", "/api/v1/create_session", opened)
    assert (status, "session_id" in json.loads(answer)) == (200, False)
    plain, _ = recorded(server, "plain", Scene("s", (), json_requests=True))
    assert ask(plain, "POST", "/api/v1/forward_backward", b"x", content_type=PROTOBUF)[0] == 415


def test_a_strike_answers_the_first_request_of_its_step(server):
    strike = Strike("healthz", 503, {"detail": "struck"})
    world, recorder = recorded(server, "strike", Scene("s", (), strikes={"a": strike}))
    ask(world, "GET", "/step/a")
    assert [ask(world, "GET", "/api/v1/healthz")[0] for _ in range(2)] == [503, 200]
    assert recorder.tries == {"a": 2}


def test_the_program_is_told_of_its_heartbeat_or_that_there_is_none(server, monkeypatch):
    world, _ = recorded(server, "beat", Scene("s", ()))
    monkeypatch.setattr("fake_server.drift.recorder.HEARTBEAT_SECONDS", 0.01)
    assert ask(world, "GET", "/heartbeat")[0] == 204
    assert Program(world.url).run("heartbeat") == "absent"
    ask(world, "POST", "/api/v1/session_heartbeat", b"{}")
    assert ask(world, "GET", "/heartbeat")[0] == 200


def test_paths_that_nobody_knows_are_still_refused(server):
    world, _ = recorded(server, "stray", Scene("s", ()))
    assert ask(world, "GET", "/nowhere")[0] == 404


def release(folder, text):
    (folder / "tinker").mkdir()
    (folder / "tinker" / "__init__.py").write_text(text)
    return Release("9.0.0", folder)


def test_a_release_that_cannot_be_imported_is_told(tmp_path):
    broken = release(tmp_path, "import no_such_package")
    with pytest.raises(RuntimeError, match=r"9\.0\.0: expected a release that can be imported"):
        broken.shape()
    with Stage() as stage, pytest.raises(RuntimeError, match="expected it to run, got"):
        broken.played(stage)


def test_a_release_that_never_ends_is_told(tmp_path, monkeypatch):
    endless = release(tmp_path, "import threading\nthreading.Event().wait()")
    monkeypatch.setattr("fake_server.drift.runs.MOST_SECONDS", 0.5)
    with Stage() as stage, pytest.raises(RuntimeError, match="expected it to end in 0 s, it did not"):
        stage.play(endless.folder, scenes()[:1])
