"""One server for all clients under trial."""

import pytest

from fake_server.scenarios.trial import scenario_server


@pytest.fixture(scope="session")
def trials():
    with scenario_server() as server:
        yield server
