"""Fixtures and markers. Loaded in every pytest run where we are installed, so it imports only pytest."""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from contract import BackendOptions
    from fake_server.clock import Clock
    from fake_server.fake import Fake, FakeServer
    from fake_server.fast_sdk import FastSdk
    from fake_server.fixtures import Servers
    from fake_server.running import LiveServer
    from fake_server.settings import Settings

__all__ = [
    "tinker_backend_options",
    "tinker_clock",
    "tinker_engine",
    "tinker_fake",
    "tinker_fake_server",
    "tinker_fast_sdk",
    "tinker_servers",
    "tinker_settings",
]

FAKES = pytest.StashKey["list[Fake]"]()
MARKERS = (
    "tinker_seed(seed): all ids and numbers of tinker_fake derive from it",
    "tinker_backend(name): what computes behind tinker_fake, as `scripted` or `torch`",
    "tinker_sdk(specifier): run where the installed tinker SDK has such a version, as `>=0.25`; else skip",
    "tinker_faults(kind, operation, ...): as tinker_fake.faults.<kind>; or a schedule, or seed=7; repeatable",
    "tinker_delivery(operation, **rule): when results show, as `polls=3` or `held=True`; repeatable",
    "tinker_cassette(path, mode): replays a recording beside the test; makes it where there is none",
    "tinker_virtual_time(auto=False): the clock of tinker_fake stands still until the test moves it; "
    "with auto it skips what everybody waits for",
    "tinker_network: the test may reach beyond loopback",
    "tinker_unread: results that nobody fetches do not fail the test",
)


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that is for other versions of the SDK."""
    for marker in item.iter_markers("tinker_sdk"):
        from fake_server.fixtures import unfit_sdk

        if reason := unfit_sdk(*marker.args):
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Run a test; then check that what it asked for has happened."""
    yield
    for fake in item.stash.get(FAKES, ()):
        from fake_server.fixtures import check

        check(fake, item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what the server saw to the report of a failed test."""
    report = yield
    if report.failed:
        for fake in item.stash.get(FAKES, ()):
            from fake_server.fixtures import sections

            report.sections.extend(sections(fake))
    return report


@pytest.fixture(scope="session")
def tinker_backend_options() -> "BackendOptions":
    """What the backends are opened with: the defaults. Override it to serve other base models."""
    from contract import BackendOptions

    return BackendOptions()


@pytest.fixture(scope="session")
def tinker_servers(tinker_backend_options: "BackendOptions") -> "Iterator[Servers]":
    """The session's live servers, one for each backend, started when first asked for."""
    from fake_server.fixtures import Servers

    servers = Servers(tinker_backend_options)
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def tinker_fake_server(tinker_servers: "Servers") -> "FakeServer":
    """One live server with the scripted backend, for the whole session; `.fresh()` gives an empty world."""
    return tinker_servers.of("scripted")


@pytest.fixture
def tinker_settings() -> "Settings":
    """The settings of `tinker_fake`: the defaults. Override it where a test wants others."""
    from fake_server.settings import Settings

    return Settings()


@pytest.fixture
def tinker_clock(request: pytest.FixtureRequest) -> "Clock":
    """The clock of `tinker_fake`: the machine's, or a virtual one where the test is marked so."""
    from fake_server.clock import SystemClock, VirtualClock

    marker = request.node.get_closest_marker("tinker_virtual_time")
    return VirtualClock(**marker.kwargs) if marker else SystemClock()


@pytest.fixture
def tinker_fake(
    tinker_settings: "Settings", tinker_clock: "Clock", request: pytest.FixtureRequest
) -> "Iterator[Fake]":
    """A fresh, isolated tenant of a live server: `.url`, `.env()`, `.service_client()`, and the controls."""
    marker = request.node.get_closest_marker("tinker_backend")
    server: LiveServer = (
        request.getfixturevalue("tinker_servers").of(*marker.args)
        if marker
        else request.getfixturevalue("tinker_fake_server")
    )
    yield from _opened(server, tinker_settings, tinker_clock, request.node)


@pytest.fixture
def tinker_engine(
    tinker_servers: "Servers",
    tinker_settings: "Settings",
    tinker_clock: "Clock",
    request: pytest.FixtureRequest,
) -> "Iterator[Fake]":
    """The same with the torch backend: it really trains and really samples."""
    yield from _opened(tinker_servers.of("torch"), tinker_settings, tinker_clock, request.node)


@pytest.fixture
def tinker_fast_sdk() -> "Iterator[FastSdk]":
    """The sleeps of the installed SDK take a thousandth of their time; `.sleeps` tells which there were."""
    from fake_server.fast_sdk import fast_sdk

    with fast_sdk() as fast:
        yield fast


def _opened(
    server: "LiveServer", settings: "Settings", clock: "Clock", test: pytest.Item
) -> "Iterator[Fake]":
    from fake_server.fixtures import opened

    with opened(server, test, settings, clock) as fake:
        test.stash.setdefault(FAKES, []).append(fake)
        yield fake
        test.stash[FAKES].remove(fake)
