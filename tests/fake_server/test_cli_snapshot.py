"""The command `tinkerproof snapshot`, on a live server."""

import pytest

from fake_server.app import create_app
from fake_server.cli import main
from fake_server.cli_snapshot import begin_with
from fake_server.fake import Fake
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from fake_server.snapshots import take
from tests.fake_server.driver import Driver


@pytest.fixture
def world():
    with LiveServer(create_app(open_scripted, control=True)) as server:
        yield Fake(server, "world")


def test_a_world_is_saved_and_put_back(world, tmp_path):
    world.service.open_implicit_session("s")
    file = str(tmp_path / "one.snapshot")

    assert main(["snapshot", "save", world.url, file]) == 0
    world.reset()
    assert main(["snapshot", "restore", world.url, file]) == 0

    assert [session.session_id for session in world.service.store.sessions] == ["s"]
    assert not world.controls.snapshots


def test_a_server_begins_with_the_world_of_a_file(world, tmp_path):
    world.service.open_implicit_session("s")
    world.snapshot().save(tmp_path / "one")
    app = create_app(open_scripted)

    begin_with(app, str(tmp_path / "one"))

    assert [session.session_id for session in app.state.tenants.get().store.sessions] == ["s"]


def test_a_server_does_not_begin_with_what_its_backend_cannot_take(tmp_path, capsys):
    driver = Driver()
    driver.model()
    take(driver.service).save(tmp_path / "one")

    options = ["serve", "--base-model", "Qwen/Qwen3-8B", "--snapshot", str(tmp_path / "one")]

    assert main(options) == 2
    assert "tinkerproof: serve: --snapshot: base_model: expected one of Qwen" in capsys.readouterr().err


def test_a_damaged_file_is_refused_in_words(world, tmp_path, capsys):
    (tmp_path / "bad").write_bytes(b"no snapshot")

    assert main(["snapshot", "restore", world.url, str(tmp_path / "bad")]) == 2
    assert "got 400: snapshot: expected a file of tinkerproof" in capsys.readouterr().err


def test_a_missing_file_and_a_url_of_nobody_are_refused_in_words(world, tmp_path, capsys):
    assert main(["snapshot", "restore", world.url, str(tmp_path / "none")]) == 2
    assert main(["snapshot", "save", "nowhere", str(tmp_path / "none")]) == 2
    assert main(["snapshot", "save", "http://127.0.0.1:9", str(tmp_path / "none")]) == 2

    told = capsys.readouterr().err
    assert "No such file" in told
    assert "url: expected one such as http://127.0.0.1:8000, got 'nowhere'" in told
    assert (
        "http://127.0.0.1:9/-/snapshot: expected an answer, got [Errno 111] Connection refused; is the"
        in told
    )
