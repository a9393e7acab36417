"""The pytest plugin: cheap to load, a fresh world for each test."""

import subprocess
import sys

pytest_plugins = ["pytester"]

TEST = """
def test_one(tinker_fake):
    tinker_fake.service.open_implicit_session("s")
    assert len(tinker_fake.service.store.sessions) == 1

def test_two(tinker_fake):
    assert len(tinker_fake.service.store.sessions) == 0

def test_three(tinker_fake):
    client = tinker_fake.service_client()
    names = [model.model_name for model in client.get_server_capabilities().supported_models]
    assert "tinkerproof/pico" in names
"""


def test_each_test_has_a_fresh_world(pytester):
    pytester.makepyfile(TEST)

    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:schemathesis", "-q")

    result.assert_outcomes(passed=3)


OVERRIDING = """
import pytest
from fake_server.clock import VirtualClock
from fake_server.settings import Settings

@pytest.fixture
def tinker_clock():
    return VirtualClock(start=100.0)

def test_a_clock(tinker_fake, tinker_clock):
    tinker_clock.advance(5)
    assert tinker_fake.service.clock.now() == 105.0

@pytest.mark.parametrize("tinker_settings", [Settings(seed=9)])
def test_settings(tinker_fake):
    assert tinker_fake.service.settings.seed == 9

def test_the_usual(tinker_fake):
    assert tinker_fake.service.settings == Settings()
"""


def test_settings_and_clock_are_fixtures_to_override(pytester):
    pytester.makepyfile(OVERRIDING)

    result = pytester.runpytest_subprocess("-p", "no:schemathesis", "-q")

    result.assert_outcomes(passed=3)


def test_loading_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import fake_server.pytest_plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "['fake_server', 'fake_server.pytest_plugin']"
