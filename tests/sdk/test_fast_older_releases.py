"""`fast_sdk()` in older releases of the SDK, each in an environment of its own."""

from pathlib import Path

import pytest

from tests.sdk.environments import ROOT, environment, requirements_of, run_script
from tests.sdk.test_fast_sdk import refuse

pytestmark = [pytest.mark.sdk, pytest.mark.slow, pytest.mark.tinker_unread]

SCRIPT = Path(__file__).parent / "fast.py"


@pytest.mark.parametrize("version", ["0.18.2", "0.25.0"])
def test_an_older_release_submits_again_in_no_time(tinker_fake, version):
    python = environment(version, requirements_of(version))
    left = refuse(tinker_fake, "optim_step", [503] * 6)

    told = run_script(python, SCRIPT, tinker_fake.env() | {"PYTHONPATH": str(ROOT)})

    assert (left, len(told["sleeps"])) == ([], 6)
    assert sum(told["sleeps"]) > 15
