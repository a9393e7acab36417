"""Worlds for the mini client: their time goes on as it waits, and moves by itself while it polls."""

from collections.abc import Callable
from typing import Any

import pytest

from fake_server.clock import VirtualClock
from fake_server.fake import Fake, FakeServer
from fake_server.settings import Settings
from tests.clients.mini import MiniClient


@pytest.fixture
def world_of(tinker_fake_server: FakeServer) -> Callable[..., Fake]:
    """Makes an empty world, with these settings."""

    def world(**settings: Any) -> Fake:
        return tinker_fake_server.fresh(Settings(**settings), VirtualClock(auto=True))

    return world


@pytest.fixture
def world(world_of: Callable[..., Fake]) -> Fake:
    return world_of()


@pytest.fixture
def client_in() -> Callable[..., MiniClient]:
    """Makes a client of a world, which waits on the world's clock."""

    def client(world: Fake, kind: type[MiniClient] = MiniClient, **named: Any) -> MiniClient:
        return kind(world.url, world.api_key, now=world.clock.now, sleep=world.clock.advance, **named)

    return client
