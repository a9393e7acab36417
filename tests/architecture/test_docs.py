"""The README tells the truth: its tables are up to date and its code runs."""

import re
import shutil
from pathlib import Path

import pytest

from contract import OPERATIONS, UNSERVED
from fake_server.handlers import BINDINGS
from tools.write_tables import README, written

pytest_plugins = ["pytester"]

TEXT = README.read_text(encoding="utf-8")
EXAMPLES = README.parent / "examples" / "training_loop"
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_table_of_endpoints_is_up_to_date():
    assert written(TEXT) == TEXT, "run `make docs`"


def test_every_operation_is_bound_once():
    assert [binding.row for binding in BINDINGS] == [*OPERATIONS, *UNSERVED]


@pytest.mark.sdk
def test_the_readmes_test_passes(pytester):
    tests = [block for block in BLOCKS if "def test_" in block]
    pytester.makepyfile(**{f"test_{number}": block for number, block in enumerate(tests)})
    shutil.copy(EXAMPLES / "client.py", pytester.path)

    result = pytester.runpytest_subprocess("-q")

    result.assert_outcomes(passed=len(tests))
    assert tests


def test_the_readme_shows_a_test_of_the_examples_as_it_is():
    assert (EXAMPLES / "test_lost_answer.py").read_text() in BLOCKS


@pytest.mark.parametrize("block", [block for block in BLOCKS if "def test_" not in block])
def test_the_readmes_other_code_runs(block):
    exec(compile(block, "README.md", "exec"), {})


def test_the_files_that_the_readme_links_to_are_there():
    for link in re.findall(r"\]\((?!http)([^)]+)\)", TEXT):
        assert (Path(README).parent / link).exists(), link
