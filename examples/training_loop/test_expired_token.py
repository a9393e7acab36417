"""A token lives for an hour, and training takes longer."""

import pytest
from client import Client
from contract import ClientConfigResponse
from fake_server.settings import Settings


@pytest.fixture
def tinker_settings():
    return Settings(client_config=ClientConfigResponse(pjwt_auth_enabled=True))


@pytest.mark.tinker_virtual_time
def test_training_goes_on_with_a_new_token(tinker_fake):
    client = Client(tinker_fake.url, tinker_fake.api_key)
    client.step([1, 2, 3])
    tinker_fake.clock.advance(3601, heartbeats=True)
    client.step([1, 2, 3])
    tinker_fake.journal.assert_count(2, "auth_token")
