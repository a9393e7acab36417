"""The driver sends what it is told, repeats nothing, and writes down everything but keys."""

import socket
import threading
from collections.abc import Iterator

import pytest

from contract import ForwardBackwardInput, ForwardBackwardRequest
from contract.codec import PROTOBUF, decode
from contract.laws.driver import Driver, Reply, Trace
from contract.laws.law import Broken

OK = b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}"


class Listener:
    """Answers each request on a raw socket by the next of some bytes, and keeps what came."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        while self._answers:
            connection, _ = self._socket.accept()
            self.connections += 1
            with connection:
                while self._answers and (request := _request(connection)):
                    self.requests.append(request)
                    connection.sendall(self._answers.pop(0))

    def close(self) -> None:
        self._thread.join(10)
        self._socket.close()


def _request(connection: socket.socket) -> bytes:
    """One request with a content length, or without a body; empty where the client left."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].split(b":")[1]) - len(body) if lengths else 0
    while missing > 0:
        piece = connection.recv(missing)
        data, missing = data + piece, missing - len(piece)
    return data


@pytest.fixture
def listen() -> Iterator[object]:
    listeners: list[Listener] = []

    def start(*answers: bytes) -> Listener:
        listeners.append(Listener(*answers))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


def of(listener: Listener, prefix: str = "") -> Driver:
    return Driver(listener.url + prefix, "tml-secret", "0.38.0")


def head_of(request: bytes) -> list[str]:
    return request.partition(b"\r\n\r\n")[0].decode().split("\r\n")


def test_a_request_has_key_version_and_types(listen):
    listener = listen(OK)

    of(listener).send("POST", "/api/v1/x", b"{}")

    head = head_of(listener.requests[0])
    assert head[0] == "POST /api/v1/x HTTP/1.1"
    for line in ("x-api-key: tml-secret", "x-stainless-package-version: 0.38.0", "accept: application/json"):
        assert line in head
    assert listener.requests[0].endswith(b"\r\n\r\n{}")


def test_headers_that_are_given_replace_the_usual_and_empty_ones_leave_them_out(listen):
    listener = listen(OK)

    of(listener).send("GET", "/x", None, {"accept": "text/html", "x-api-key": "", "x-more": "1"})

    head = head_of(listener.requests[0])
    assert {"accept: text/html", "x-more: 1"} <= set(head)
    assert not [line for line in head if line.startswith("x-api-key")]


def test_a_prefix_of_the_url_is_kept(listen):
    listener = listen(OK)

    of(listener, "/t/one/").send("GET", "/api/v1/healthz")

    assert head_of(listener.requests[0])[0] == "GET /t/one/api/v1/healthz HTTP/1.1"


def test_an_answer_has_its_status_its_headers_in_lower_case_and_its_json(listen):
    reply = of(listen(OK)).send("GET", "/x")

    assert (reply.status, reply.media_type, reply.json) == (200, "application/json", {})
    assert reply.headers["content-length"] == "2"


def test_a_body_that_is_no_json_is_broken():
    with pytest.raises(Broken, match=r"expected a JSON body, got 5 bytes of text/html with status 502"):
        _ = Reply(502, {"content-type": "text/html"}, b"<html").json
    with pytest.raises(Broken, match="got 0 bytes of no type with status 204"):
        _ = Reply(204, {}, b"").json


@pytest.mark.parametrize(
    ("reply", "pending"),
    [
        (Reply(408, {}, b""), True),
        (Reply(200, {"content-type": "application/json"}, b'{"type": "try_again"}'), True),
        (Reply(200, {"content-type": "application/json"}, b'{"type": "optim_step"}'), False),
        (Reply(200, {"content-type": "application/x-protobuf"}, b"\x0a"), False),
        (Reply(404, {"content-type": "application/json"}, b"{}"), False),
    ],
)
def test_a_poll_is_pending_where_it_says_so(reply, pending):
    assert reply.pending is pending


def test_everything_is_traced_and_keys_and_tokens_are_not_in_it(listen):
    token = b'{"jwt":"eyJhbGciOi.eyJzdWIi-_.c2lnbmF0"}'
    answer = b"HTTP/1.1 201 OK\r\nContent-Length: %d\r\n\r\n" % len(token)
    driver = of(listen(answer + token))

    reply = driver.send("POST", "/api/v1/auth/token", b"{}")

    assert reply.json["jwt"].startswith("eyJhbGciOi.")
    assert driver.trace == [Trace("POST", "/api/v1/auth/token", "{}", 201, '{"jwt":"eyJ…"}')]
    assert "secret" not in repr(driver.trace)


def test_a_trace_shows_the_beginning_of_a_long_body(listen):
    driver = of(listen(OK))

    driver.send("POST", "/x", b"\xff" + b"a" * 3000)

    assert driver.trace[0].request == "\\xff" + "a" * 1999 + "… (3001 bytes)"


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_an_answer_that_is_none_breaks_the_law_and_is_not_asked_for_again(listen, answer):
    listener = listen(answer)
    driver = of(listener)

    with pytest.raises(Broken, match=r"^POST /x: expected an answer, got "):
        driver.send("POST", "/x", b"{}")

    assert (len(listener.requests), [trace.status for trace in driver.trace]) == (1, [0])


def test_a_server_that_is_not_there_breaks_the_law(listen):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    for scheme in ("http", "https"):
        with pytest.raises(Broken, match=r"GET /x: expected an answer, got ConnectionRefusedError"):
            Driver(f"{scheme}://127.0.0.1:{port}", "tml-k", "0.38.0").send("GET", "/x")


def test_one_who_has_less_patience_gives_up_without_a_judgement():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        driver = Driver(f"http://127.0.0.1:{silent.getsockname()[1]}", "tml-k", "0.38.0")

        with pytest.raises(TimeoutError):
            driver.send("GET", "/x", patience=0.01)

    assert [trace.status for trace in driver.trace] == [0]


def test_requests_of_a_talk_share_one_connection(listen):
    listener = listen(OK, OK, OK)

    replies = of(listener).talk(("GET", "/a", None), ("POST", "/b", b"{}"), ("GET", "/c", None))

    assert [reply.status for reply in replies] == [200, 200, 200]
    assert ([head_of(request)[0][:7] for request in listener.requests], listener.connections) == (
        ["GET /a ", "POST /b", "GET /c "],
        1,
    )


def test_raw_bytes_are_all_that_comes_until_the_server_closes(listen):
    driver = of(listen(OK), "/t/one")

    assert driver.raw("HEAD", "/a") == OK
    assert (driver.trace[0].method, driver.trace[0].answer[:15]) == ("HEAD", "HTTP/1.1 200 OK")


def test_a_raw_request_is_closed_and_has_prefix_host_and_key(listen):
    listener = listen(OK)

    of(listener, "/t/one").raw("GET", "/a")

    head = head_of(listener.requests[0])
    assert head == [
        "GET /t/one/a HTTP/1.1",
        f"host: {listener.url.removeprefix('http://')}",
        "x-api-key: tml-secret",
        "connection: close",
    ]


def test_a_raw_request_to_nobody_breaks_the_law():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    driver = Driver(f"http://127.0.0.1:{port}", "tml-k", "0.38.0")

    with pytest.raises(Broken, match=r"^HEAD /a: expected an answer, got ConnectionRefusedError"):
        driver.raw("HEAD", "/a")

    assert [trace.status for trace in driver.trace] == [0]


def test_a_call_fills_path_and_query_and_sends_the_rest(listen):
    listener = listen(OK, OK, OK, OK)
    driver = of(listener)

    driver.call(
        "set_checkpoint_ttl",
        {"training_run_id": "s:0", "segment": "weights", "name": "a b", "ttl_seconds": 9},
    )
    driver.call("list_sessions", {"limit": 5, "access_scope": "ow&ned"})
    driver.call("list_sessions")
    driver.call("optim_step", {"seq_id": 1}, {"x-sdk-method": "m"})

    lines = [head_of(request)[0].rpartition(" ")[0] for request in listener.requests]
    assert lines == [
        "PUT /api/v1/training_runs/s%3A0/checkpoints/weights/a%20b/ttl",
        "GET /api/v1/sessions?limit=5&access_scope=ow%26ned",
        "GET /api/v1/sessions",
        "POST /api/v1/optim_step",
    ]
    assert listener.requests[0].endswith(b'\r\n\r\n{"ttl_seconds": 9}')
    assert "x-sdk-method: m" in head_of(listener.requests[3])


def test_a_request_of_the_contract_is_submitted_in_its_media_type(listen):
    listener = listen(OK)
    given = ForwardBackwardInput(data=[], loss_fn="cross_entropy")
    request = ForwardBackwardRequest(forward_backward_input=given, model_id="m", seq_id=3)

    of(listener).submit("forward_backward", request, PROTOBUF, {"accept": PROTOBUF})

    head, _, body = listener.requests[0].partition(b"\r\n\r\n")
    assert b"content-type: application/x-protobuf" in head
    assert decode(ForwardBackwardRequest, body, PROTOBUF).seq_id == 3
