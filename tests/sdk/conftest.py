"""Clients of the published SDK on tenants of a live server.

The receivers are always called `service`, `training`, `sampling`, `rest` and `admin`:
`test_surface.py` finds by these names which methods of the SDK the tests call.
"""

import gc
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import tinker

from contract import BackendOptions, ClientConfigResponse, ClientDynamicConfigResponse
from fake_server.app import create_app
from fake_server.fake import API_KEY, Fake
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from fake_server.settings import Settings
from tests.sdk.data import PICO

SETTINGS_OF_THE_SDK = ("TINKER_API_KEY", "TINKER_BASE_URL", "TINKER_PROJECT_ID", "TINKER_TAGS")


@pytest.fixture(scope="session", autouse=True)
def plain_environment() -> Iterator[None]:
    """No settings from outside, no telemetry, no hub, no proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS_OF_THE_SDK:
            patch.delenv(name, raising=False)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1")
        patch.setenv("TINKER_TELEMETRY", "0")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(autouse=True, scope="module")
def forgotten_sockets() -> Iterator[None]:
    """The SDK leaves the connection of its first request open; no other test shall hear of it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As above, for a collection that happens during a test."""
    for item in items:
        if item.path.parent.name == "sdk":
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does; at most 10 s, in which it does not come it never will."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "expected it within 10 s, got nothing"


Serve = Callable[..., Fake]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with flags of `client/config` and `client/dynamic_config`."""
    with ExitStack() as stack:

        def start(
            dynamic: ClientDynamicConfigResponse | None = None,
            base_models: tuple[str, ...] = (),
            long_poll_seconds: float = 30.0,
            **flags: Any,
        ) -> Fake:
            settings = Settings(
                client_config=ClientConfigResponse(**flags),
                dynamic_config=dynamic or ClientDynamicConfigResponse(),
                long_poll_seconds=long_poll_seconds,
            )
            app = create_app(open_scripted, settings, options=BackendOptions(base_models=base_models))
            server = stack.enter_context(LiveServer(app))
            fake = Fake(server, "flags")
            stack.callback(fake.close)
            return fake

        yield start


@pytest.fixture
def service(tinker_fake: Fake) -> tinker.ServiceClient:
    return tinker_fake.service_client()


@pytest.fixture
def training(service: tinker.ServiceClient) -> tinker.TrainingClient:
    return service.create_lora_training_client(PICO, rank=8).result()


@pytest.fixture
def sampling(service: tinker.ServiceClient) -> tinker.SamplingClient:
    return service.create_sampling_client(base_model=PICO).result()


@pytest.fixture
def rest(tinker_fake: Fake) -> Iterator[tinker.RestClient]:
    client = tinker.RestClient(base_url=tinker_fake.url, api_key=API_KEY)
    yield client
    client.holder.close()


@pytest.fixture
def admin(tinker_fake: Fake) -> Iterator[tinker.AdminClient]:
    client = tinker.AdminClient(base_url=tinker_fake.url, api_key=API_KEY)
    yield client
    client.holder.close()


@pytest.fixture
def seen(tinker_fake: Fake) -> list[Any]:
    """What the server sees of this test, exchange by exchange."""
    exchanges: list[Any] = []
    tinker_fake.service.traffic.observers.append(exchanges.append)
    return exchanges
