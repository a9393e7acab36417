"""The page of findings: each is known to fuzzing under its heading, and its reproduction runs."""

import re
from pathlib import Path

import pytest
import tinker  # noqa: F401 # or each run in this process would import it anew

from fake_server.client_fuzzing.sdk_known import KNOWN

pytest_plugins = ["pytester"]

TEXT = (Path(__file__).parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")
PLAIN = ("-q", "-W", "ignore", "-p", "no:cacheprovider")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_what_is_known_has_a_heading() -> None:
    assert set(re.findall(r"^## (.*)$", TEXT, flags=re.MULTILINE)[:-1]) == set(KNOWN)


FUZZING = (Path(__file__).parents[2] / "docs" / "fuzzing.md").read_text(encoding="utf-8")


@pytest.mark.sdk
def test_the_tests_of_the_page_on_fuzzing_pass(pytester: pytest.Pytester) -> None:
    blocks = [
        block
        for block in re.findall(r"```python\n(.*?)```", FUZZING, flags=re.DOTALL)
        if "import given" in block or "SdkPlayer" in block
    ]
    pytester.makepyfile(test_page="\n".join(blocks))

    pytester.runpytest_inprocess(*PLAIN).assert_outcomes(passed=3)


@pytest.mark.sdk
def test_every_reproduction_reproduces(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(**{f"test_{number}": block for number, block in enumerate(BLOCKS)})

    result = pytester.runpytest_inprocess(*PLAIN)

    result.assert_outcomes(passed=len(BLOCKS))
