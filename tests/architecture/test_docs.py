"""The README tells the truth: its tables are up to date and its code runs."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from contract import OPERATIONS, UNSERVED
from contract.laws import LAWS
from fake_server.handlers import BINDINGS
from tools.write_laws import law_page, pages
from tools.write_tables import README, written

pytest_plugins = ["pytester"]

TEXT = README.read_text(encoding="utf-8")
EXAMPLES = README.parent / "examples" / "training_loop"
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_table_of_endpoints_is_up_to_date():
    assert written(TEXT) == TEXT, "run `make docs`"


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_the_pages_made_of_the_laws_are_up_to_date(path):
    assert path.read_text(encoding="utf-8") == pages()[path], "run `make docs` (python -m tools.write_laws)"


def test_a_law_with_a_range_and_markup_has_a_row_of_its_own():
    law = replace(LAWS["FUT-01"], statement="a|b <c>", needs=("x",), since="0.25.0", until="0.30.0")

    assert "| FUT-01 | a\\|b &lt;c> | " in law_page([law])
    assert " | x, SDK 0.25.0 - 0.30.0 | " in law_page([law])


def test_every_operation_is_bound_once():
    assert [binding.row for binding in BINDINGS] == [*OPERATIONS, *UNSERVED]


@pytest.mark.sdk
def test_the_readmes_test_passes(pytester):
    tests = [block for block in BLOCKS if "def test_" in block]
    pytester.makepyfile(**{f"test_{number}": block for number, block in enumerate(tests)})
    shutil.copy(EXAMPLES / "client.py", pytester.path)

    result = pytester.runpytest_subprocess("-q", "-p", "no:schemathesis")

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
