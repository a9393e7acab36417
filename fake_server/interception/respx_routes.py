"""Routes for respx, one for each operation of the contract, named as the operation is."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import respx

from contract import OPERATIONS, Endpoint
from contract.versions import SdkVersion, sends_through_pyqwest
from fake_server.bindings import FIELD
from fake_server.fake import Fake
from fake_server.guard import network_guard
from fake_server.interception.answers import Answers, RequestIn
from fake_server.interception.world_answers import WorldAnswers

__all__ = ["Intercepted", "add_routes", "interception"]

CONFIG = "client_config"
FLAG = "use_pyqwest_transport"
UNSEEN = (
    f"client_config.{FLAG}: expected false where respx answers, got true, with which the SDK, since 0.22.0, "
    "sends through pyqwest, where respx does not see it; set it with "
    f"Settings(client_config=ClientConfigResponse({FLAG}=False)), or use the fake's own url"
)
"""Ours: what a client is told that would leave for the network with its next request."""


@dataclass(frozen=True, slots=True)
class Intercepted:
    """Where requests are answered in process."""

    base_url: str
    """For the client."""
    router: respx.MockRouter
    """With a route for each operation: `router["optim_step"].call_count`. It forgets them at the end."""


@contextmanager
def interception(
    world: Fake | None = None, base_url: str | None = None, answers: Answers | None = None
) -> Iterator[Intercepted]:
    """While it lasts, requests to `base_url` are answered in process; nothing reaches a network.

    Args:
        world: whose answers they are.
        base_url: what the client is given; `https://<name of the world>.test` where absent.
        answers: what answers in its place.

    Raises:
        NetworkBlocked: where a client goes round respx.
        ValueError: where there is nothing that answers.
    """
    if answers is None:
        if world is None:
            raise ValueError("interception: expected a world or answers, got neither; give it tinker_fake")
        answers = WorldAnswers(world.asgi)
    with network_guard(), respx.mock(assert_all_called=False) as router:
        chosen = base_url or f"https://{'tinkerproof' if world is None else world.name}.test"
        add_routes(router, answers, chosen)
        yield Intercepted(chosen, router)


def add_routes(router: respx.Router, answers: Answers, base_url: str) -> None:
    """Add a route for each operation, and a last one for all that is none, to a router of respx.

    Args:
        router: one that does not ask for every route to be called.
        answers: what answers.
        base_url: what the client is given, with or without a path.

    Raises:
        ValueError: for a router that asks for that.
    """
    if getattr(router, "_assert_all_called", False):
        raise ValueError(
            "router: expected one for which no route has to be called, as there is one for each operation; "
            "make it with respx.mock(assert_all_called=False)"
        )
    base = base_url.rstrip("/")
    for row in sorted(OPERATIONS, key=lambda row: "{" in row.route):
        pattern = FIELD.sub("[^/?]+", row.route)
        route = router.route(
            name=row.name, method=row.method, url__regex=f"^{re.escape(base)}{pattern}" + TAIL
        )
        route.side_effect = _asked(answers, row, base)
    rest = router.route(name="no_operation", url__regex=f"^{re.escape(base)}/")
    rest.side_effect = _asked(answers, None, base)


TAIL = r"(\?.*)?$"


def _asked(
    answers: Answers, row: Endpoint | None, base: str
) -> Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]:
    """What respx calls for a request that fits a route."""
    prefix = urlsplit(base).path

    def ask(request: httpx.Request) -> httpx.Response | Awaitable[httpx.Response]:
        answer = answers(RequestIn(row, prefix, request))
        if row is None or row.name != CONFIG:
            return answer
        if isinstance(answer, httpx.Response):
            return _seen(request, answer)
        return _seen_later(request, answer)

    return ask


async def _seen_later(request: httpx.Request, answer: Awaitable[httpx.Response]) -> httpx.Response:
    return _seen(request, await answer)


def _seen(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    """The flags, or a refusal where they lead a client away from respx."""
    version = SdkVersion.parse(request.headers.get("x-stainless-package-version"))
    if answer.is_success and sends_through_pyqwest(version) and _leads_away(answer):
        return httpx.Response(400, json={"detail": UNSEEN})
    return answer


def _leads_away(answer: httpx.Response) -> bool:
    """Whether the flag is on, as it is where it is absent; a body that is no flags leads nowhere."""
    try:
        flags = answer.json()
    except ValueError:
        return False
    return isinstance(flags, dict) and bool(flags.get(FLAG, True))
