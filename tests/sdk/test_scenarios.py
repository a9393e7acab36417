"""The reference command for the published SDK, in a few scenarios; `make conform-sdk` tries all of them."""

import os
import sys
from pathlib import Path

import pytest

from fake_server.scenarios import CLEAN, SCENARIOS
from fake_server.scenarios.clients import command_client
from fake_server.scenarios.trial import scenario_server, try_scenarios

pytestmark = pytest.mark.sdk

COMMAND = Path(__file__).parents[2] / "examples" / "conform_sdk.py"
HELD = ("SCN-11", "SCN-24", "SCN-66")
MORE = ("SCN-18", "SCN-38", "SCN-69")
"""With the slow tests: each is a process of its own, which takes two seconds to import the SDK."""
BROKEN = {
    "SCN-56": "forward_backward: expected a result that is no result to be polled again, or a failure",
    "SCN-65": "CLI-02 another request under the same number: expected a client that keeps the rules",
}


def tried(*names):
    chosen = [SCENARIOS[name] for name in names]
    client = command_client(
        [sys.executable, str(COMMAND)], {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    with scenario_server() as server:
        return {one.id: one for one in try_scenarios(chosen, SCENARIOS[CLEAN], client, server, jobs=4)}


@pytest.fixture(scope="module")
def outcomes():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # nothing of ours runs there
        return tried(CLEAN, *HELD, *BROKEN)


@pytest.mark.parametrize("name", [CLEAN, *HELD])
def test_the_sdk_comes_out_of_it(outcomes, name):
    assert (outcomes[name].verdict, outcomes[name].text) == ("holds", "")


@pytest.mark.parametrize("name", BROKEN)
def test_a_finding_about_the_sdk_is_still_true(outcomes, name):
    assert BROKEN[name] in outcomes[name].text


@pytest.mark.slow
def test_the_sdk_comes_out_of_more():
    assert {name: (one.verdict, one.text) for name, one in tried(CLEAN, *MORE).items()} == dict.fromkeys(
        (CLEAN, *MORE), ("holds", "")
    )
