"""The app: the way of one request from bytes to a handler and back.

One ASGI app serves every tenant and every operation. It knows no operation by name.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import lru_cache, partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.routing import Mount
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from contract import (
    ApiError,
    BackendFactory,
    BackendOptions,
    Deferred,
    Endpoint,
    NotFound,
    Operation,
    PayloadTooLarge,
    UntypedAPIFuture,
)
from contract.versions import SdkVersion
from fake_server.auth import check_credential
from fake_server.bindings import Binding, Routes
from fake_server.clock import Clock, SystemClock
from fake_server.doors import Doors
from fake_server.handlers import BINDINGS
from fake_server.handlers.files import FILES, fetch_file
from fake_server.service import Call, Service, Submission
from fake_server.settings import Settings
from fake_server.stubs import StubbedAnswer
from fake_server.tenants import CONTROL, Tenants
from fake_server.traffic import ClientGone, Exchange, Serve
from fake_server.wire import (
    Answer,
    Headers,
    Incoming,
    answer_of,
    error_answer,
    numbered,
    read,
    read_exactly,
    send_whole,
)

if TYPE_CHECKING:
    from fake_server.faults import Schedule

__all__ = ["create_app", "for_tenant"]

log = logging.getLogger("tinkerproof")
TENANT = "tinkerproof.tenant"
"""Key of a scope that says which tenant a request is for; its path then has no prefix."""
version_of = lru_cache(maxsize=256)(SdkVersion.parse)


class Gateway:
    """The ASGI app below Starlette's."""

    def __init__(self, tenants: Tenants, routes: Routes, controls: Routes | None) -> None:
        self._tenants = tenants
        self._routes = routes
        self._controls = controls
        """None where controls are off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        try:
            answer = await self._answer(scope, receive)
        except ApiError as error:
            answer = error_answer(error)
        except (ClientDisconnect, ClientGone):
            return
        await (answer.sending or send_whole)(answer, scope, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if TENANT in scope:
            name, prefix, path = scope[TENANT], "", scope["path"]
        else:
            name, prefix, path = self._tenants.split(scope["path"])
        service = self._tenants.get(name)
        headers = Headers(scope["headers"])
        body = await _body(receive, service.settings.max_body_bytes)
        call = _call(service, scope, prefix, headers)
        incoming = Incoming(
            headers, {}, scope["query_string"], body, scope["method"], scope.get("raw_path", b""), receive
        )
        if path.startswith(FILES):
            return await _stray(
                service, incoming, partial(fetch_file, call, path, incoming.query.decode("latin-1"))
            )
        control = path.startswith(CONTROL)
        try:
            binding, path_values = self._routes_of(control).find(scope["method"], path)
        except ApiError as error:
            if control:
                raise
            return await _stray(service, incoming, partial(_refuse, error))
        if path_values:
            incoming = replace(incoming, path_values=path_values)
        if control:
            return await _controlled(call, binding, incoming)
        return await _watched(call, binding, incoming, receive)

    def _routes_of(self, control: bool) -> Routes:
        if not control:
            return self._routes
        if self._controls is None:
            raise NotFound("controls are off on this server; start it with --control")
        return self._controls


class App(Starlette):
    """A Starlette app whose requests go straight to the gateway, unless somebody added middleware."""

    def __init__(self, gateway: Gateway, lifespan: Lifespan[Starlette]) -> None:
        super().__init__(routes=[Mount("/", app=gateway)], lifespan=lifespan)
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the app's own start and end."""
        if scope["type"] == "http" and not self.user_middleware:
            await self._gateway(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


async def _watched(
    call: Call, binding: Binding, incoming: Incoming, gone: Callable[[], Awaitable[object]]
) -> Answer:
    """Serve one request before those who watch, through those who intercept."""
    row, traffic = binding.row, call.service.traffic
    exchange = traffic.begin(
        row.name,
        call.sdk_version,
        _tries(incoming.headers.get("x-stainless-retry-count")),
        call.idempotency_key,
    )
    exchange.gone = gone  # after the body only a disconnect comes
    call.exchange = exchange
    if traffic.observers:
        exchange.note_request(incoming)
    serve: Serve = partial(_serve, call, binding, incoming)
    for interceptor in reversed(traffic.interceptors):
        serve = partial(interceptor, exchange, row, incoming, serve)
    try:
        answer = await serve()
        exchange.status = answer.status
        if traffic.observers:
            exchange.note_answer(answer)
            if exchange.request is None:  # refused before it was read
                with suppress(ApiError):
                    exchange.request = _read(call.service, row, incoming, exchange)
        return answer
    finally:
        traffic.end(exchange)


async def _stray(service: Service, incoming: Incoming, serve: Serve) -> Answer:
    """Serve a request that is no operation, through those who intercept."""
    for interceptor in reversed(service.traffic.strays):
        serve = partial(interceptor, incoming, serve)
    return await serve()


async def _refuse(error: ApiError) -> Answer:
    raise error


async def _controlled(call: Call, binding: Binding, incoming: Incoming) -> Answer:
    """Serve a request of who controls the tenant: it is not watched, and needs no key."""
    row, request = binding.row, incoming  # as it came, where a control takes a file
    if isinstance(row, Operation):
        request = read_exactly(row.request, incoming, call.service.settings.max_body_bytes)
    value = binding.serve(call, request)
    return answer_of(await value if binding.is_async else value)


def _tries(header: str) -> int:
    return int(header) if header.isdecimal() else 0


async def _serve(call: Call, binding: Binding, incoming: Incoming) -> Answer:
    """Check, read, handle and answer one request."""
    service, row, exchange = call.service, binding.row, call.exchange
    admitted = False
    try:
        with service.lock:
            check_credential(service, row, call.credential)
            admitted = True
            exchange.request = request = _read(service, row, incoming, exchange)
            value = _value_of(call, binding, request)
            if isinstance(row, Deferred):
                value = _promise(service, row, value, incoming, exchange)
        if binding.is_async:
            value = await value
        answer = answer_of(value)
    except ApiError as error:
        value, answer = error, error_answer(error)
    except ClientGone:
        raise
    except Exception:
        log.exception("%s failed", row.name)
        value = ApiError(f"internal error in {row.name}; the server's log has the details")
        answer = error_answer(value)
    again = isinstance(value, StubbedAnswer) and value.retried
    if admitted and isinstance(row, Deferred) and isinstance(value, ApiError) and not again:
        _use_up(service, incoming)
    if not isinstance(value, Answer):  # who makes the bytes himself says what they mean, too
        exchange.answer = value
    return answer


def _value_of(call: Call, binding: Binding, request: Any) -> Any:
    """What the handler gives, or what stands in for it."""
    if call.service.stand_in is None:
        return binding.serve(call, request)
    return call.service.stand_in(binding.row, request, partial(binding.serve, call, request))


def _read(service: Service, row: Endpoint, incoming: Incoming, exchange: Exchange) -> Any:
    if not isinstance(row, Operation | Deferred):
        return None

    def dropped(names: list[str]) -> None:
        exchange.unknown_fields = tuple(names)

    return read(row, row.request, incoming, service.settings.max_body_bytes, dropped)


def _use_up(service: Service, incoming: Incoming) -> None:
    """Mark the number of a rejected request as used, where it can be read: it must hold nobody back.

    Where it cannot, its model waits for it until `gap_timeout_seconds` are over.
    """
    model_id, seq_id = numbered(incoming, service.settings.max_body_bytes)
    with service.lock:
        known = seq_id > 0 and service.store.models.find(model_id) is not None
        if known and service.lanes.takes(model_id, seq_id):
            service.lanes.push(model_id, seq_id, None)


def _promise(
    service: Service, row: Endpoint, submission: Submission[Any], incoming: Incoming, exchange: Exchange
) -> UntypedAPIFuture:
    exchange.digest = blake2b(incoming.body, digest_size=16).digest()
    future = service.submit(submission, row.name, exchange.digest)
    return UntypedAPIFuture(request_id=future.request_id, sample_sequence_ids=future.sample_sequence_ids)


async def _body(receive: Receive, limit: int) -> bytes:
    """The whole body. One that is too large is read to its end and dropped, so that the answer arrives.

    Raises:
        PayloadTooLarge: naming both sizes.
        ClientDisconnect: if the client left.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        else:
            parts.clear()
        if not message.get("more_body", False):
            break
    if (
        size > limit
    ):  # the number in it is not used up: it went with the body, and only the timeout ends its gap
        raise PayloadTooLarge(f"body: expected at most {limit} bytes, got {size}; send smaller batches")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _call(
    service: Service,
    scope: Scope,
    prefix: str,
    headers: Headers,
) -> Call:
    host = headers.get("host", "localhost")
    return Call(
        service=service,
        base_url=f"{scope['scheme']}://{host}{scope.get('root_path', '')}{prefix}",
        sdk_version=version_of(headers.get("x-stainless-package-version")[:32]),
        credential=headers.get("x-api-key"),
        idempotency_key=headers.get("x-idempotency-key") or None,
        accept=headers.get("accept"),
    )


def create_app(
    open_backend: BackendFactory,
    settings: Settings | None = None,
    *,
    clocks: Callable[[], Clock] = SystemClock,
    options: BackendOptions | None = None,
    control: bool = False,
    faults: "Schedule | None" = None,
) -> Starlette:
    """An app that serves every operation for every tenant; `app.state.tenants` holds them.

    Args:
        open_backend: called once for each tenant; for the default one now, so that it loads what takes long.
        settings: limits and times; the defaults where absent.
        clocks: called once for each tenant: its time; the machine's where absent.
        options: what a backend is opened with; its own base models where absent. The seed is the settings'.
        control: whether each tenant has controls, in process and below `/-/`.
        faults: what is done to the requests of each tenant on purpose.

    Raises:
        LookupError, ValueError, OSError: for options that the backend cannot honour.
    """
    usual = settings or Settings()
    given = options or BackendOptions()
    if given.seed not in (0, usual.seed):
        raise ValueError(f"options.seed: expected {usual.seed}, as settings.seed has, got {given.seed}")

    def make(name: str, own: Settings | None = None, clock: Clock | None = None) -> Service:
        chosen = own or usual
        backend = open_backend(replace(given, seed=chosen.seed))
        service = Service(name, chosen, backend, clock or clocks())
        if control or faults is not None:
            from fake_server.controls import Controls  # a fifth of a second, only where they are on

            service.controls = Controls(service, tenants, doors, faults)
        return service

    doors = Doors()
    tenants = Tenants(make)
    tenants.get()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        tenants.close()

    app = App(Gateway(tenants, Routes(BINDINGS), _control_routes() if control else None), lifespan=lifespan)
    app.state.tenants = tenants
    app.state.doors = doors
    return app


def _control_routes() -> Routes:
    from fake_server.control_api import CONTROLS

    return Routes(row.binding for row in CONTROLS)


def for_tenant(app: ASGIApp, name: str) -> ASGIApp:
    """`app` as one tenant sees it, without a prefix; its start and end are not those of `app`."""

    async def tenant(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in ("startup", "shutdown"):
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
        else:
            await app({**scope, TENANT: name}, receive, send)

    return tenant
