"""`fast_sdk()` in older releases of the SDK, each from its own wheel."""

import sys
from pathlib import Path

import pytest

from tests.sdk.environments import run_script
from tests.sdk.matrix.releases import environment_of
from tests.sdk.test_fast_sdk import refuse

pytestmark = [pytest.mark.sdk, pytest.mark.slow, pytest.mark.tinker_unread]

SCRIPT = Path(__file__).parent / "fast.py"


@pytest.mark.parametrize("version", ["0.18.2", "0.25.0"])
def test_an_older_release_submits_again_in_no_time(tinker_fake, version):
    left = refuse(tinker_fake, "optim_step", [503] * 6)

    told = run_script(Path(sys.executable), SCRIPT, environment_of(version) | tinker_fake.env())

    assert (left, len(told["sleeps"])) == ([], 6)
    assert sum(told["sleeps"]) > 15
