"""The network guard: while it is active, whoever reaches beyond this machine's loopback hears of it at once.

Guarded are Python's sockets and name lookups, the event loops of asyncio and uvloop, anyio, and pyqwest, the
Rust transport of the SDK, which no mock of Python's sockets sees. Not guarded are other processes, redirects
that pyqwest follows by itself, and other extensions that open sockets without Python.
"""

import asyncio
import ipaddress
import socket
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache, wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FrameType, ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

__all__ = ["NetworkBlocked", "network_guard"]

INTERNET = (socket.AF_INET, socket.AF_INET6)
LIBRARIES = tuple(
    sorted({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
)
"""Where code lies that is nobody's own."""
VERBS = ("get", "post", "delete", "head", "options", "patch", "put")


class NetworkBlocked(BaseException):
    """Something reached beyond loopback.

    Not an `Exception`: clients retry those, the SDK for five minutes, and the test would hang.
    """

    def __init__(self, host: str, caller: str) -> None:
        super().__init__(
            f"network: expected only loopback while a fake is in use, got {host!r}, asked for at {caller}; "
            "give the client the fake's url, or switch the guard off for this test"
        )
        self.host = host
        """A name or an address."""
        self.caller = caller
        """`file:line`."""


class _Point(NamedTuple):
    """A place that connections and lookups pass, and where it is told the host."""

    holder: Any
    name: str
    position: int
    """Of the argument; from 0, `self` included; from the end where negative."""
    keyword: str
    host_of: Callable[[Any, tuple[Any, ...]], object]
    """The host in that argument; None where there is none to judge."""


def _from_address(address: Any, arguments: tuple[Any, ...]) -> object:
    """Of a socket's method: only the internet's families have hosts, and only tuples are their addresses."""
    if arguments[0].family not in INTERNET or not isinstance(address, tuple) or not address:
        return None
    return address[0]


def _from_pair(address: Any, _arguments: tuple[Any, ...]) -> object:
    return address[0] if isinstance(address, tuple) else None


def _from_name(host: Any, _arguments: tuple[Any, ...]) -> object:
    """Of a lookup: numbers are only parsed, and this machine's own name stays in it."""
    text = _text(host)
    return None if text is None or _address(text) or text == socket.gethostname() else text


def _from_host(host: Any, _arguments: tuple[Any, ...]) -> object:
    return host


def _from_url(url: Any, _arguments: tuple[Any, ...]) -> object:
    return urlsplit(url).hostname if isinstance(url, str) else None


def _from_request(request: Any, _arguments: tuple[Any, ...]) -> object:
    return urlsplit(request.url).hostname


def _own_points() -> Iterator[_Point]:
    """The places in Python's own library."""
    for name, position in (("connect", 1), ("connect_ex", 1), ("sendto", -1)):
        yield _Point(socket.socket, name, position, "address", _from_address)
    yield _Point(socket.socket, "sendmsg", 4, "address", _from_address)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        yield _Point(socket, name, 0, "host", _from_name)
    yield from _loop_points(asyncio.BaseEventLoop)


def _loop_points(loop: Any) -> Iterator[_Point]:
    """Where a loop is asked, not where it acts: there the asking code is still on the stack."""
    yield _Point(loop, "create_connection", 2, "host", _from_host)
    yield _Point(loop, "create_datagram_endpoint", 3, "remote_addr", _from_pair)
    yield _Point(loop, "getaddrinfo", 1, "host", _from_name)


def _uvloop_points(uvloop: Any) -> Iterator[_Point]:
    yield from _loop_points(uvloop.Loop)
    yield _Point(uvloop.Loop, "sock_connect", 2, "address", _from_pair)


def _anyio_points(anyio: Any) -> Iterator[_Point]:
    yield _Point(anyio, "connect_tcp", 0, "remote_host", _from_host)


def _pyqwest_points(pyqwest: Any) -> Iterator[_Point]:
    yield _Point(pyqwest.HTTPTransport, "execute", 1, "request", _from_request)
    yield _Point(pyqwest.SyncHTTPTransport, "execute_sync", 1, "request", _from_request)
    for client in (pyqwest.Client, pyqwest.SyncClient):
        for verb in VERBS:
            yield _Point(client, verb, 1, "url", _from_url)
        for name in ("execute", "stream"):
            yield _Point(client, name, 2, "url", _from_url)


POINTS_OF: dict[str, Callable[[Any], Iterator[_Point]]] = {
    "anyio": _anyio_points,
    "pyqwest": _pyqwest_points,
    "uvloop": _uvloop_points,
}
"""The places in packages, which may be imported while the guard is active."""


class _Arrivals(MetaPathFinder):
    """Hears of those packages as they are imported: importing them all beforehand would take 0.1 s."""

    def __init__(self, stand: Callable[[ModuleType], None]) -> None:
        self._stand = stand

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The package as everybody else finds it; what runs it calls `stand`, too."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname in POINTS_OF else None
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader

        def run(module: ModuleType) -> None:
            del loader.exec_module
            loader.exec_module(module)
            self._stand(module)

        loader.exec_module = run
        return spec


class _Guard:
    """The one guard of this process, shared by all who ask for it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holders: list[list[NetworkBlocked]] = []
        self._undo: list[Callable[[], None]] = []
        self._arrivals = _Arrivals(self._arrive)

    def enter(self) -> list[NetworkBlocked]:
        """One more asks for it."""
        blocked: list[NetworkBlocked] = []
        with self._lock:
            self._holders.append(blocked)
            if len(self._holders) == 1:
                self._stand()
        return blocked

    def _stand(self) -> None:
        self._undo = [self._stand_at(point) for point in _own_points()]
        sys.meta_path.insert(0, self._arrivals)
        for name in POINTS_OF:
            if name in sys.modules:
                self._arrive(sys.modules[name])

    def _arrive(self, module: ModuleType) -> None:
        with self._lock:
            if self._holders:
                self._undo += [self._stand_at(point) for point in POINTS_OF[module.__name__](module)]

    def leave(self, blocked: list[NetworkBlocked]) -> None:
        """One less does; the last one's leaving puts back what was there."""
        with self._lock:
            self._holders = [holder for holder in self._holders if holder is not blocked]
            if self._holders:
                return
            sys.meta_path.remove(self._arrivals)
            while self._undo:
                self._undo.pop()()

    def _stand_at(self, point: _Point) -> Callable[[], None]:
        holder, name = point.holder, point.name
        own = vars(holder).get(name)
        passed = getattr(holder, name)

        @wraps(passed)
        def guarded(*arguments: Any, **named: Any) -> Any:
            self._judge(point, arguments, named)
            return passed(*arguments, **named)

        setattr(holder, name, guarded)

        def undo() -> None:
            if own is None:
                delattr(holder, name)
            else:
                setattr(holder, name, own)

        return undo

    def _judge(self, point: _Point, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        at = point.position
        here = -len(arguments) <= at < len(arguments)
        given = named.get(point.keyword, arguments[at] if here else None)
        host = None if given is None else _text(point.host_of(given, arguments))
        if host is None or is_local(host):
            return
        blocked = NetworkBlocked(host, _caller())
        for holder in self._holders[:]:
            holder.append(blocked)
        raise blocked


_GUARD = _Guard()


@contextmanager
def network_guard() -> Iterator[list[NetworkBlocked]]:
    """Let nothing in this process connect, send or look up beyond loopback; unix sockets are free.

    May be entered again, from any thread; the last one to leave ends it.

    Yields:
        What was blocked since, for who wants to know of what a client swallowed.
    """
    blocked = _GUARD.enter()
    try:
        yield blocked
    finally:
        _GUARD.leave(blocked)


@lru_cache(maxsize=1024)
def is_local(host: str) -> bool:
    """Whether a name or an address is this machine's loopback; none and 0.0.0.0 are."""
    name = host.rstrip(".").lower()
    if name in ("", "localhost", "ip6-localhost") or name.endswith(".localhost"):
        return True
    address = _address(name)
    if address is None:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return bool(plain.is_loopback or plain.is_unspecified)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(text.strip("[]"))
    return None


def _text(host: object) -> str | None:
    if isinstance(host, bytes | bytearray):
        return bytes(host).decode("ascii", "replace")
    return host if isinstance(host, str) else None


def _caller() -> str:
    """The nearest code that is no library; the nearest library where its thread runs nothing else."""
    frame: FrameType | None = sys._getframe(1)
    nearest = ""
    while frame is not None:
        path = frame.f_code.co_filename
        if path != __file__:
            place = f"{path}:{frame.f_lineno}"
            nearest = nearest or place
            if not path.startswith((*LIBRARIES, "<frozen")):
                return place
        frame = frame.f_back
    return nearest
