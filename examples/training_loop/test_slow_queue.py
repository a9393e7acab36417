"""All machines are busy, and every step waits for an hour."""

import pytest
from loop import BATCHES, Loop


@pytest.mark.tinker_virtual_time(auto=True)
@pytest.mark.tinker_delivery("optim_step", seconds=3600, queue_state="paused_capacity")
def test_a_step_that_takes_an_hour_is_made_once(tinker_fake, tmp_path):
    Loop(tinker_fake.service_client(), tmp_path).train(BATCHES[:2])
    tinker_fake.journal.assert_count(2, "optim_step")
    tinker_fake.verdict.assert_clean()
