"""The page about fuzzing tells the truth: its programs and machines run."""

import re
import unittest
from pathlib import Path

import pytest

from fake_server.app import create_app
from fake_server.running import LiveServer, find_backend

PAGE = Path(__file__).parents[2] / "docs" / "fuzzing.md"
BLOCKS = [
    block
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    if "contract.strategies" in block
]
PORTS = ("http://127.0.0.1:8000", "http://127.0.0.1:8001")


@pytest.fixture(scope="module")
def urls():
    with (
        LiveServer(create_app(find_backend("scripted"))) as one,
        LiveServer(create_app(find_backend("scripted"))) as other,
    ):
        yield one.url, other.url


def collected(block, urls):
    """What pytest would collect of a block, where its servers are."""
    for written, real in zip(PORTS, urls, strict=True):
        block = block.replace(written, real)
    names = {"__name__": "page"}
    exec(compile(block, "fuzzing.md", "exec"), names)
    for name, value in names.items():
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            yield value().runTest
        elif name.startswith("test_"):
            yield value


@pytest.mark.parametrize("block", BLOCKS, ids=["programs", "a machine", "two servers"])
def test_the_pages_tests_pass(block, urls):
    (test,) = collected(block, urls)

    test()
