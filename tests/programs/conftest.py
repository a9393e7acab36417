"""The server that programs run on; each test has a world of its own there."""

import pytest

from fake_server.app import create_app
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted


@pytest.fixture(scope="module")
def server():
    with LiveServer(create_app(open_scripted)) as live:
        yield live
