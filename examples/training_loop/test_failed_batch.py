"""A batch is taken on, and fails."""

import pytest
import tinker
from loop import BATCHES, Loop


def test_training_stops_at_a_batch_that_failed(tinker_fake, tmp_path):
    tinker_fake.stubs.on("forward_backward").pass_through().then.fails("user", "the batch is too long")
    with pytest.raises(tinker.RequestFailedError, match="too long"):
        Loop(tinker_fake.service_client(), tmp_path).train(BATCHES)
    tinker_fake.journal.assert_count(1, "optim_step")
