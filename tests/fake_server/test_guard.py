"""The network guard: nothing of this process gets beyond loopback, and whoever tries hears where and why."""

import asyncio
import importlib
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx
import pyqwest
import pytest
import tinker
import uvloop

from fake_server import guard
from fake_server.guard import NetworkBlocked, network_guard

FAR = "192.0.2.1"
"""An address of documentation: nobody has it."""


def tcp(act: Callable[[socket.socket], object]) -> None:
    with socket.socket() as sock:
        act(sock)


def udp(act: Callable[[socket.socket], object]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        act(sock)


async def fetched() -> None:
    async with httpx.AsyncClient() as client:
        await client.get(f"http://{FAR}")


async def rusty(url: str) -> None:
    await pyqwest.Client().execute("GET", url=url)


async def datagrams() -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(FAR, 1))


async def looked_up() -> None:
    await asyncio.get_running_loop().getaddrinfo("far.example", 80)


async def by_socket() -> None:
    with socket.socket() as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (FAR, 1))


WAYS: dict[str, Callable[[], object]] = {
    "connect": lambda: tcp(lambda sock: sock.connect((FAR, 80))),
    "connect_ex": lambda: tcp(lambda sock: sock.connect_ex((FAR, 80))),
    "connect6": lambda: socket.create_connection(("2001:db8::1", 80)),
    "sendto": lambda: udp(lambda sock: sock.sendto(b"x", (FAR, 53))),
    "sendto with flags": lambda: udp(lambda sock: sock.sendto(b"x", 0, (FAR, 53))),
    "sendmsg": lambda: udp(lambda sock: sock.sendmsg([b"x"], [], 0, (FAR, 53))),
    "getaddrinfo": lambda: socket.getaddrinfo("far.example", 80),
    "getaddrinfo of bytes": lambda: socket.getaddrinfo(b"far.example", 80),
    "gethostbyname": lambda: socket.gethostbyname("far.example"),
    "gethostbyname_ex": lambda: socket.gethostbyname_ex("far.example"),
    "urllib": lambda: urllib.request.urlopen(f"http://{FAR}"),
    "httpx": lambda: httpx.get(f"http://{FAR}"),
    "httpx on a loop": lambda: asyncio.run(fetched()),
    "asyncio": lambda: asyncio.run(asyncio.open_connection(FAR, 80)),
    "asyncio by name": lambda: asyncio.run(looked_up()),
    "asyncio datagrams": lambda: asyncio.run(datagrams()),
    "asyncio by socket": lambda: asyncio.run(by_socket()),
    "uvloop": lambda: uvloop.run(asyncio.open_connection(FAR, 80)),
    "uvloop datagrams": lambda: uvloop.run(datagrams()),
    "uvloop by socket": lambda: uvloop.run(by_socket()),
    "pyqwest": lambda: pyqwest.SyncClient().get(f"http://{FAR}/"),
    "pyqwest on a loop": lambda: asyncio.run(rusty(f"http://{FAR}/")),
    "pyqwest's transport": lambda: pyqwest.SyncHTTPTransport().execute_sync(
        pyqwest.SyncRequest("GET", f"http://{FAR}/")
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_leaves_the_machine_is_stopped_and_the_place_told(way):
    with (
        network_guard(),
        pytest.raises(NetworkBlocked, match=r"expected only loopback.*got '[\w.:]+', asked for at") as caught,
    ):
        WAYS[way]()

    assert caught.value.host in (FAR, "2001:db8::1", "far.example")
    assert Path(caught.value.caller.rpartition(":")[0]).name == Path(__file__).name


def test_the_published_sdk_fails_at_once_instead_of_retrying():
    service = tinker.ServiceClient(base_url=f"http://{FAR}", api_key="tml-x")

    with network_guard() as blocked, pytest.raises(NetworkBlocked, match=FAR):
        service.create_lora_training_client("a/b", rank=8).result()

    assert blocked[0].host == FAR


def test_a_place_without_anybodys_code_is_told_as_the_library():
    with network_guard() as blocked:
        thread = threading.Thread(target=_swallowed, args=(socket.gethostbyname, "far.example"))
        thread.start()
        thread.join()
        blocked.clear()
        asyncio.run(asyncio.to_thread(_swallowed, socket.gethostbyname, "far.example"))

    assert Path(__file__).name in blocked[0].caller


def _swallowed(act: Callable[[str], object], host: str) -> None:
    with pytest.raises(NetworkBlocked):
        act(host)


def test_in_a_thread_of_libraries_the_nearest_of_them_is_named():
    with network_guard() as blocked:
        loop = asyncio.new_event_loop()
        future = loop.run_in_executor(None, socket.gethostbyname, "far.example")
        with pytest.raises(NetworkBlocked):
            loop.run_until_complete(future)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    assert "thread.py:" in blocked[0].caller


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "localhost", "LocalHost.", "a.localhost", "::1", "[::1]", ""]
)
def test_loopback_has_many_names(host):
    assert guard.is_local(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::ffff:127.0.0.1"])
def test_the_address_of_nobody_is_this_machine(host):
    assert guard.is_local(host)


@pytest.mark.parametrize(
    "host", ["192.168.0.1", "::ffff:8.8.8.8", "127.example", "localhost.example", "8.8.8.8"]
)
def test_what_only_looks_like_loopback_is_not(host):
    assert not guard.is_local(host)


def test_loopback_goes_on_by_every_way(tinker_fake):
    url = f"{tinker_fake.url}/api/v1/healthz"
    with network_guard() as blocked:
        assert urllib.request.urlopen(url).status == 200
        assert httpx.get(url).status_code == 200
        assert pyqwest.SyncClient().get(url).status == 200
        assert asyncio.run(pyqwest.Client().get(url)).status == 200
        uvloop.run(_opened(tinker_fake.url))

    assert blocked == []


async def _opened(url: str) -> None:
    host, port = url.split("/")[2].split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
    await writer.wait_closed()


def test_unix_sockets_are_free(tmp_path):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        with network_guard():
            client.connect(str(tmp_path / "s"))


def test_a_sent_packet_needs_no_address_on_a_connected_socket():
    left, right = socket.socketpair()
    with left, right, network_guard():
        left.sendmsg([b"x"])
        assert right.recv(1) == b"x"


def test_numbers_and_the_machines_own_name_are_looked_up():
    with network_guard() as blocked:
        assert socket.getaddrinfo(FAR, 80)
        assert socket.getaddrinfo(None, 80)
        assert socket.getfqdn()

    assert blocked == []


def test_wrong_arguments_get_their_own_error():
    with network_guard(), socket.socket() as sock:
        with pytest.raises(TypeError, match="exactly one argument"):
            sock.connect()
        with pytest.raises(TypeError, match="must be tuple"):
            sock.connect(5)
        with pytest.raises(TypeError):
            pyqwest.SyncClient().get(5)


def _surroundings() -> list[object]:
    modules = [sys.modules[name] for name in guard.POINTS_OF]
    points = [*guard._own_points(), *(p for m in modules for p in guard.POINTS_OF[m.__name__](m))]
    return [*sys.meta_path, *((p.holder, p.name, vars(p.holder).get(p.name)) for p in points)]


def test_afterwards_all_is_as_it_was():
    before = _surroundings()

    with network_guard():
        assert _surroundings() != before

    assert _surroundings() == before


def test_an_error_inside_ends_it_too():
    before = _surroundings()

    with pytest.raises(KeyError), network_guard():
        raise KeyError

    assert _surroundings() == before


def test_it_holds_until_the_last_one_leaves():
    with network_guard() as outer:
        with network_guard() as inner:
            _swallowed(socket.gethostbyname, "a.example")
        _swallowed(socket.gethostbyname, "b.example")

    assert [[one.host for one in blocked] for blocked in (outer, inner)] == [
        ["a.example", "b.example"],
        ["a.example"],
    ]


def test_threads_that_enter_and_leave_do_not_disturb_each_other():
    before = _surroundings()
    start = threading.Barrier(8)
    told: list[int] = []

    def enter_often() -> None:
        start.wait()
        for _ in range(20):
            with network_guard() as blocked:
                _swallowed(socket.gethostbyname, "far.example")
            told.append(len(blocked))

    threads = [threading.Thread(target=enter_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == 160
    assert min(told) >= 1
    assert _surroundings() == before


LATE = """
import importlib.util, sys
from fake_server.guard import NetworkBlocked, network_guard
assert not {"anyio", "pyqwest"} & set(sys.modules)
with network_guard():
    import pyqwest
    try:
        pyqwest.SyncClient().get("http://192.0.2.1/")
    except NetworkBlocked as blocked:
        print(blocked.host)
    spec = importlib.util.find_spec("anyio")
module = importlib.util.module_from_spec(spec)
sys.modules["anyio"] = module
spec.loader.exec_module(module)
print(hasattr(module.connect_tcp, "__wrapped__"), hasattr(pyqwest.SyncClient.get, "__wrapped__"))
"""


def test_what_is_imported_later_is_guarded_as_long_as_the_guard_is_active():
    run = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)

    assert run.stdout.split() == [FAR, "False", "False"]


def test_a_package_that_is_not_installed_is_not_found(monkeypatch):
    monkeypatch.setitem(guard.POINTS_OF, "nowhere_to_be_found", guard._anyio_points)

    with network_guard(), pytest.raises(ModuleNotFoundError):
        importlib.import_module("nowhere_to_be_found")
