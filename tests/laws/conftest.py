"""Servers on which the laws are tried."""

from collections.abc import Iterator

import pytest

from contract.laws.driver import Driver
from contract.laws.subject import Subject
from fake_server.app import create_app
from fake_server.running import LiveServer, find_backend

PICO = "tinkerproof/pico"


@pytest.fixture(scope="session", params=["scripted", "torch"])
def law_server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    with LiveServer(create_app(find_backend(request.param))) as server:
        yield server


@pytest.fixture(scope="session")
def subject(law_server: LiveServer) -> Subject:
    return Subject(Driver(law_server.url, "tml-laws", "0.38.0"), PICO, other_key="tml-others")
