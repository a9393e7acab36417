"""What commands say of a server that is another one, or none."""

import socket
import threading
from contextlib import contextmanager

import pytest

from fake_server.cli import main

OBJECT = b'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{"a":1}'
PAGE = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"
BROKEN = {
    "another protocol": b"SSH-2.0-x\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nabc",
    "an error in other words": b"HTTP/1.1 500 no\r\ncontent-length: 5\r\n\r\noops!",
    "bytes that are no text": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe",
    "a page": PAGE,
    "a list": b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]",
}
COMMANDS = (("journal",), ("verdict",), ("snapshot", "save"), ("snapshot", "restore"))


@contextmanager
def peer(answer: bytes):
    """A server that gives everybody this answer; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(65536)  # until the client has closed: else it might see a reset

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_another_server_is_told_in_a_line(answer, command, tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"content")
    files = [str(tmp_path / "file")] if command[0] == "snapshot" else []

    with peer(answer) as url:
        status = main([*command, url, *files])

    told = capsys.readouterr().err
    assert (status, len(told.splitlines())) == (2, 1)
    assert told.startswith(f"tinkerproof: {command[0]}: {url}")
    assert "expected" in told
    assert (tmp_path / "file").read_bytes() == b"content"


def test_an_object_of_another_server_is_no_journal(capsys):
    with peer(OBJECT) as url:
        assert main(["verdict", url]) == 2

    assert "expected entries, got a; is it tinkerproof's?" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_url_that_cannot_be_is_told_in_a_line(command, tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"content")
    files = [str(tmp_path / "file")] if command[0] == "snapshot" else []

    assert main([*command, "http://two words/", *files]) == 2
    assert "http://two words/-/" in capsys.readouterr().err
