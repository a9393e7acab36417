"""`pytest --broken`: each test gets the client or loop with a mistake that it is there to find."""

import pytest
from broken import BROKEN


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--broken", action="store_true", help="test the clients and loops of broken.py")


@pytest.fixture(autouse=True)
def what_is_tested(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the broken one in the place of what the test has imported."""
    if request.config.getoption("--broken"):
        broken = BROKEN[request.module.__name__]
        monkeypatch.setattr(request.module, broken.__base__.__name__, broken)
