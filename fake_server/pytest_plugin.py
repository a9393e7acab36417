"""Fixtures. Loaded in every pytest run where tinkerproof is installed, so it imports only pytest."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fake_server.clock import Clock
    from fake_server.fake import Fake
    from fake_server.running import LiveServer
    from fake_server.settings import Settings

__all__ = ["tinker_clock", "tinker_fake", "tinker_fake_server", "tinker_settings"]


@pytest.fixture(scope="session")
def tinker_fake_server() -> "Iterator[LiveServer]":
    """One live server with the scripted backend, for the whole session."""
    from fake_server.app import create_app
    from fake_server.running import LiveServer, find_backend

    with LiveServer(create_app(find_backend("scripted"), control=True)) as server:
        yield server


@pytest.fixture
def tinker_settings() -> "Settings":
    """The settings of `tinker_fake`: the defaults. Override it where a test wants others."""
    from fake_server.settings import Settings

    return Settings()


@pytest.fixture
def tinker_clock() -> "Clock":
    """The clock of `tinker_fake`: the machine's. Override it to move the time by hand."""
    from fake_server.clock import SystemClock

    return SystemClock()


@pytest.fixture
def tinker_fake(
    tinker_fake_server: "LiveServer",
    tinker_settings: "Settings",
    tinker_clock: "Clock",
    request: pytest.FixtureRequest,
) -> "Iterator[Fake]":
    """A fresh, isolated tenant of the live server: `.url`, `.env()`, `.asgi`, `.service_client()`."""
    from fake_server.fake import Fake

    name = _tenant_of(request.node)
    fake = Fake(tinker_fake_server, name, settings=tinker_settings, clock=tinker_clock)
    yield fake
    fake.close()


def _tenant_of(test: pytest.Item) -> str:
    """A name that no other test has: clients are kept by URL, and may live on after their test."""
    from zlib import crc32

    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in test.name)
    return f"{crc32(test.nodeid.encode()):08x}-{plain[:48]}"
