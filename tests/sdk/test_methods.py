"""What the SDK makes of 405: raised at once, and asked for once."""

from typing import Any

import pytest
import tinker
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from tinker import types

from fake_server.app import create_app
from fake_server.fake import Fake
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from tests.sdk.data import PICO

pytestmark = pytest.mark.sdk


class Mistaken:
    """Takes requests for one path as GET, and keeps count of them."""

    def __init__(self, app: ASGIApp, path: str, seen: list[Any]) -> None:
        self.app, self.path, self.seen = app, path, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path", "").endswith(self.path):
            self.seen.append(scope["path"])
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


def mistaken(path: str) -> tuple[Starlette, list[Any]]:
    app, seen = create_app(open_scripted), []
    app.add_middleware(Mistaken, path=path, seen=seen)
    return app, seen


def test_a_submission_with_another_method_is_raised_at_once():
    app, seen = mistaken("/optim_step")
    with LiveServer(app) as server:
        fake = Fake(server, "methods")
        training = fake.service_client().create_lora_training_client(PICO, rank=4).result()
        with pytest.raises(tinker.APIStatusError, match="optim_step: expected POST, got GET") as failed:
            training.optim_step(types.AdamParams()).result()
        fake.close()

    assert (type(failed.value), failed.value.status_code) == (tinker.APIStatusError, 405)
    assert len(seen) == 1


def test_a_poll_with_another_method_is_an_error_of_the_caller():
    app, seen = mistaken("/retrieve_future")
    with LiveServer(app) as server:
        fake = Fake(server, "methods")
        with pytest.raises(ValueError, match="405") as failed:
            fake.service_client().create_lora_training_client(PICO, rank=4).result()
        fake.close()

    assert isinstance(failed.value.__cause__, tinker.APIStatusError)
    assert len(seen) == 1
