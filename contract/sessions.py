"""Sessions: opening, beating, finishing, finding. Source: sdk 0.38.0 types/{*session*,search_owner}.py."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from contract.ids import ModelID
from contract.model import Since, WireModel, WireResponse
from contract.weights import AccessScope

__all__ = [
    "AccessibleSearchOwner",
    "ActiveSessionStatusQuery",
    "AssignSessionProjectRequest",
    "CancelledSessionStatusQuery",
    "ClientFinishedSessionStatusQuery",
    "ClientSessionFinishErrored",
    "ClientSessionFinishInterrupted",
    "ClientSessionFinishReason",
    "ClientSessionFinishReasonType",
    "ClientSessionFinishSuccess",
    "ClientSessionFinished",
    "CreateSessionRequest",
    "CreateSessionResponse",
    "FailedSessionStatusQuery",
    "FinishSessionRequest",
    "GetSessionRequest",
    "GetSessionResponse",
    "ListSessionsRequest",
    "ListSessionsResponse",
    "OwnSearchOwner",
    "SearchOwner",
    "SessionActive",
    "SessionCancelled",
    "SessionFailed",
    "SessionFailedReason",
    "SessionFailedRequestReason",
    "SessionFailedSamplingSessionReason",
    "SessionFailedTrainingRunReason",
    "SessionHeartbeatRequest",
    "SessionHeartbeatResponse",
    "SessionSearchCursor",
    "SessionSearchRequest",
    "SessionSearchResponse",
    "SessionStatus",
    "SessionStatusQuery",
    "SessionSummary",
    "TraceExportRequest",
    "TraceExportResponse",
    "UserSearchOwner",
]


class CreateSessionRequest(WireModel):
    """Open a session."""

    tags: list[str]
    """Labels, in any order."""
    user_metadata: dict[str, Any] | None
    """Anything the user wants to keep with the session."""
    sdk_version: str
    """The client's version."""
    project_id: Annotated[str | None, Since("0.15.0")] = None
    """The project that the session counts for."""
    display_name: Annotated[str | None, Since("0.34.0")] = None
    """Name for people; need not be unique."""
    type: Literal["create_session"] = "create_session"


class CreateSessionResponse(WireResponse):
    """The new session."""

    type: Literal["create_session"] = "create_session"
    info_message: str | None = None
    """What the client should log as information."""
    warning_message: str | None = None
    """What the client should log as a warning."""
    error_message: str | None = None
    """What the client should log as an error."""
    session_id: str


class SessionHeartbeatRequest(WireModel):
    """The client is still there; sent every ten seconds."""

    session_id: str
    type: Literal["session_heartbeat"] = "session_heartbeat"


class SessionHeartbeatResponse(WireResponse):
    """The server heard it."""

    type: Literal["session_heartbeat"] = "session_heartbeat"


class ClientSessionFinishSuccess(WireResponse):
    """The client did what it wanted."""

    type: Literal["success"] = "success"


class ClientSessionFinishErrored(WireResponse):
    """The client failed."""

    type: Literal["errored"] = "errored"


class ClientSessionFinishInterrupted(WireResponse):
    """The client was stopped."""

    type: Literal["interrupted"] = "interrupted"


ClientSessionFinishReason = Annotated[
    ClientSessionFinishSuccess | ClientSessionFinishErrored | ClientSessionFinishInterrupted,
    Field(discriminator="type"),
]
ClientSessionFinishReasonType = Literal["success", "errored", "interrupted"]


class FinishSessionRequest(WireModel):
    """Say that a session is over; the first to say so wins."""

    session_id: str
    reason: ClientSessionFinishReason
    detail: str | None = None
    """More about it, for people."""


class SessionFailedRequestReason(WireResponse):
    """A request failed the session."""

    type: Literal["request"] = "request"
    request_id: str
    request_type: str


class SessionFailedTrainingRunReason(WireResponse):
    """A training run failed the session."""

    type: Literal["training_run"] = "training_run"
    training_run_id: str


class SessionFailedSamplingSessionReason(WireResponse):
    """A sampling session failed the session."""

    type: Literal["sampling_session"] = "sampling_session"
    sampling_session_id: str


SessionFailedReason = Annotated[
    SessionFailedRequestReason | SessionFailedTrainingRunReason | SessionFailedSamplingSessionReason,
    Field(discriminator="type"),
]


class SessionFailed(WireResponse):
    """The session failed."""

    type: Literal["failed"] = "failed"
    category: Literal["user", "internal"]
    """Whose fault it was."""
    reason: SessionFailedReason
    message: str


class SessionCancelled(WireResponse):
    """The session was cancelled, or its heartbeats stopped."""

    type: Literal["cancelled"] = "cancelled"
    detail: str | None = None


class ClientSessionFinished(WireResponse):
    """The client said that it was done."""

    type: Literal["client_finished"] = "client_finished"
    reason: ClientSessionFinishReason
    detail: str | None = None


class SessionActive(WireResponse):
    """The session is running."""

    type: Literal["active"] = "active"


SessionStatus = Annotated[
    SessionFailed | SessionCancelled | ClientSessionFinished | SessionActive,
    Field(discriminator="type"),
]


class ActiveSessionStatusQuery(WireModel):
    """Running sessions."""

    type: Literal["active"] = "active"


class CancelledSessionStatusQuery(WireModel):
    """Cancelled sessions."""

    type: Literal["cancelled"] = "cancelled"


class FailedSessionStatusQuery(WireModel):
    """Failed sessions."""

    type: Literal["failed"] = "failed"


class ClientFinishedSessionStatusQuery(WireModel):
    """Sessions whose client said that it was done."""

    type: Literal["client_finished"] = "client_finished"
    reasons: list[ClientSessionFinishReasonType] | None = Field(default=None, min_length=1)
    """Any of these reasons; absent means any."""


SessionStatusQuery = Annotated[
    ActiveSessionStatusQuery
    | CancelledSessionStatusQuery
    | FailedSessionStatusQuery
    | ClientFinishedSessionStatusQuery,
    Field(discriminator="type"),
]


class OwnSearchOwner(WireModel):
    """The caller's own sessions."""

    type: Literal["own"] = "own"


class AccessibleSearchOwner(WireModel):
    """Everybody's sessions that the caller may see."""

    type: Literal["accessible"] = "accessible"


class UserSearchOwner(WireModel):
    """The named users' sessions."""

    type: Literal["user"] = "user"
    owner_urns: list[str] = Field(min_length=1, max_length=10)
    """One to ten users."""


SearchOwner = Annotated[OwnSearchOwner | AccessibleSearchOwner | UserSearchOwner, Field(discriminator="type")]


class SessionSearchCursor(WireResponse):
    """Where the next page starts."""

    last_created_at: AwareDatetime
    last_session_id: str


class SessionSearchRequest(WireModel):
    """Find sessions."""

    session_id: str | None = None
    """This session; with `display_name`, a session that matches either one is found."""
    project_ids: list[str] | None = None
    """Any of these projects; absent means any."""
    user_metadata: dict[str, str] = {}
    """Pairs that must all be there."""
    display_name: str | None = Field(default=None, min_length=1)
    """Words that must all be in the name, in any case."""
    owner: SearchOwner = OwnSearchOwner()
    """Whose sessions."""
    statuses: list[SessionStatusQuery] | None = Field(default=None, min_length=1)
    """Any of these states; absent means any."""
    limit: int = Field(default=50, ge=1, le=200)
    """Most sessions to answer."""
    cursor: SessionSearchCursor | None = None
    """The previous page's `next_cursor`."""


class SessionSummary(WireResponse):
    """A found session."""

    session_id: str
    created_at: datetime
    owner: str
    project_id: str
    status: SessionStatus | None = None
    """Absent where it is not known."""
    checkpoints_count: int
    display_name: str | None = None
    user_metadata: dict[str, str] | None = None
    checkpoint_storage_bytes: int | None = None


class SessionSearchResponse(WireResponse):
    """A page of found sessions, newest first."""

    sessions: list[SessionSummary]
    next_cursor: SessionSearchCursor | None = None
    """Absent on the last page."""


class ListSessionsRequest(WireModel):
    """A page of session ids."""

    limit: int = 20
    offset: int = 0
    access_scope: Annotated[AccessScope, Since("0.15.0")] = "owned"


class ListSessionsResponse(WireResponse):
    """Session ids, newest first."""

    sessions: list[str]


class GetSessionRequest(WireModel):
    """One session."""

    session_id: str
    access_scope: Annotated[AccessScope, Since("0.15.0")] = "owned"


class GetSessionResponse(WireResponse):
    """What belongs to a session."""

    training_run_ids: list[ModelID]
    """Its models."""
    sampler_ids: list[str]
    """Its samplers."""
    user_metadata: Annotated[dict[str, str] | None, Since("0.30.0")] = None
    """What the user kept with it."""
    display_name: Annotated[str | None, Since("0.34.0")] = None
    """Its name for people."""


class AssignSessionProjectRequest(WireModel):
    """Move a session to a project."""

    session_id: str
    project_id: str


class TraceExportRequest(WireModel):
    """Ask for a session's trace."""

    session_id: str


class TraceExportResponse(WireResponse):
    """Where the trace is, once it is ready."""

    status: Literal["pending", "ready", "failed"]
    url: str | None = None
    """Set when ready."""
    error: str | None = None
    """Set when failed."""
