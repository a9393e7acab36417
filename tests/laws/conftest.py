"""Servers on which the laws are tried."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from contract import ClientConfigResponse
from contract.laws.driver import Driver
from contract.laws.subject import Subject
from fake_server.app import create_app, for_tenant
from fake_server.running import LiveServer, find_backend
from fake_server.settings import Settings

PICO = "tinkerproof/pico"
KEY, OTHER_KEY = "tml-laws", "tml-others"
TOKENS = Settings(client_config=ClientConfigResponse(pjwt_auth_enabled=True))


class AccountsByKey:
    """Gives each key a world of its own: an account, as the fake itself has none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = dict(scope.get("headers", ())).get(b"x-api-key", b"nobody").decode()
        app = for_tenant(self._app, name) if scope["type"] == "http" else self._app
        await app(scope, receive, send)


@pytest.fixture(scope="session", params=["scripted", "torch"])
def law_backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def law_server(law_backend: str) -> Iterator[LiveServer]:
    with LiveServer(create_app(find_backend(law_backend))) as server:
        yield server


@pytest.fixture(scope="session")
def subject(law_server: LiveServer) -> Subject:
    return Subject(Driver(law_server.url, KEY, "0.38.0"), PICO, other_key=OTHER_KEY)


@pytest.fixture(scope="session")
def subject_for(law_backend: str, subject: Subject) -> Iterator[Callable[[Sequence[str]], Subject]]:
    """The server that has the features: the usual one has neither accounts nor tokens."""
    backend = find_backend(law_backend)
    apart, tokens = create_app(backend), create_app(backend, TOKENS)
    apart.add_middleware(AccountsByKey)
    with ExitStack() as stack:
        urls = {
            need: stack.enter_context(LiveServer(app)).url
            for need, app in {"accounts apart": apart, "tokens": tokens}.items()
        }
        special = {
            need: Subject(Driver(url, KEY, "0.38.0"), PICO, other_key=OTHER_KEY) for need, url in urls.items()
        }
        yield lambda needs: next((special[need] for need in needs if need in special), subject)
