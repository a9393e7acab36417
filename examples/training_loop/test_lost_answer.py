"""The service does the work, and the connection breaks before its answer is there."""

import pytest
from client import Client


@pytest.mark.tinker_virtual_time
@pytest.mark.tinker_faults("lose_answer", "forward_backward", nth=2)
def test_a_lost_answer_does_not_train_twice(tinker_fake):
    client = Client(tinker_fake.url, tinker_fake.api_key, sleep=tinker_fake.clock.advance)
    for _ in range(3):
        client.step([1, 2, 3])
    tinker_fake.verdict.assert_clean()
