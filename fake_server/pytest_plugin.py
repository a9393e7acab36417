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
def tinker_fake(tinker_fake_server: "LiveServer", request: pytest.FixtureRequest) -> "Iterator[Fake]":
    """A fresh, isolated tenant of the live server: `.url`, `.env()`, `.asgi`, `.service_client()`."""
    from fake_server.fake import Fake

    fake = Fake(tinker_fake_server, _tenant_of(request.node))
    yield fake
    fake.close()


def _tenant_of(test: pytest.Item) -> str:
    """A name that no other test has: clients are kept by URL, and may live on after their test."""
    from zlib import crc32

    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in test.name)
    return f"{crc32(test.nodeid.encode()):08x}-{plain[:48]}"
