"""`tinkerproof record` and `tinkerproof replay`, as processes; and the cassette over HTTP."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fake_server.app import create_app
from fake_server.cassettes.cassette import Cassette
from fake_server.cli import main
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from tests.fake_server.driver import Driver

COMMAND = [sys.executable, "-m", "fake_server.cli"]
PACKAGES = str(Path(__file__).parents[2])


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGES},
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> str:
    """Its standard error, once it was told to stop."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=20)[1]


def post(url: str, path: str, **body: object) -> tuple[int, dict]:
    request = urllib.request.Request(
        f"{url}/api/v1/{path}",
        json.dumps(body).encode(),
        {"X-API-Key": "anything", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


SESSION = {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"}


def test_what_was_recorded_by_one_command_is_replayed_by_another(tmp_path):
    path = str(tmp_path / "c.jsonl")
    with (
        LiveServer(create_app(open_scripted)) as server,
        running("record", "--upstream", f"{server.url}/t/far", "--out", path) as (process, url),
    ):
        assert post(url, "create_session", **SESSION)[0] == 401  # the other server wants a key of its own
        assert f"recording {server.url}/t/far to {path}; TINKER_BASE_URL={url}" in ended(process)

    with running("replay", path, "--control") as (process, url):
        assert post(url, "create_session", **SESSION)[0] == 401
        assert post(url, "create_session", tags=["x"], user_metadata={}, sdk_version="1")[0] == 422
        assert post(url, "../../t/other/api/v1/create_session", **SESSION)[0] == 404
        with urllib.request.urlopen(f"{url}/-/cassette") as reply:
            assert json.load(reply)["state"] == "replaying"
        log = ended(process)

    assert "replaying 1 entries of" in log
    assert "missed: cassette c.jsonl: create_session: tags: expected 0 items, got 1 items" in log
    assert process.returncode == 1


def test_a_strict_replay_fails_for_what_is_not_used(tmp_path):
    driver = Driver(control=True)
    driver.controls.cassettes.record(tmp_path / "c.jsonl")
    driver.session()
    driver.controls.cassettes.close()

    for options, status in ([], 0), (["--strict"], 1):
        with running("replay", str(tmp_path / "c.jsonl"), *options) as (process, _):
            assert "not used: entry 1 (create_session of session:1)" in ended(process)
        assert process.returncode == status


def test_a_replay_that_had_everything_says_so(tmp_path):
    Cassette([]).save(tmp_path / "c.jsonl")

    with running("replay", str(tmp_path / "c.jsonl")) as (process, _):
        assert "every request was there" in ended(process)


def test_a_cassette_is_explained_without_a_server(tmp_path, capsys):
    path = tmp_path / "c.jsonl"
    Cassette([]).save(path)

    assert main(["replay", str(path), "--explain"]) == 0
    assert main(["replay", str(tmp_path / "none"), "--explain"]) == 2

    out, log = capsys.readouterr()
    assert out == f"{path}: 0 entries, sdk 0.38.0, contract 0.38.0\n"
    assert "tinkerproof: replay: cassette: expected a file at" in log


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "/nowhere/c.jsonl"], "replay: cassette: expected a file at '/nowhere/c.jsonl', got none"),
        (
            ["proxy", "--upstream", "http://x", "--route", "optim_step=upstream"],
            "proxy: route optim_step=upstream: expected local, as create_session; they share the state",
        ),
        (["record", "--upstream", "host"], "record: upstream: expected a URL such as https://host/path"),
    ],
)
def test_what_cannot_be_is_refused_at_start(arguments, said, capsys):
    assert main(arguments) == 2
    assert f"tinkerproof: {said}" in capsys.readouterr().err


def test_a_proxy_says_who_answers_what(tmp_path):
    path = tmp_path / "both.jsonl"
    with (
        LiveServer(create_app(open_scripted)) as server,
        running("proxy", "--upstream", server.url, "--route", "asample=upstream", "--record", str(path)) as (
            process,
            url,
        ),
    ):
        assert post(url, "create_session", **SESSION)[0] == 200
        log = ended(process)

    assert "scripted here, http://127.0.0.1:" in log
    assert (
        "there; sessions and models are local, samples upstream, of the base model; TINKER_BASE_URL=" in log
    )
    assert Cassette.load(path).entries[0].operation == "create_session"


def test_a_cassette_is_recorded_and_replayed_over_http(tmp_path):
    path, driver = str(tmp_path / "c.jsonl"), Driver(control=True)
    assert driver.get("/-/cassette").json["state"] == "empty"

    driver.post("/-/cassette/record", {"path": path})
    driver.session()
    assert driver.get("/-/cassette").json["entries"] == 1
    assert driver.call("DELETE", "/-/cassette").json["state"] == "recording"
    driver.post("/-/cassette/replay", {"path": path, "strict": True})
    driver.post("create_session", {**SESSION, "tags": ["x"]})

    last = driver.call("DELETE", "/-/cassette").json
    assert (last["state"], last["strict"], len(last["misses"])) == ("replaying", True, 1)
    assert last["unused"] == ["entry 1 (create_session of session:1)"]


def test_a_cassette_that_cannot_be_is_refused_over_http(tmp_path):
    driver = Driver(control=True)

    absent = driver.post("/-/cassette/replay", {"path": str(tmp_path / "none")})
    no_url = driver.post("/-/cassette/record", {"path": "x", "upstream": "host"})
    (tmp_path / "file").write_text("")
    driver.post("/-/cassette/record", {"path": str(tmp_path / "file" / "below")})
    unwritable = driver.call("DELETE", "/-/cassette")

    assert [absent.status, no_url.status, unwritable.status] == [400] * 3
    assert "path: expected a file that can be written" in unwritable.json["detail"]


@pytest.mark.parametrize("path", ["", ".", "/", "a\0b", "tests"])
def test_a_recording_has_the_path_of_a_file(path):
    driver = Driver(control=True)

    reply = driver.post("/-/cassette/record", {"path": path})

    assert reply.status == 400
    assert "cassette: expected the path of a file, got" in reply.json["detail"]
    assert driver.get("/-/cassette").json["state"] == "empty"


def test_a_recording_that_cannot_be_written_fails_no_client(tmp_path, caplog):
    driver = Driver(control=True)
    (tmp_path / "plain").write_text("no folder")
    driver.post("/-/cassette/record", {"path": str(tmp_path / "plain" / "run.jsonl")})

    finished = driver.post(f"sessions/{driver.session()}/finish", {"reason": {"type": "success"}})
    closed = driver.call("DELETE", "/-/cassette")

    assert (finished.status, closed.status) == (204, 400)
    assert "expected a file that can be written, got" in caplog.text


def test_a_run_whose_recording_cannot_be_written_ends_in_words(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "gone"
    monkeypatch.setattr("fake_server.running.serve_forever", lambda *_: folder.write_text("a file"))

    status = main(["record", "--upstream", "http://127.0.0.1:9", "--out", str(folder / "run.jsonl")])

    assert status == 2
    assert "tinkerproof: record: " in capsys.readouterr().err
