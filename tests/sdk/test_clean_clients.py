"""The newest SDK, used as it should be, breaks no rule: random programs, no faults, no false positive."""

from random import Random

import pytest
import tinker

from fake_server.fake import Fake, FakeServer
from tests.sdk.programs import Program, settings_of

FEW, MANY = 10, 500


def judge(server: FakeServer, seed: int) -> None:
    """Run the program of a seed; the verdict must be clean while it runs, and once it has ended."""
    chance = Random(seed)
    fake = Fake(server, f"clean-{seed}", settings=settings_of(chance))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINKER_TELEMETRY", chance.choice("01"))
        service = fake.service_client()
        rest = tinker.RestClient(base_url=fake.url, api_key=fake.api_key)
        Program(service, rest, chance).run()
        rest.holder.close()
    fake.verdict.assert_clean()
    controls = fake.controls
    fake.close()
    controls.verdict.assert_clean()
    assert {finding.rule.id for finding in controls.verdict.findings} <= {"CLI-18"}, seed


@pytest.mark.sdk
@pytest.mark.parametrize("seed", range(FEW))
def test_a_clean_run_of_the_sdk_breaks_no_rule(tinker_fake_server, seed):
    judge(tinker_fake_server, seed)


@pytest.mark.sdk
@pytest.mark.slow
@pytest.mark.parametrize("first", range(FEW, MANY, FEW))
def test_hundreds_of_clean_runs_of_the_sdk_break_no_rule(tinker_fake_server, first):
    for seed in range(first, first + FEW):
        judge(tinker_fake_server, seed)
