"""What the pytest plugin does once a test needs it; kept apart, so that the plugin imports only pytest."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from zlib import crc32

import pytest
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from contract import BackendOptions
from fake_server.clock import Clock
from fake_server.delivery import DeliveryRule
from fake_server.fake import Fake, FakeServer
from fake_server.fault_methods import FaultMethods
from fake_server.faults import Schedule
from fake_server.guard import NetworkBlocked, network_guard
from fake_server.journal import Journal, as_fields
from fake_server.running import LiveServer, find_backend
from fake_server.settings import Settings
from fake_server.unread import assert_read

__all__ = ["NothingHappened", "Servers", "check", "opened", "sections", "unfit_sdk"]

BLOCKED = pytest.StashKey[list[NetworkBlocked]]()
FAULTS = sorted(name for name in vars(FaultMethods) if name[0] != "_" and name != "set")
"""Kinds of faults by the names of their methods."""
MOST_ENTRIES = 30
MOST_LETTERS = 200
"""Of the journal, in the report of a failed test."""


class NothingHappened(AssertionError):
    """A test asked for something that then never happened: it has proved nothing."""


class Servers:
    """Live servers by the name of their backend, each started when first asked for."""

    def __init__(self, options: BackendOptions) -> None:
        self._options = options
        self._servers: dict[str, FakeServer] = {}

    def of(self, backend: str) -> FakeServer:
        """The server with that backend.

        Raises:
            LookupError: listing the backends that are installed.
        """
        if backend not in self._servers:
            server = FakeServer(find_backend(backend), self._options)
            self._servers[backend] = server
            server.start()
        return self._servers[backend]

    def stop(self) -> None:
        """Stop all."""
        for server in self._servers.values():
            server.stop()


@contextmanager
def opened(server: LiveServer, test: pytest.Item, settings: Settings, clock: Clock) -> Iterator[Fake]:
    """A world for one test, as its markers say; while it is there, nothing gets beyond loopback."""
    marker = test.get_closest_marker("tinker_seed")
    chosen = replace(settings, seed=marker.args[0]) if marker else settings
    with ExitStack() as stack:
        free = test.get_closest_marker("tinker_network")
        test.stash[BLOCKED] = [] if free else stack.enter_context(network_guard())
        fake = Fake(server, _tenant_of(test), settings=chosen, clock=clock)
        for rule in test.iter_markers("tinker_delivery"):
            fake.delivery.add(
                DeliveryRule(**dict(zip(("operation",), rule.args, strict=False)), **rule.kwargs)
            )
        for fault in reversed(list(test.iter_markers("tinker_faults"))):
            _set_faults(fake, *fault.args, **fault.kwargs)
        for cassette in test.iter_markers("tinker_cassette"):
            path, *mode = cassette.args
            fake.cassettes.use(test.path.parent / path, *mode, **cassette.kwargs)
        yield fake
        fake.close()


def _set_faults(fake: Fake, *given: Any, seed: int | None = None, **fields: Any) -> None:
    """Set what one marker asks for: a kind with its arguments, a schedule, or one rolled from a seed."""
    if seed is not None:
        fake.faults.add(Schedule.random(seed, **fields))
    elif given and isinstance(given[0], Schedule):
        fake.faults.add(given[0])
    elif given and given[0] in FAULTS:
        getattr(fake.faults, given[0])(*given[1:], **fields)
    else:
        raise pytest.UsageError(
            f"tinker_faults: expected a schedule, a seed, or one of {', '.join(FAULTS)}, got {given!r}"
        )


def _tenant_of(test: pytest.Item) -> str:
    """A name that no other test has: clients are kept by URL, and may live on after their test."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in test.name)
    return f"{crc32(test.nodeid.encode()):08x}-{plain[:48]}"


def unfit_sdk(specifier: str) -> str | None:
    """Why a test for such versions of the SDK cannot run here; None where it can."""
    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        raise pytest.UsageError(
            f"tinker_sdk: expected a version specifier such as '>=0.25,<0.38', got {specifier!r}"
        ) from None
    try:
        installed = version("tinker")
    except PackageNotFoundError:
        return f"needs tinker {specifier}; none is installed"
    return None if installed in wanted else f"needs tinker {specifier}; {installed} is installed"


def check(fake: Fake, test: pytest.Item) -> None:
    """Check what a test that passed has left undone.

    Raises:
        AssertionError: naming it.
    """
    for blocked in test.stash[BLOCKED]:
        raise AssertionError(str(blocked))  # a client or a thread has swallowed it
    controls = fake.service.controls
    if controls is not None:
        controls.stubs.assert_used()
    if controls is not None and (unfired := controls.unfired):
        raise NothingHappened(
            f"controls: expected what the test asked for to happen, got nothing of: {'; '.join(unfired)}; "
            "let the test come so far, or ask for less"
        )
    if controls is not None and controls.cassettes.playing is not None:
        if test.get_closest_marker("tinker_cassette"):
            controls.cassettes.playing.assert_clean()
        return  # a recording has nobody who reads
    struck = controls is not None and controls.counts.faults  # who was struck may have given up
    if not struck and not test.get_closest_marker("tinker_unread"):
        assert_read(fake.service)


def sections(fake: Fake) -> list[tuple[str, str]]:
    """What the server saw, as sections of a test's report."""
    controls = fake.service.controls
    if controls is None:
        return []
    return [
        (f"tinker journal of {fake.name}", _journal_text(controls.journal)),
        (f"tinker verdict on the client of {fake.name}", controls.verdict.text()),
    ]


def _journal_text(journal: Journal) -> str:
    """The last entries, one line each, without the polls that were too early."""
    telling = [
        entry for entry in journal if not (entry.operation == "retrieve_future" and entry.status == 408)
    ]
    early, shown = len(journal) - len(telling), telling[-MOST_ENTRIES:]
    lines = [_line(as_fields(entry, journal.secrets)) for entry in shown]
    if early:
        lines.insert(0, f"… {early} polls that were answered with 408")
    if skipped := journal.total - early - len(shown):
        lines.insert(0, f"… {skipped} earlier ones")
    return "\n".join(lines)


def _line(fields: dict[str, object]) -> str:
    bodies = [json.dumps(fields[name]) for name in ("request", "answer")]
    request, answer = (text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…" for text in bodies)
    faults = f" ! {', '.join(map(str, fields['faults']))}" if fields["faults"] else ""  # type: ignore[call-overload]
    return f"{fields['number']:>4} {fields['operation']} {fields['status']}{faults} {request} -> {answer}"
