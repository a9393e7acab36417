import pytest
from pydantic import ValidationError

from contract.telemetry import (
    GenericEvent,
    SessionEndEvent,
    SessionStartEvent,
    TelemetryResponse,
    TelemetrySendRequest,
    UnhandledExceptionEvent,
)

HEADER = {"event_id": "e", "event_session_index": 0, "severity": "INFO", "timestamp": "2026-01-01T00:00:00Z"}
BATCH = {"platform": "Linux", "sdk_version": "0.38.0", "session_id": "s", "process_uuid": "p"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"event": "SESSION_START"}, SessionStartEvent),
        ({"event": "SESSION_END", "duration": "PT1S"}, SessionEndEvent),
        ({"event": "UNHANDLED_EXCEPTION", "error_type": "E", "error_message": "m"}, UnhandledExceptionEvent),
        ({"event": "GENERIC_EVENT", "event_name": "n", "event_data": {"a": [1]}}, GenericEvent),
    ],
)
def test_an_event_is_known_by_its_kind(event, kind):
    batch = TelemetrySendRequest.model_validate({**BATCH, "events": [HEADER | event]})
    assert isinstance(batch.events[0], kind)


def test_an_event_of_another_kind_is_refused():
    with pytest.raises(ValidationError, match="'SESSION_START', 'SESSION_END'"):
        TelemetrySendRequest.model_validate({**BATCH, "events": [HEADER | {"event": "LUNCH"}]})


def test_a_batch_is_accepted_in_one_word():
    assert TelemetryResponse().model_dump() == {"status": "accepted"}
