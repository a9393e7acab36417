"""A client that is a bare socket: it sees what is on the wire, and nothing else."""

import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fake_server.fake import API_KEY, Fake
from fake_server.traffic import Wait


@dataclass
class Reply:
    """What came back."""

    raw: bytes
    end: str
    """`whole`, `closed`, `reset` or `silent`."""

    @property
    def status(self) -> int:
        return int(self.raw.split()[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines)

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """Sends requests to a fake over sockets of its own."""

    def __init__(self, fake: Fake) -> None:
        _, _, self.host, self.prefix = fake._address().split("/", 3)

    def send(
        self, operation: str, body: Any = None, method: str = "POST", root: str = "api/v1", **headers: str
    ) -> socket.socket:
        """Send a request, and do not wait for its answer."""
        host, port = self.host.split(":")
        sock = socket.create_connection((host, int(port)), timeout=10)
        content = b"" if body is None else json.dumps(body).encode()
        named = {"host": self.host, "x-api-key": API_KEY, "content-length": str(len(content)), **headers}
        lines = [f"{method} /{self.prefix}/{root}/{operation} HTTP/1.1"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
        sock.sendall("\r\n".join([*lines, "", ""]).encode() + content)
        return sock

    def read(self, sock: socket.socket, patience: float = 10.0) -> Reply:
        """What comes back until the answer is whole, the connection ends, or nothing comes any more."""
        reply = Reply(b"", "whole")
        sock.settimeout(patience)
        with sock:
            while not _is_whole(reply.raw):
                try:
                    piece = sock.recv(65536)
                except ConnectionResetError:
                    reply.end = "reset"
                    return reply
                except TimeoutError:
                    reply.end = "silent"
                    return reply
                if not piece:
                    reply.end = "closed"
                    return reply
                reply.raw += piece
        return reply

    def read_rest(self, sock: socket.socket, *, whole: bool = False) -> bytes:
        """The next bytes, to the end of an answer where `whole`; the connection stays open."""
        raw = sock.recv(65536)
        while whole and not _is_whole(raw):
            raw += sock.recv(65536)
        return raw

    def post(self, operation: str, body: Any = None, **headers: str) -> Reply:
        return self.read(self.send(operation, body or {}, **headers))

    def post_control(self, name: str, body: Any) -> Reply:
        return self.read(self.send(name, body, root="-"))

    def get(self, operation: str, **headers: str) -> Reply:
        return self.read(self.send(operation, method="GET", **headers))


def _is_whole(raw: bytes) -> bool:
    head, end, body = raw.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end and length and len(body) >= int(length[1]))


def until(condition: Callable[[], object]) -> None:
    """Wait for what the server's thread does; at most 10 s, in which it does not come it never will."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "expected it within 10 s, got nothing"
        time.sleep(0)


def parked(fake: Fake) -> Wait:
    """The one request that waits."""
    until(lambda: fake.service.traffic.waits)
    (wait,) = fake.service.traffic.waits
    return wait
