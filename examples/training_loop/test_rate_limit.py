"""A busy service says when to come back."""

import pytest
from client import Client


@pytest.mark.tinker_virtual_time
@pytest.mark.tinker_faults("rate_limit", "forward_backward", retry_after=20, times=2)
def test_the_client_comes_back_when_it_was_told_to(tinker_fake):
    client = Client(tinker_fake.url, tinker_fake.api_key, sleep=tinker_fake.clock.advance)
    client.step([1, 2, 3])
    assert [call.status for call in tinker_fake.journal.calls("forward_backward")] == [429, 429, 200]
    tinker_fake.verdict.assert_clean()
