"""The engine on a live server that serves the hub's models; recipes run against a tenant of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import BackendOptions
from fake_server.app import create_app
from fake_server.fake import Fake
from fake_server.running import LiveServer, find_backend
from tests.cookbook.hub import hub
from tests.cookbook.recipes import Recipes


@pytest.fixture(scope="session")
def hub_folder() -> Path:
    return hub()


@pytest.fixture(scope="session")
def hub_server(hub_folder: Path) -> Iterator[LiveServer]:
    options = BackendOptions(models_root=str(hub_folder), threads=1)
    with LiveServer(create_app(find_backend("torch"), options=options)) as server:
        yield server


@pytest.fixture
def recipes(
    hub_server: LiveServer, hub_folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Recipes]:
    fake = Fake(hub_server, tmp_path.name)
    yield Recipes(fake, hub_folder, tmp_path)
    fake.close()
