import pytest
from pydantic import TypeAdapter, ValidationError

from contract.sessions import (
    ClientFinishedSessionStatusQuery,
    ClientSessionFinished,
    FinishSessionRequest,
    OwnSearchOwner,
    SessionActive,
    SessionCancelled,
    SessionFailed,
    SessionSearchRequest,
    SessionStatus,
)

REASON = {"type": "request", "request_id": "r", "request_type": "Sample"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ({"type": "active"}, SessionActive),
        ({"type": "cancelled"}, SessionCancelled),
        ({"type": "client_finished", "reason": {"type": "success"}}, ClientSessionFinished),
        ({"type": "failed", "category": "user", "reason": REASON, "message": "m"}, SessionFailed),
    ],
)
def test_a_status_is_known_by_its_type(status, kind):
    assert isinstance(TypeAdapter(SessionStatus).validate_python(status), kind)


def test_a_search_finds_ones_own_sessions_by_default():
    search = SessionSearchRequest()
    assert (search.owner, search.limit) == (OwnSearchOwner(), 50)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", 0),
        ("limit", 201),
        ("display_name", ""),
        ("statuses", []),
        ("owner", {"type": "user", "owner_urns": []}),
        ("cursor", {"last_created_at": "2026-01-01T00:00:00", "last_session_id": "s"}),
    ],
)
def test_a_search_out_of_range_is_refused(field, value):
    with pytest.raises(ValidationError, match=field):
        SessionSearchRequest.model_validate({field: value})


def test_a_query_for_reasons_names_one():
    with pytest.raises(ValidationError, match="reasons"):
        ClientFinishedSessionStatusQuery(reasons=[])


def test_a_session_is_finished_for_a_known_reason():
    body = {"session_id": "s", "reason": {"type": "bored"}, "detail": None}
    with pytest.raises(ValidationError, match="'success', 'errored', 'interrupted'"):
        FinishSessionRequest.model_validate(body)
