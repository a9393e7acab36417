"""`Upstream`: another server of the Tinker API, and how a request goes there and comes back as it was.

Needs httpx: `pip install 'tinkerproof[proxy]'`.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from starlette.types import Scope, Send

from contract import Deferred, Endpoint
from fake_server.cassettes.decoding import typed_answer, typed_request
from fake_server.cassettes.urls import WITH_URLS, own_url
from fake_server.front import transport_of
from fake_server.service import Service
from fake_server.tenants import PREFIX
from fake_server.traffic import ClientGone, Exchange, Serve
from fake_server.wire import Answer, Incoming, send_whole

if TYPE_CHECKING:
    import httpx

__all__ = ["Upstream"]

log = logging.getLogger("tinkerproof")
T = TypeVar("T")
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "host", "content-length"}
)
"""Headers of one connection (source: RFC 9110, section 7.6.1), the length, and the host, which is another."""
CONNECT_SECONDS = 10.0
"""Ours: how long a connection may take; an answer may take for ever, as a long poll does."""
WHOLE_BYTES = 64 * 1024
"""Ours: a file up to it is read before it is passed on, for recorders; larger ones are streamed."""
BAD_GATEWAY = 502


class Upstream:
    """An interceptor that sends every request to another server."""

    def __init__(self, service: Service, url: str) -> None:
        """Prepare; the first request connects.

        Raises:
            ValueError: if `url` is no http URL.
            ModuleNotFoundError: if httpx is not installed, saying how to get it.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"upstream: expected a URL such as https://host/path, got {url!r}")
        try:
            import httpx
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "upstream: expected httpx, got no such package; pip install 'tinkerproof[proxy]'"
            ) from None
        self._httpx = httpx
        self.url = url.rstrip("/")
        self._is_near = _is_loopback(parts.hostname)
        self._service = service
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._promised: dict[str, Deferred[Any, Any]] = {}
        """Rows by the id of the promise."""

    async def __call__(self, exchange: Exchange, row: Endpoint, incoming: Incoming, _serve: Serve) -> Answer:
        """Send a request there."""
        exchange.request = typed_request(row, incoming, self._service.settings.max_body_bytes)
        answer = await self.forward(row, incoming)
        promised = self._promised.get(getattr(exchange.request, "request_id", ""))
        exchange.answer = typed_answer(row, answer, self._service.settings.max_body_bytes, promised)
        request_id = getattr(exchange.answer, "request_id", None)
        if isinstance(row, Deferred) and request_id is not None:
            self._promised[request_id] = row
        return answer

    async def serve_stray(self, incoming: Incoming, _serve: Serve) -> Answer:
        """Send there what is no operation: downloads, and operations that the contract does not know."""
        try:
            response = await _unless_gone(incoming, self._open(incoming, dict(incoming.headers)))
            length = response.headers.get("content-length", "")
            if length.isdecimal() and int(length) <= WHOLE_BYTES:
                return self._answer(incoming, response, await _unless_gone(incoming, _whole(response)))
        except self._httpx.TransportError as error:
            return self._broken(incoming, error)
        return self._streamed(incoming, response)

    async def forward(self, row: Endpoint, incoming: Incoming) -> Answer:
        """The answer of the other server; where there is none the connection breaks, as it did there."""
        headers = dict(incoming.headers)
        if row.name in WITH_URLS:
            headers["accept-encoding"] = "identity"  # so that the URLs can be made ours

        async def exchange() -> Answer:
            response = await self._open(incoming, headers)
            return self._answer(incoming, response, await _whole(response), row.name in WITH_URLS)

        try:
            return await _unless_gone(incoming, exchange())
        except self._httpx.TransportError as error:
            return self._broken(incoming, error)

    async def ask(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None = None
    ) -> tuple[int, Any]:
        """Ask the other server something of our own; status and JSON, 502 where it does not answer."""
        request = self._httpx.Request(method, self.url + path, json=body, headers=headers)
        try:
            response = await self._connected().send(request)
            return response.status_code, response.json() if response.content else None
        except (self._httpx.TransportError, ValueError) as error:
            log.warning("%s: expected an answer of %s, got none: %s", path, self.url, error)
            return BAD_GATEWAY, {"detail": f"upstream: expected an answer of {self.url}, got none"}

    async def _open(self, incoming: Incoming, headers: dict[str, str]) -> "httpx.Response":
        query = f"?{incoming.query.decode('latin-1')}" if incoming.query else ""
        request = self._httpx.Request(
            incoming.method,
            self.url + self._path(incoming) + query,
            headers=[(name, value) for name, value in headers.items() if name not in HOP_BY_HOP],
            content=incoming.body,
        )
        return await self._connected().send(request, stream=True)

    def _path(self, incoming: Incoming) -> str:
        return incoming.raw_path.decode("latin-1").removeprefix(f"{PREFIX}{self._service.name}")

    def _connected(self) -> "httpx.AsyncClient":
        """The client of the server's loop."""
        if self._client is None:
            self._loop = asyncio.get_running_loop()
            self._client = self._httpx.AsyncClient(
                timeout=self._httpx.Timeout(None, connect=CONNECT_SECONDS),
                limits=self._httpx.Limits(max_connections=None, max_keepalive_connections=100),
                trust_env=not self._is_near,
            )
        return self._client

    def _answer(
        self, incoming: Incoming, response: "httpx.Response", body: bytes, with_urls: bool = False
    ) -> Answer:
        headers = {name: value for name, value in response.headers.items() if name not in HOP_BY_HOP}
        ours = own_url(incoming).partition("/api/")[0]
        if "location" in headers:
            headers["location"] = headers["location"].replace(self.url, ours)
        if with_urls:
            body = body.replace(self.url.encode(), ours.encode())
        media_type = headers.pop("content-type", "application/json")
        return Answer(response.status_code, body, media_type, headers)

    def _streamed(self, incoming: Incoming, response: "httpx.Response") -> Answer:
        async def sending(answer: Answer, scope: Scope, send: Send) -> None:
            headers = [(n, v) for n, v in response.headers.raw if n.decode().lower() not in STREAM_DROPPED]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})

            async def pump() -> None:
                async for part in response.aiter_raw():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})

            try:
                await _unless_gone(incoming, pump())
            except ClientGone:
                pass
            except self._httpx.TransportError as error:
                log.warning("%s broke off: %s", own_url(incoming).partition("?")[0], error)
                await _break(answer, scope, send)
            finally:
                await response.aclose()

        return Answer(response.status_code, b"", sending=sending)

    def _broken(self, incoming: Incoming, error: Exception) -> Answer:
        """No answer: the client's connection breaks, as it would have broken there."""
        path = incoming.raw_path.decode("latin-1")
        log.warning(
            "%s: expected an answer of %s, got none: %s", path, self.url, error or type(error).__name__
        )
        detail = f"upstream: expected an answer of {self.url}, got none; look whether it runs"
        return Answer(BAD_GATEWAY, json.dumps({"detail": detail}).encode(), sending=_break)

    def close(self) -> None:
        """Close the connections, from any thread."""
        client, loop, self._client = self._client, self._loop, None
        if client is None or loop is None or loop.is_closed():
            return
        try:
            inside = asyncio.get_running_loop() is loop
        except RuntimeError:
            inside = False
        if inside:
            self._closing = loop.create_task(client.aclose())
        else:
            asyncio.run_coroutine_threadsafe(client.aclose(), loop).result()


STREAM_DROPPED = HOP_BY_HOP - {"content-length"}
"""Headers that a streamed answer does not have from the other server."""


async def _whole(response: "httpx.Response") -> bytes:
    """The body as it was sent, still encoded."""
    try:
        return b"".join([part async for part in response.aiter_raw()])
    finally:
        await response.aclose()


async def _break(answer: Answer, scope: Scope, send: Send) -> None:
    try:
        transport = transport_of(scope)
    except LookupError:  # in process there is none to break
        await send_whole(answer, scope, send)
    else:
        transport.abort()
        await asyncio.sleep(0)  # the server hears of it, and does not complain that there was no answer


async def _unless_gone(incoming: Incoming, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is cancelled once the client has left.

    Raises:
        ClientGone: if it has.
    """
    wait = incoming.gone or asyncio.Event().wait
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(wait())
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
