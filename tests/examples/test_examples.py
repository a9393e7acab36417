"""The tests in `examples/training_loop`: green as they are, and each red on what it is there to find."""

import shutil
from pathlib import Path

import pytest
import tinker  # noqa: F401 # or each run in this process would import it anew

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.sdk

FOLDER = Path(__file__).parents[2] / "examples" / "training_loop"
RED = {
    "test_rate_limit": (
        "*UncleanClient: the client broke rules: 0 errors, 2 warnings, 0 notes",
        "*CLI-07 warning: ignored Retry-After",
        "*forward_backward was told to wait 20 s, and came again after 1 s [[]#5, #6]",
        "*fix: sleep for the seconds of Retry-After *",
    ),
    "test_lost_answer": (
        "*UncleanClient: the client broke rules: 1 error, 0 warnings, 0 notes",
        "*CLI-01 error: double apply after a lost answer",
        "*the same came again as seq_id 4, and counts twice [[]#9, #10]",
        "*fix: send it again with the same seq_id and the same body*",
    ),
    "test_expired_token": (
        "*Refused: forward_backward: 401 token: expected one that is still valid, got an expired one",
    ),
    "test_slow_queue": (
        "*JournalMismatch: optim_step: expected exactly 2, got 4",
        "* optim_step, seq_id 2: 200, *",
        "* optim_step, seq_id 3: 200, *",
    ),
    "test_crash": ("*assert [[]*] == [[]*]", "*At index 1 diff: *"),
    "test_failed_batch": ("*Failed: DID NOT RAISE *RequestFailedError*",),
}
"""What the user reads, by the test."""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs all tests in a copy of the folder, which has nothing from around it."""
    shutil.copytree(FOLDER, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name, value in (("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1"), ("TINKER_TELEMETRY", "0")):
        monkeypatch.setenv(name, value)
    plain = ("-p", "no:cacheprovider", "-p", "no:randomly", "-q", "--tb=short")
    return lambda *options: pytester.runpytest_inprocess(*plain, *options)


def test_every_test_of_the_folder_is_green(run):
    run().assert_outcomes(passed=len(RED))


def test_each_is_red_on_what_is_broken_and_says_why(run):
    result = run("--broken")

    result.assert_outcomes(failed=len(RED))
    result.stdout.fnmatch_lines([line for name in sorted(RED) for line in (f"{name}.py:*", *RED[name])])


def test_each_test_of_the_folder_has_its_broken_one():
    assert sorted(RED) == sorted(path.stem for path in FOLDER.glob("test_*.py"))


def test_each_test_of_the_folder_has_15_lines_or_so():
    for path in FOLDER.glob("test_*.py"):
        assert path.read_text().count("\n") <= 20, path.name
