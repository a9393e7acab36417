"""Sessions as lives and as resources."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from contract import (
    AssignSessionProjectRequest,
    ClientFinishedSessionStatusQuery,
    ClientSessionFinished,
    CreateSessionRequest,
    CreateSessionResponse,
    FinishSessionRequest,
    GetSessionRequest,
    GetSessionResponse,
    Gone,
    ListSessionsRequest,
    ListSessionsResponse,
    SessionActive,
    SessionHeartbeatRequest,
    SessionHeartbeatResponse,
    SessionSearchCursor,
    SessionSearchRequest,
    SessionSearchResponse,
    SessionStatus,
    SessionStatusQuery,
    SessionSummary,
    TraceExportRequest,
    TraceExportResponse,
    Unprocessable,
    UserSearchOwner,
)
from fake_server.auth import OWNER
from fake_server.handlers.files import FILE_LIFE_SECONDS, sign
from fake_server.handlers.pages import page
from fake_server.service import DEFAULT_PROJECT, Call, Service
from fake_server.store import SessionRecord
from fake_server.times import utc


def texts(metadata: dict[str, Any] | None) -> dict[str, str] | None:
    """Metadata as answers have it: texts. Clients refuse anything else."""
    return None if metadata is None else {key: str(value) for key, value in metadata.items()}


def create_session(call: Call, request: CreateSessionRequest) -> CreateSessionResponse:
    """Open a session, and free what those hold whose clients have gone."""
    service = call.service
    service.wind_up_silent_sessions()
    now = service.clock.now()
    session = SessionRecord(
        session_id=service.ids.next("session"),
        created_at=now,
        seen_at=now,
        sdk_version=request.sdk_version,
        user_metadata=texts(request.user_metadata),
        display_name=request.display_name,
        project_id=request.project_id or DEFAULT_PROJECT,
        tags=tuple(request.tags),
    )
    service.store.sessions.add(session.session_id, session)
    return CreateSessionResponse(session_id=session.session_id)


def session_heartbeat(call: Call, request: SessionHeartbeatRequest) -> SessionHeartbeatResponse:
    """Note a sign of life; 410 tells a client to stop, since the session has ended."""
    service = call.service
    session = service.store.sessions.get(request.session_id)
    if not isinstance(service.status_of(session), SessionActive):
        service.wind_up(request.session_id)
        raise Gone(f"session {request.session_id!r} has ended")
    service.store.sessions.put(request.session_id, replace(session, seen_at=service.clock.now()))
    return SessionHeartbeatResponse()


def finish_session(call: Call, request: FinishSessionRequest) -> None:
    """End a session; a session that has ended stays as it was.

    Operations whose turn has come go on, those that wait for a missing number fail, and its models are freed.
    """
    service = call.service
    session = service.store.sessions.get(request.session_id)
    if isinstance(service.status_of(session), SessionActive):
        ended = ClientSessionFinished(reason=request.reason, detail=request.detail)
        service.store.sessions.put(request.session_id, replace(session, ended=ended))
        service.wind_up(request.session_id)


def list_sessions(call: Call, request: ListSessionsRequest) -> ListSessionsResponse:
    """A page of session ids, newest first."""
    newest = list(call.service.store.sessions)[::-1]
    chosen, _ = page(newest, request.offset, request.limit)
    return ListSessionsResponse(sessions=[session.session_id for session in chosen])


def get_session(call: Call, request: GetSessionRequest) -> GetSessionResponse:
    """A session's models and samplers, oldest first."""
    store = call.service.store
    session = store.sessions.get(request.session_id)
    mine = request.session_id
    return GetSessionResponse(
        training_run_ids=[model.model_id for model in store.models if model.session_id == mine],
        sampler_ids=[s.sampling_session_id for s in store.samplers if s.session_id == mine],
        user_metadata=session.user_metadata,
        display_name=session.display_name,
    )


def assign_session_project(call: Call, request: AssignSessionProjectRequest) -> None:
    """Move a session to a project."""
    sessions = call.service.store.sessions
    session = sessions.get(request.session_id)
    if not request.project_id:
        raise Unprocessable("project_id: expected a project, got an empty text")
    sessions.put(request.session_id, replace(session, project_id=request.project_id))
    call.service.note("project_assign", session_id=request.session_id, project_id=request.project_id)


def search_sessions(call: Call, request: SessionSearchRequest) -> SessionSearchResponse:
    """Sessions that match every given filter, newest first."""
    service = call.service
    newest = list(service.store.sessions)[::-1]
    if request.cursor is not None:  # its session may have changed since, and match no more
        last_seen = service.store.sessions.get(request.cursor.last_session_id)
        newest = newest[newest.index(last_seen) + 1 :]
    found = [session for session in newest if _matches(service, session, request)]
    shown = [_summary(service, session) for session in found[: request.limit]]
    more = len(found) > len(shown)
    last = shown[-1] if shown else None
    cursor = (
        SessionSearchCursor(last_created_at=last.created_at, last_session_id=last.session_id)
        if more and last
        else None
    )
    return SessionSearchResponse(sessions=shown, next_cursor=cursor)


def _matches(service: Service, session: SessionRecord, request: SessionSearchRequest) -> bool:
    metadata = session.user_metadata or {}
    status = service.status_of(session)
    return (
        _named(session, request)
        and (request.project_ids is None or session.project_id in request.project_ids)
        and all(metadata.get(key) == value for key, value in request.user_metadata.items())
        and (not isinstance(request.owner, UserSearchOwner) or OWNER in request.owner.owner_urns)
        and (request.statuses is None or any(_in_state(status, q) for q in request.statuses))
    )


def _named(session: SessionRecord, request: SessionSearchRequest) -> bool:
    """With both an id and a name, either one is enough."""
    hits: list[bool] = []
    if request.session_id is not None:
        hits.append(session.session_id == request.session_id)
    if request.display_name is not None:
        name = (session.display_name or "").lower()
        hits.append(all(word in name for word in request.display_name.lower().split()))
    return any(hits) or not hits


def _in_state(status: SessionStatus, query: SessionStatusQuery) -> bool:
    if isinstance(query, ClientFinishedSessionStatusQuery) and isinstance(status, ClientSessionFinished):
        return query.reasons is None or status.reason.type in query.reasons
    return status.type == query.type


def _summary(service: Service, session: SessionRecord) -> SessionSummary:
    service.drop_expired_checkpoints()
    sizes = [c.weights.size_bytes for c in service.store.checkpoints if c.session_id == session.session_id]
    return SessionSummary(
        session_id=session.session_id,
        created_at=utc(session.created_at),
        owner=OWNER,
        project_id=session.project_id,
        status=service.status_of(session),
        checkpoints_count=len(sizes),
        display_name=session.display_name,
        user_metadata=session.user_metadata,
        checkpoint_storage_bytes=sum(sizes),
    )


def export_trace(call: Call, request: TraceExportRequest) -> TraceExportResponse:
    """A signed URL of the session's operations as JSON; it is ready at once."""
    call.service.store.sessions.get(request.session_id)
    expires = call.service.clock.now() + FILE_LIFE_SECONDS
    return TraceExportResponse(status="ready", url=sign(call, f"traces/{request.session_id}.json", expires))


def trace(service: Service, session_id: str) -> dict[str, object]:
    """The operations of a session that can still be fetched, oldest first."""
    owners = {session_id, *_owned(service, session_id)}
    return {
        "session_id": session_id,
        "operations": [
            {
                "request_id": future.request_id,
                "operation": future.operation,
                "owner": future.owner,
                "seq_id": future.seq_id,
                "submitted_at": utc(future.created_at).isoformat(),
                "state": "pending" if future.outcome is None else "failed" if future.failed else "finished",
            }
            for future in service.futures
            if future.owner in owners
        ],
    }


def _owned(service: Service, session_id: str) -> Iterable[str]:
    yield from (m.model_id for m in service.store.models if m.session_id == session_id)
    yield from (s.sampling_session_id for s in service.store.samplers if s.session_id == session_id)
