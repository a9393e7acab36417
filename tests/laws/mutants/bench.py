"""`Bench`: a server of ours, and what a mutant breaks of it before it starts."""

import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from contract import ApiError, ClientConfigResponse
from contract.laws import subject as subjects
from contract.laws.driver import Driver
from contract.laws.law import Law
from contract.laws.subject import Subject
from fake_server import app as apps
from fake_server import service as services
from fake_server.bindings import Routes
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from fake_server.settings import Settings
from fake_server.traffic import Exchange, Serve
from fake_server.wire import Answer, Incoming, UnknownFieldWarning

__all__ = ["Bench", "Break", "serving", "serving_app"]

PICO = "tinkerproof/pico"
KEY, OTHER_KEY = "tml-laws", "tml-others"
USUAL = Settings(long_poll_seconds=0.35)
"""A poll ends while laws still look at it (0.5 s), and waits longer than they ask for (0.2 s)."""
TOKENS = replace(USUAL, client_config=ClientConfigResponse(pjwt_auth_enabled=True))
SPECIAL = ("accounts apart", "tokens")
"""What a law may need and the usual server does not have."""
MOST_POLLS = 15
"""Of one future: a mutant may never have an outcome, and has to be found out soon."""

Around = Callable[..., Any]
"""What stands in the place of a function: called with that one, then with its arguments."""
Answering = Callable[[Serve, Exchange, Incoming], Awaitable[Answer]]


class Bench:
    """A server that is not there yet."""

    def __init__(self, patches: pytest.MonkeyPatch) -> None:
        self._patches = patches
        self._handlers: dict[str, Around] = {}
        self._answers: list[tuple[tuple[str, ...], Answering]] = []
        self._shared: set[str] = set()

    def patch(self, owner: object, name: str, value: object) -> None:
        """Put a value in the place of another, as long as the server is there."""
        self._patches.setattr(owner, name, value)

    def wrap(self, owner: object, name: str) -> Callable[[Around], Around]:
        """Put a function around a function or method; it is given that one first."""

        def decorate(around: Around) -> Around:
            inner = getattr(owner, name)

            def wrapped(*arguments: Any, **named: Any) -> Any:
                return around(inner, *arguments, **named)

            self.patch(owner, name, wrapped)
            return around

        return decorate

    def handler(self, *operations: str) -> Callable[[Around], Around]:
        """Put a function around the handlers of operations: `(serve, call, request)`."""

        def decorate(around: Around) -> Around:
            self._handlers.update(dict.fromkeys(operations, around))
            return around

        return decorate

    def answer(self, *operations: str) -> Callable[[Answering], Answering]:
        """Stand before operations, all where none is named: `(serve, exchange, incoming)`."""

        def decorate(answering: Answering) -> Answering:
            self._answers.append((operations, answering))
            return answering

        return decorate

    def share(self, *operations: str) -> None:
        """Serve these operations of all accounts from the first one's world."""
        self._shared.update(operations)

    def prepare(self) -> None:
        """Break what was asked for, before any server starts."""
        self.patch(apps, "BINDINGS", tuple(map(self._bound, apps.BINDINGS)))
        interceptors = [partial(_intercept, *answering) for answering in self._answers]

        @self.wrap(services, "Traffic")
        def _(traffic: Any, clock: Any) -> Any:
            made = traffic(clock)
            made.interceptors.extend(interceptors)
            return made

    def _bound(self, binding: Any) -> Any:
        around = self._handlers.get(binding.row.name)
        return binding if around is None else replace(binding, serve=partial(around, binding.serve))

    def app(self, need: str) -> Starlette:
        """The server, broken, with what a law needs beside the usual."""
        app = apps.create_app(open_scripted, TOKENS if need == "tokens" else USUAL)
        if need == "accounts apart":
            app.add_middleware(Accounts, shared=self._shared)
        return app


class Accounts:
    """Gives each key a world of its own; some operations see the first one's."""

    def __init__(self, app: ASGIApp, shared: set[str]) -> None:
        self._app, self._shared, self._routes = app, shared, Routes(apps.BINDINGS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            name = dict(scope["headers"]).get(b"x-api-key", b"nobody").decode()
            app = apps.for_tenant(app, KEY if self._is_shared(scope) else name)
        await app(scope, receive, send)

    def _is_shared(self, scope: Scope) -> bool:
        with suppress(ApiError):
            return self._routes.find(scope["method"], scope["path"])[0].row.name in self._shared
        return False


async def _intercept(
    operations: tuple[str, ...],
    answering: Answering,
    exchange: Exchange,
    row: Any,
    incoming: Incoming,
    serve: Serve,
) -> Answer:
    if operations and row.name not in operations:
        return await serve()
    return await answering(serve, exchange, incoming)


Break = Callable[[Bench], object]
"""What makes a mutant of a server."""


@contextmanager
def serving_app(breaks: Break) -> Iterator[Starlette]:
    """The usual server, broken, for who tries it by other means than laws."""
    with pytest.MonkeyPatch.context() as patches, warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownFieldWarning)
        bench = Bench(patches)
        breaks(bench)
        bench.prepare()
        yield bench.app("")


@contextmanager
def serving(breaks: Break | None = None) -> Iterator[Callable[[Law], Subject]]:
    """A broken server as a law sees it; a sound one where nothing breaks it."""
    with pytest.MonkeyPatch.context() as patches, warnings.catch_warnings(), ExitStack() as servers:
        warnings.simplefilter("ignore", UnknownFieldWarning)
        patches.setattr(subjects, "MOST_POLLS", MOST_POLLS)
        bench = Bench(patches)
        if breaks is not None:
            breaks(bench)
        bench.prepare()
        known: dict[str, Subject] = {}

        def subject_for(law: Law) -> Subject:
            need = next((need for need in law.needs if need in SPECIAL), "")
            if need not in known:
                url = servers.enter_context(LiveServer(bench.app(need))).url
                known[need] = Subject(Driver(url, KEY, "0.38.0"), PICO, other_key=OTHER_KEY)
            return known[need]

        yield subject_for
