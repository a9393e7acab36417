"""Keys and tokens: who may call, and until when."""

import pytest

from contract import ClientConfigResponse
from fake_server.settings import AuthSettings, Settings
from tests.fake_server.driver import Driver

TOKENS = Settings(client_config=ClientConfigResponse(pjwt_auth_enabled=True))


@pytest.mark.parametrize("key", ["", "sk-1"])
def test_a_missing_or_wrong_key_is_refused(key):
    reply = Driver().get("get_server_capabilities", x_api_key=key)

    assert reply.status == 401
    assert "header X-API-Key: expected" in reply.json["detail"]


def test_any_key_with_the_right_prefix_is_accepted():
    assert Driver().get("get_server_capabilities", x_api_key="tml-anything").status == 200


def test_only_listed_keys_are_accepted_where_there_is_a_list():
    driver = Driver(Settings(auth=AuthSettings(api_keys=("tml-a", "secret"))))

    assert driver.get("get_server_capabilities", x_api_key="secret").status == 200
    reply = driver.get("get_server_capabilities", x_api_key="tml-other")
    assert reply.status == 401
    assert "one of the keys given with --api-key, got another of 9 characters" in reply.json["detail"]


def test_health_needs_no_key():
    assert Driver().get("healthz", x_api_key="").json == {"status": "ok"}


def test_a_key_is_described_and_can_be_revoked():
    driver = Driver()

    assert driver.get("auth/apikey/me").json["details"]["org_details"]["name"] == "fake"
    assert driver.call("DELETE", "auth/apikey/me").status == 204
    assert driver.get("auth/apikey/me").status == 401


def test_a_key_is_exchanged_for_a_token_that_expires():
    driver = Driver(TOKENS)
    token = driver.answer("auth/token", {})["jwt"]
    assert driver.get("get_server_capabilities", x_api_key=token).status == 200

    driver.clock.advance(3600)

    reply = driver.get("get_server_capabilities", x_api_key=token)
    assert reply.status == 401
    assert 'error="invalid_token"' in reply.headers["www-authenticate"]


def test_a_key_is_not_enough_where_tokens_are_in_use():
    driver = Driver(TOKENS)

    assert driver.post("client/config", {"sdk_version": "0.38.0"}).status == 200
    reply = driver.get("get_server_capabilities")
    assert reply.status == 401
    assert "expected a token from /api/v1/auth/token" in reply.json["detail"]


def test_a_token_of_another_server_is_refused():
    token = Driver(Settings(seed=1, client_config=TOKENS.client_config)).answer("auth/token", {})["jwt"]

    reply = Driver(TOKENS).get("get_server_capabilities", x_api_key=token)

    assert reply.status == 401
    assert "token: expected one of this server" in reply.json["detail"]


def test_the_flags_of_the_settings_reach_the_client():
    driver = Driver(TOKENS)

    assert driver.answer("client/config", {"sdk_version": "0.38.0"})["pjwt_auth_enabled"] is True
    token = driver.answer("auth/token", {})["jwt"]
    flags = driver.answer("client/dynamic_config", {"sdk_version": "0.38.0"}, x_api_key=token)
    assert flags["refresh_interval_sec"] == 300
