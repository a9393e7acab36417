"""Keys and tokens are written nowhere, wherever a client puts them."""

import json

import pytest

from contract import ClientConfigResponse
from fake_server.har import as_har
from fake_server.journal_files import as_lines
from fake_server.redaction import HIDDEN, HIDDEN_KEY, redacted
from fake_server.settings import AuthSettings, Settings
from tests.fake_server.driver import Driver
from tests.fake_server.journals import Script, exchange

CANARY = "tml-canary-K3y_of-nobody"
PLAIN = "canary without a mark"


def everything(driver: Driver) -> str:
    """All that is ever written of a journal."""
    journal = driver.controls.journal
    written = [as_lines(journal), json.dumps(as_har(journal)), repr(list(journal)), repr(journal.calls())]
    faces = [driver.get(f"/-/journal{form}").body.decode() for form in ("", ".jsonl", ".har")]
    return "\n".join(written + faces + [str(call.outcome) for call in journal.calls()])


def test_keys_in_headers_bodies_and_paths_are_not_written():
    driver = Driver(control=True)
    driver.headers["x-api-key"] = CANARY
    session = driver.session(user_metadata={"key": CANARY}, display_name=f"of {CANARY}", tags=[CANARY])
    driver.post("session_heartbeat", {"session_id": CANARY}, x_idempotency_key=CANARY)
    driver.get(f"training_runs/{CANARY}")
    driver.get(f"training_runs?project_id={CANARY}")
    driver.call("DELETE", "auth/apikey/me")
    driver.headers["x-api-key"] = "tml-other"
    model = driver.model(session, user_metadata={CANARY: 1})
    driver.post(
        "copy_weights", {"source_path": f"tinker://{CANARY}/weights/x"}, x_tinker_weights_access_token=PLAIN
    )
    load = {"model_id": model, "seq_id": 1, "path": "tinker://a/weights/b", "optimizer": True}
    driver.post("load_weights", {**load, "weights_access_token": PLAIN})

    written = everything(driver)
    assert "canary" not in written
    assert HIDDEN in written
    assert HIDDEN_KEY in written


def test_an_exchanged_token_is_not_written():
    driver = Driver(Settings(client_config=ClientConfigResponse(pjwt_auth_enabled=True)), control=True)
    token = driver.answer("auth/token", {})["jwt"]
    driver.headers["x-api-key"] = token
    driver.session(display_name=token)

    written = everything(driver)
    assert token[:12] not in written
    assert token.split(".")[2] not in written


def test_a_key_that_looks_like_none_is_not_written_where_the_server_knows_it():
    driver = Driver(Settings(auth=AuthSettings(api_keys=(PLAIN,))), control=True)
    driver.headers["x-api-key"] = PLAIN
    driver.session(display_name=f"of {PLAIN}")

    assert PLAIN not in everything(driver)


def test_keys_in_telemetry_are_not_written():
    driver = Driver(control=True)
    event = {
        "event": "GENERIC_EVENT",
        "event_id": "1",
        "event_session_index": 0,
        "severity": "INFO",
        "timestamp": "2026-01-01T00:00:00Z",
        "event_name": "request",
        "event_data": {"headers": {"X-API-Key": CANARY, "Authorization": PLAIN}},
    }
    batch = {"platform": "Linux", "sdk_version": "0.38.0", "session_id": "s", "process_uuid": "p"}
    driver.answer("telemetry", {"events": [event], **batch})

    assert "canary" not in everything(driver)


def test_keys_in_what_cannot_be_decoded_are_not_written():
    driver = Driver(control=True)
    driver.post("create_session", {"tags": CANARY, "sdk_version": 1})
    driver.post("create_session", b'{"' + CANARY.encode())

    assert "canary" not in everything(driver)


def test_what_is_shortened_is_redacted_first():
    script = Script()
    script.journal._byte_limit = 0
    script.journal.add(exchange("create_session", request={"tags": [CANARY]}, request_bytes=9_000))

    assert "canary" not in as_lines(script.journal)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"jwt": "abc"}', '{"jwt": "[redacted]"}'),
        ('{"weights_access_token":"tml-x"}', '{"weights_access_token":"[redacted]"}'),
        ('{"X-Api-Key":"with \\" in it"}', '{"X-Api-Key":"[redacted]"}'),
        ('{"x-api-key":"tml-x"}', '{"x-api-key":"[redacted key]"}'),
        ('["tml-abc","tml-"]', '["[redacted key]","tml-"]'),
        ('["eyJhbGciOiJI.eyJzdWIi.sig"]', '["[redacted key]"]'),
        ('{"owner":"tml:user:fake"}', '{"owner":"tml:user:fake"}'),
    ],
)
def test_what_is_a_secret_and_what_is_not(text, clean):
    assert redacted(text.encode()).decode() == clean
