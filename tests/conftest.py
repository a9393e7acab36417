"""What holds for all tests: no property test is judged by a clock, and each draws the same every time."""

import gc
import os

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # torch's threads wait without taking the cores of others

for name, examples in (("tinkerproof", 25), ("thorough", 200)):
    settings.register_profile(
        name,
        deadline=None,
        derandomize=True,
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("tinkerproof")


def pytest_collection_finish() -> None:
    """What was imported stays for good: no collection of garbage looks through it again."""
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker writes down what it has covered while it is waited for: 10 s later it is killed."""
    if hasattr(session.config, "workerinput") and (running := Coverage.current()):
        running.save()


@pytest.fixture
def uncovered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that the test starts are not measured: what they run of ours is measured elsewhere."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
