"""Fixtures. Loaded in every pytest run where tinkerproof is installed, so it imports only pytest."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fake_server.fake import Fake
    from fake_server.running import LiveServer

__all__ = ["tinker_fake", "tinker_fake_server"]


@pytest.fixture(scope="session")
def tinker_fake_server() -> "Iterator[LiveServer]":
    """One live server with the scripted backend, for the whole session."""
    from fake_server.app import create_app
    from fake_server.running import LiveServer, find_backend

    with LiveServer(create_app(find_backend("scripted"))) as server:
        yield server


@pytest.fixture
def tinker_fake(tinker_fake_server: "LiveServer") -> "Iterator[Fake]":
    """A fresh, isolated tenant of the live server: `.url`, `.env()`, `.asgi`, `.service_client()`."""
    from fake_server.fake import Fake

    number = len(tinker_fake_server.app.state.tenants)
    fake = Fake(tinker_fake_server, f"test-{number}")
    yield fake
    fake.close()
