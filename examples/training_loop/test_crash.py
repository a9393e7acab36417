"""Training breaks down in the middle and is started again."""

import pytest
import tinker
from loop import BATCHES, Loop


@pytest.mark.tinker_faults("status", "forward_backward", 400, body={"detail": "crash"}, nth=4)
def test_after_a_crash_the_losses_are_those_of_a_run_without_one(tinker_fake, tmp_path):
    (tmp_path / "quiet").mkdir()
    quiet = Loop(tinker_fake.fresh().service_client(), tmp_path / "quiet").train(BATCHES)
    with pytest.raises(tinker.BadRequestError, match="crash"):
        Loop(tinker_fake.service_client(), tmp_path).train(BATCHES)
    resumed = Loop(tinker_fake.service_client(), tmp_path).train(BATCHES)
    assert resumed == quiet[2:]
