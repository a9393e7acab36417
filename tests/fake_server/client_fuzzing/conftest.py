"""A server for clients under trial, for all tests of a file."""

from collections.abc import Iterator

import pytest

from fake_server.fake import FakeServer
from fake_server.scenarios.trial import scenario_server


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with scenario_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _uncovered(uncovered: None) -> None:
    """A command under trial is started again and again."""
