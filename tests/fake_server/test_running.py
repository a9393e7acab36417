"""The live server: ready when started, quick on loopback, gone when stopped."""

import asyncio
import json
import socket
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contract import BackendOptions
from fake_server.app import create_app, for_tenant
from fake_server.clock import VirtualClock
from fake_server.fake import API_KEY, Fake
from fake_server.running import LiveServer, bound_socket, find_backend
from fake_server.scripted import open_scripted
from fake_server.settings import Settings
from tests.fake_server.driver import Driver, exchange
from tests.fake_server.offers import offer_backend


def test_a_live_server_answers_until_it_is_stopped():
    with LiveServer(create_app(open_scripted)) as server:
        url = f"{server.url}/api/v1/healthz"
        assert json.load(urllib.request.urlopen(url)) == {"status": "ok"}

    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)


def test_the_listening_socket_names_tcp_so_that_answers_are_not_delayed():
    sock = bound_socket()

    assert sock.proto == socket.IPPROTO_TCP
    sock.close()


def test_a_socket_that_cannot_be_bound_is_closed():
    sock = bound_socket()
    port = sock.getsockname()[1]
    sock.listen()

    with pytest.raises(OSError, match="Address already in use"):
        bound_socket(port=port)
    sock.close()


def test_a_server_whose_app_does_not_start_says_so():
    def broken(_: Starlette) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="server: expected it to start"):
        LiveServer(Starlette(lifespan=broken)).start()


def test_backends_are_found_by_name():
    assert find_backend("scripted") is open_scripted
    with pytest.raises(LookupError, match=r"backend: expected one of .*scripted.*, got 'nope'"):
        find_backend("nope")


def test_a_backend_that_lacks_a_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "reference_engine.backend", None)

    with pytest.raises(LookupError, match=r"'torch'.*reference_engine.*pip install 'tinkerproof\[engine\]'"):
        find_backend("torch")


def test_a_backend_of_others_that_lacks_a_package_names_it(tmp_path, monkeypatch):
    offer_backend(tmp_path, monkeypatch, "theirs", "import nowhere_to_be_found")

    with pytest.raises(LookupError, match=r"'theirs'.*nowhere_to_be_found.*install what it needs"):
        find_backend("theirs")


def test_options_that_a_backend_cannot_honour_are_told_before_anything_is_served():
    with pytest.raises(ValueError, match="--threads: expected none, got 3; the scripted backend"):
        create_app(open_scripted, options=BackendOptions(threads=3))


def test_a_fake_is_one_tenant_by_url_and_in_process(tinker_fake):
    request = urllib.request.Request(
        f"{tinker_fake.url}/api/v1/create_session",
        data=b'{"tags":[],"user_metadata":{},"sdk_version":"0.38.0"}',
        headers={"X-API-Key": tinker_fake.api_key, "Content-Type": "application/json"},
    )
    session = json.load(urllib.request.urlopen(request))["session_id"]

    headers = {"x-api-key": API_KEY}
    reply = asyncio.run(exchange(tinker_fake.asgi, "GET", "/api/v1/sessions", [b""], headers))
    assert reply.json == {"sessions": [session]}
    assert [record.session_id for record in tinker_fake.service.store.sessions] == [session]


def test_a_fake_says_who_and_where_it_is(tinker_fake):
    assert repr(tinker_fake) == f"Fake({tinker_fake.name!r} at {tinker_fake.url})"


def test_every_tenant_has_a_clock_of_its_own():
    tenants = create_app(open_scripted, clocks=VirtualClock).state.tenants
    tenants.get("a").clock.advance(60)

    assert tenants.get("a").clock.now() == tenants.get("b").clock.now() + 60


def test_the_seed_is_the_settings():
    seeds = []

    def watch(options):
        seeds.append(options.seed)
        return open_scripted(options)

    app = create_app(watch, Settings(seed=7), options=BackendOptions(base_models=("a/b",)))
    app.state.tenants.add("x", Settings(seed=8))

    assert seeds == [7, 8]
    with pytest.raises(ValueError, match=r"options\.seed: expected 7, as settings.seed has, got 3"):
        create_app(watch, Settings(seed=7), options=BackendOptions(seed=3))


class Watched(VirtualClock):
    """Tells when a poll waits, and when it no longer does."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.dropped = threading.Event(), threading.Event()

    def call_at(self, when, callback):
        cancel = super().call_at(when, callback)
        self.held.set()
        return lambda: (cancel(), self.dropped.set())


def test_a_poll_over_a_connection_that_breaks_is_dropped():
    driver = Driver(app=create_app(open_scripted, clocks=Watched))
    body = json.dumps(driver.answer("optim_step", driver.step(driver.model(), 2))).encode()
    with LiveServer(driver.app) as server:
        client = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
        head = f"POST /api/v1/retrieve_future HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n"
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert driver.clock.held.wait(10)
        assert not driver.clock.dropped.is_set()

        client.close()

        assert driver.clock.dropped.wait(10)


def test_polls_that_wait_are_answered_before_the_server_stops(caplog):
    driver = Driver(app=create_app(open_scripted, clocks=Watched))
    request_id = driver.answer("optim_step", driver.step(driver.model(), 2))["request_id"]
    server = LiveServer(driver.app).start()
    poll = urllib.request.Request(
        f"{server.url}/api/v1/retrieve_future",
        data=json.dumps({"request_id": request_id}).encode(),
        headers={"X-API-Key": API_KEY, "Content-Type": "application/json"},
    )
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(urllib.request.urlopen, poll)
        assert driver.clock.held.wait(10)
        server.stop()

        with pytest.raises(urllib.error.HTTPError, match="408") as answer:
            waiting.result()
    answer.value.close()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_any_app_can_be_served():
    async def hello(request: Request) -> Response:
        return Response("hello")

    with LiveServer(Starlette(routes=[Route("/", hello)])) as server:
        assert urllib.request.urlopen(server.url).read() == b"hello"


def test_the_environment_points_a_client_at_the_fake(tinker_fake):
    env = tinker_fake.env()

    assert env["TINKER_BASE_URL"] == tinker_fake.url
    assert env["TINKER_API_KEY"].startswith("tml-")
    assert env["NO_PROXY"] == "127.0.0.1"


def test_two_fakes_do_not_see_each_other(tinker_fake, tinker_fake_server):
    other = Fake(tinker_fake_server, "another")
    tinker_fake.service.open_implicit_session("s")

    assert len(other.service.store.sessions) == 0
    other.close()


def test_a_closed_fake_is_forgotten_and_its_clients_are_closed(tinker_fake_server):
    fake = Fake(tinker_fake_server, "short")
    fake.service.open_implicit_session("s")
    client = fake.service_client()
    assert client.create_lora_training_client(base_model="tinkerproof/pico", rank=4).result()

    fake.close()

    names = [service.name for service in tinker_fake_server.app.state.tenants]
    assert "short" not in names


def test_the_app_ends_its_tenants_with_itself():
    driver = Driver()
    driver.session()

    async def life() -> None:
        async with driver.app.router.lifespan_context(driver.app):
            pass

    asyncio.run(life())
    assert len(driver.app.state.tenants) == 0


def test_a_backend_that_takes_long_computes_beside_the_event_loop():
    def open_slow(options):
        backend = open_scripted(options)
        backend.concurrent = True
        return backend

    driver = Driver(app=create_app(open_slow))
    model_id = driver.answer("create_model", _model(driver.session()))["request_id"]

    assert driver.poll(model_id).json["model_id"]
    driver.app.state.tenants.close()


def _model(session_id: str) -> dict[str, object]:
    body = {"session_id": session_id, "model_seq_id": 0, "base_model": "tinkerproof/pico"}
    return {**body, "lora_config": {"rank": 2}}


def test_clients_that_cannot_be_closed_are_left_alone(tinker_fake_server, monkeypatch):
    class OldClient:
        """As before 0.27.2."""

        def __init__(self, **options: object) -> None:
            self.options = options

    monkeypatch.setattr("tinker.ServiceClient", OldClient)
    fake = Fake(tinker_fake_server, "old")

    client = fake.service_client(project_id="p")
    fake.close()

    assert client.options == {"base_url": fake.url, "api_key": API_KEY, "project_id": "p"}


def test_a_signed_url_works_by_the_app_that_gave_it(tinker_fake):
    driver = Driver(app=tinker_fake.asgi)
    url = driver.get(f"sessions/{driver.session()}/trace_export").json["url"]

    assert driver.get(url.removeprefix("http://fake.test")).status == 200


def test_an_app_of_one_tenant_shows_no_other(tinker_fake):
    reply = Driver(app=tinker_fake.asgi).get("/t/default/api/v1/healthz")

    assert reply.status == 404
    assert "no operation GET /t/default/api/v1/healthz" in reply.json["detail"]


def test_the_start_and_end_of_an_app_of_one_tenant_are_its_own(tinker_fake, tinker_fake_server):
    tinker_fake.service.open_implicit_session("s")

    assert asyncio.run(lifespan(tinker_fake.asgi)) == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert len(tinker_fake.service.store.sessions) == 1


async def lifespan(app) -> list[str]:
    told: list[str] = []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        told.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    return told


@pytest.mark.parametrize("app", [create_app(open_scripted), for_tenant(create_app(open_scripted), "a")])
def test_a_websocket_is_refused(app):
    told = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        told.append(message["type"])

    scope = {"type": "websocket", "path": "/api/v1/healthz", "headers": [], "asgi": {"version": "3.0"}}
    asyncio.run(app(scope, receive, send))
    assert told == ["websocket.close"]


def test_middleware_that_is_added_sees_the_requests():
    seen: list[str] = []

    class Watch:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            seen.append(scope["type"])
            await self.app(scope, receive, send)

    app = create_app(open_scripted)
    app.add_middleware(Watch)

    assert Driver(app=app).get("healthz").status == 200
    assert seen == ["http"]
