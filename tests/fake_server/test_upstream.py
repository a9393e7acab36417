"""The way to another server and back: nothing is lost or added, and who leaves here leaves there."""

import asyncio
import gzip
import json
import socket
import threading
import zlib
from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from fake_server.app import create_app
from fake_server.cassettes.cassette import Cassette
from fake_server.cassettes.upstream import Upstream
from fake_server.fake import Fake
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from tests.fake_server.driver import Driver

BIG = 300_000


class Stranger:
    """A server of which the contract knows nothing, and what it was asked."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.bodies: list[bytes] = []
        self.polls: list[tuple[int, bytes, dict[str, str]]] = []
        """What polls are answered with; they hang once it is empty."""
        self.waits, self.left = threading.Event(), threading.Event()
        routes = [
            Route("/api/v1/get_info", self.info, methods=["POST"]),
            Route("/api/v1/optim_step", self.promise, methods=["POST"]),
            Route("/api/v1/retrieve_future", self.wait, methods=["POST"]),
            Route("/api/v1/audit", lambda request: RedirectResponse(f"{request.base_url}elsewhere")),
            Route("/api/v1/get_server_capabilities", self.deflated),
            Route("/api/v1/sessions", lambda _: Response("not json", media_type="application/json")),
            Route("/api/v9/brand_new", lambda _: Response(b"new", headers={"x-new": "1"})),
            Route("/big", self.big),
            Route("/broken", self.broken),
            Route("/endless", self.endless),
        ]
        self.app = Starlette(routes=routes)

    async def info(self, request: Request) -> Response:
        self.seen.append(request)
        self.bodies.append(await request.body())
        body = gzip.compress(json.dumps({"model_data": {"model_name": "x"}, "model_id": "m"}).encode())
        headers = {"content-encoding": "gzip", "x-should-retry": "false", "x-own": "kept"}
        return Response(body, headers=headers, media_type="application/json")

    async def promise(self, _: Request) -> Response:
        return Response(b'{"request_id": "r-1"}', media_type="application/json")

    async def wait(self, request: Request) -> Response:
        await request.body()
        if self.polls:
            status, body, headers = self.polls.pop(0)
            return Response(body, status, headers, media_type="application/json")
        self.waits.set()
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        self.left.set()
        return Response()

    async def deflated(self, _: Request) -> Response:
        body = zlib.compress(b'{"supported_models": []}')
        return Response(body, headers={"content-encoding": "deflate"}, media_type="application/json")

    async def big(self, _: Request) -> Response:
        parts = (bytes([65 + n]) * (BIG // 3) for n in range(3))
        return StreamingResponse(_each(parts), headers={"etag": "1"})

    async def broken(self, _: Request) -> Response:
        async def parts():
            yield b"x"
            raise OSError("expected by the test")

        return StreamingResponse(parts(), headers={"content-length": str(BIG)})

    async def endless(self, request: Request) -> Response:
        async def parts():
            try:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(0.01)
            finally:
                self.left.set()

        return StreamingResponse(parts())


async def _each(parts):
    for part in parts:
        yield part


@pytest.fixture
def stranger():
    stranger = Stranger()
    with LiveServer(stranger.app) as server:
        stranger.url = server.url
        yield stranger


@pytest.fixture
def proxied(tmp_path):
    """Opens a proxy before an upstream; its client and its cassette."""
    stack = []

    def start(url: str, path: str = "c.jsonl") -> SimpleNamespace:
        server = LiveServer(create_app(open_scripted, control=True)).start()
        fake = Fake(server, "proxy")
        recorder = fake.cassettes.record(tmp_path / path, upstream=url)
        client = httpx.Client(base_url=fake.url, trust_env=False, headers={"x-api-key": "tml-secret-canary"})
        stack.append((client, fake, server))
        return SimpleNamespace(client=client, fake=fake, recorder=recorder, path=tmp_path / path)

    yield start
    for client, fake, server in stack:
        client.close()
        fake.close()
        server.stop()


def test_headers_and_bodies_arrive_as_they_were_sent(stranger, proxied):
    proxy = proxied(stranger.url)
    body = b'{"model_id": "m", "type": "get_info"}'

    reply = proxy.client.post("/api/v1/get_info?a=1%2F2", content=body, headers={"x-odd": "yes"})

    (seen,) = stranger.seen
    assert stranger.bodies == [body]
    assert (seen.headers["x-odd"], seen.headers["x-api-key"]) == ("yes", "tml-secret-canary")
    assert seen.headers["host"] == stranger.url.removeprefix("http://")
    assert seen.scope["query_string"] == b"a=1%2F2"
    assert reply.headers["content-encoding"] == "gzip"
    assert (reply.headers["x-own"], reply.json()["model_id"]) == ("kept", "m")
    (entry,) = proxy.recorder.cassette().entries
    assert entry.headers == {"x-should-retry": "false"}
    assert entry.answer == {"model_data": {"model_name": "x"}, "model_id": "m"}


def test_the_journal_has_what_went_by_decoded(stranger, proxied):
    proxy = proxied(stranger.url)

    proxy.client.post("/api/v1/get_info", json={"model_id": "m"})

    (entry,) = proxy.fake.journal
    assert (entry.request.model_id, entry.answer.model_data.model_name, entry.status) == ("m", "x", 200)


def test_an_answer_of_another_encoding_is_read_too(stranger, proxied):
    proxy = proxied(stranger.url)

    assert proxy.client.get("/api/v1/get_server_capabilities").json() == {"supported_models": []}
    assert proxy.recorder.cassette().entries[0].answer == {"supported_models": []}


def test_an_answer_that_is_none_goes_by_and_is_told(stranger, proxied, caplog):
    proxy = proxied(stranger.url)
    promise = {"model_id": "m", "seq_id": 1, "adam_params": {}}
    proxy.client.post("/api/v1/optim_step", json=promise)

    assert proxy.client.get("/api/v1/sessions").text == "not json"
    proxy.recorder.close()
    assert "not recorded: answer of list_sessions: expected JSON, got 8 bytes that are not" in caplog.text


def test_a_redirect_leads_through_the_proxy(stranger, proxied):
    proxy = proxied(stranger.url)

    reply = proxy.client.get("/api/v1/audit")

    assert reply.status_code == 307
    assert reply.headers["location"] == f"{proxy.fake.url}/elsewhere"


def test_operations_that_the_contract_does_not_know_go_by(stranger, proxied):
    proxy = proxied(stranger.url)

    reply = proxy.client.get("/api/v9/brand_new")

    assert (reply.content, reply.headers["x-new"]) == (b"new", "1")
    assert proxy.recorder.unread == ["GET /t/proxy/api/v9/brand_new: no operation of the contract"]


def test_the_controls_of_a_proxy_are_its_own(stranger, proxied):
    assert proxied(stranger.url).client.get("/-/nothing").status_code == 404


def test_a_large_body_is_streamed(stranger, proxied):
    proxy = proxied(stranger.url)

    reply = proxy.client.get("/big")

    assert (len(reply.content), reply.headers["etag"]) == (BIG, "1")
    assert reply.content == b"A" * (BIG // 3) + b"B" * (BIG // 3) + b"C" * (BIG // 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_body_that_breaks_off_there_breaks_off_here(stranger, proxied):
    proxy = proxied(stranger.url)

    with pytest.raises(httpx.TransportError):
        proxy.client.get("/broken")


def test_who_leaves_a_long_poll_here_leaves_it_there(stranger, proxied):
    proxy = proxied(stranger.url)
    host, port = proxy.fake.url.removeprefix("http://").partition("/")[0].split(":")
    body = b'{"request_id": "r-1"}'
    head = f"POST /t/proxy/api/v1/retrieve_future HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"

    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        assert stranger.waits.wait(10)

    assert stranger.left.wait(10)


def test_who_leaves_a_download_here_leaves_it_there(stranger, proxied):
    proxy = proxied(stranger.url)

    with proxy.client.stream("GET", "/endless") as reply:
        assert next(reply.iter_raw())

    assert stranger.left.wait(10)


def test_an_upstream_that_is_not_there_breaks_the_connection(proxied, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    proxy = proxied(url)

    for path in ("/api/v1/healthz", "/big"):
        with pytest.raises(httpx.TransportError):
            proxy.client.get(path)

    assert f"expected an answer of {url}, got none" in caplog.text
    assert proxy.recorder.cassette().entries == []


def test_in_process_an_upstream_that_is_not_there_is_a_bad_gateway(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    driver = Driver(control=True)
    driver.controls.cassettes.record(tmp_path / "c.jsonl", upstream=url)

    async def both():
        reply = await driver.send("GET", "/api/v1/healthz")
        driver.controls.cassettes.close()
        await asyncio.sleep(0)
        return reply

    reply = asyncio.run(both())
    assert (reply.status, "look whether it runs" in reply.json["detail"]) == (502, True)
    driver.controls.cassettes.close()


def test_an_upstream_is_a_url():
    service = Driver().service

    with pytest.raises(
        ValueError, match=r"upstream: expected a URL such as https://host/path, got 'host:80'"
    ):
        Upstream(service, "host:80")


def test_a_proxy_without_httpx_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tinkerproof\[proxy\]'"):
        Upstream(Driver().service, "http://localhost")


def test_proxies_of_the_environment_are_for_far_upstreams_only():
    urls = ("http://127.0.0.1", "http://localhost", "https://host.invalid")

    assert [Upstream(Driver().service, url)._is_near for url in urls] == [True, True, False]


def test_downloads_are_recorded_and_replayed(tmp_path, proxied):
    with LiveServer(create_app(open_scripted)) as upstream:
        proxy = proxied(upstream.url)
        urls = external_weights(proxy.client)
        files = {name: httpx.get(url, trust_env=False).content for name, url in urls.items()}
        assert all(url.startswith(proxy.fake.url) for url in urls.values())
        proxy.recorder.save()
    replay = Driver(control=True)
    replay.controls.cassettes.replay(proxy.path)
    text = proxy.path.read_text()
    assert "signature" not in text

    with LiveServer(replay.app) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        client.headers["x-api-key"] = "tml-any"
        again = external_weights(client)
        assert {name: client.get(url).content for name, url in again.items()} == files
        assert client.get(f"{server.url}/files/cassette/99").status_code == 404
        assert client.get(f"{server.url}/files/else").status_code == 403


def external_weights(client: httpx.Client) -> dict[str, str]:
    """URLs of a fresh model's files."""

    def ask(path, body):
        return client.post(f"/api/v1/{path}", json=body).json()

    def result(path, body):
        return ask("retrieve_future", {"request_id": ask(path, body)["request_id"]})

    session = ask("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})["session_id"]
    body = {"session_id": session, "model_seq_id": 0, "lora_config": {"rank": 8}}
    model = result("create_model", {**body, "base_model": "tinkerproof/pico"})["model_id"]
    result("save_weights_external", {"model_id": model, "path": "w", "seq_id": 1})
    return client.get(
        f"/api/v1/training_runs/{model}/checkpoints/external_weights/w/external_weights_urls"
    ).json()["urls"]


def test_polls_of_an_upstream_are_recorded_as_outcomes(tmp_path, proxied):
    with LiveServer(create_app(open_scripted)) as upstream:
        proxy = proxied(upstream.url)
        external_weights(proxy.client)
        proxy.recorder.save()

    by_name = {entry.operation: entry for entry in Cassette.load(proxy.path).entries}
    assert by_name["create_model"].outcome == {"model_id": "<model:1>", "type": "create_model"}
    assert by_name["get_external_weights_urls"].answer["expires"] == "<later>"


def polled(proxy: SimpleNamespace, stranger: Stranger, *polls: tuple[int, bytes, dict[str, str]]):
    """The entry of a promise that is polled, and what the journal has of the polls."""
    stranger.polls = list(polls)
    step = {"model_id": "m", "seq_id": 1, "adam_params": {"learning_rate": 0.1}}
    promise = proxy.client.post("/api/v1/optim_step", json=step).json()
    for _ in polls:
        proxy.client.post("/api/v1/retrieve_future", json=promise)
    (entry,) = proxy.recorder.cassette().entries
    return entry, [e.answer for e in proxy.fake.journal if e.operation == "retrieve_future"]


PENDING = (408, b'{"type": "try_again", "request_id": "r-1", "queue_state": "paused_capacity"}', {})
LARGE = (200, b'{"status": "complete_metadata", "response_payload_size": 5}', {})
DONE = (200, b'{"metrics": {"a": 1.0}}', {})


def test_polls_before_the_outcome_are_kept_beside_it(stranger, proxied):
    entry, said = polled(proxied(stranger.url), stranger, PENDING, LARGE, DONE, DONE)

    assert entry.pending == ({"queue_state": "paused_capacity"},)
    assert entry.outcome == {"metrics": {"a": 1.0}}
    names = ["TryAgainResponse", "FutureMetadata", "OptimStepResponse", "OptimStepResponse"]
    assert [type(answer).__name__ for answer in said] == names


def test_a_failure_is_the_outcome(stranger, proxied):
    failed = (200, b'{"error": "no", "category": "user"}', {})

    entry, said = polled(proxied(stranger.url), stranger, failed)

    assert entry.outcome == {"error": "no", "category": "user"}
    assert type(said[0]).__name__ == "RequestFailedResponse"


def test_a_poll_that_was_refused_is_kept_as_such(stranger, proxied):
    entry, _ = polled(proxied(stranger.url), stranger, (500, b"{}", {}), (410, b'{"detail": "gone"}', {}))

    assert entry.refusal == {"status": 410, "answer": {"detail": "gone"}}
    assert entry.outcome is None


def test_a_result_that_is_none_goes_by_and_is_told(stranger, proxied):
    proxy = proxied(stranger.url)

    entry, said = polled(
        proxy, stranger, (200, b'{"metrics": 5}', {}), (200, b"??", {"content-encoding": "br"})
    )

    assert entry.outcome is None
    assert proxy.recorder.unread[0].startswith("result of optim_step: metrics: expected")
    assert "content-encoding: expected gzip, zstd or identity, got 'br'" in proxy.recorder.unread[1]
    assert said[0] == {"metrics": 5}
