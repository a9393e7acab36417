"""Audit and billing."""

from datetime import UTC, datetime, timedelta

from contract import (
    AuditLogRequest,
    AuditLogResponse,
    BadRequest,
    BillingEventInfo,
    BillingUsageEvent,
    BillingUsageResponse,
    BillingUsageSession,
    CheckpointBillingEvent,
    CurrentCheckpointStorageUsageItem,
    CurrentCheckpointStorageUsageResponse,
    GetBillingUsageRequest,
    GetCurrentCheckpointStorageUsageRequest,
    SamplingPrefillBillingEvent,
    SamplingSampleBillingEvent,
    TrainingBillingEvent,
)
from fake_server.auth import EMAIL, OWNER
from fake_server.service import Call, Service
from fake_server.times import utc
from fake_server.usage import HOUR, Kind

LONGEST_WINDOW = timedelta(days=14)
"""Source: sdk 0.38.0 types/billing_usage_request.py."""
RESOURCE_OF_TYPE = {
    "checkpoints": "checkpoint_",
    "projects": "project_",
    "teams": "team_",
    "organizations": "organization_",
}
GIGABYTE = 10**9


def get_audit_log(call: Call, request: AuditLogRequest) -> AuditLogResponse:
    """What was done on a day in UTC, by time; an entry `audit_drop` says so where some is no longer known."""
    day = request.day or call.now.date()
    resource = RESOURCE_OF_TYPE.get(request.event_type, "")
    return AuditLogResponse(entries=call.service.audit.of(day, resource))


def get_billing_usage(call: Call, request: GetBillingUsageRequest) -> BillingUsageResponse:
    """Usage by hour. Nothing here costs anything, so there are no prices."""
    start, end = _hour("starting_on", request.starting_on), _hour("ending_before", request.ending_before)
    if not timedelta(0) < end - start <= LONGEST_WINDOW:
        raise BadRequest(
            f"ending_before: expected up to 14 days after {start.isoformat()}, got {end.isoformat()}"
        )
    rows = list(call.service.usage.between(start.timestamp(), end.timestamp()))
    sessions = call.service.store.sessions
    events = [
        BillingUsageEvent(
            bucket_start=utc(bucket.hour),
            bucket_end=utc(bucket.hour + HOUR),
            base_model=bucket.base_model,
            user_id=OWNER,
            session_id=bucket.session_id,
            project_id=sessions.get(bucket.session_id).project_id,
            event_info=_event(bucket.kind, count),
        )
        for bucket, count in rows
    ]
    named = {bucket.session_id for bucket, _ in rows}
    return BillingUsageResponse(
        data=events,
        sessions={s: BillingUsageSession(user_metadata=sessions.get(s).user_metadata) for s in sorted(named)},
    )


def _hour(field: str, moment: datetime) -> datetime:
    try:
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise BadRequest(f"{field}: expected a time that UTC can tell, got {moment.isoformat()}") from None
    if moment.timestamp() % HOUR:
        raise BadRequest(f"{field}: expected a whole hour in UTC, got {moment.isoformat()}")
    return moment


def _event(kind: Kind, count: int) -> BillingEventInfo:
    if kind == "training":
        return TrainingBillingEvent(token_count=count)
    if kind == "sampling_prefill":
        return SamplingPrefillBillingEvent(cached=False, token_count=count)
    if kind == "sampling_sample":
        return SamplingSampleBillingEvent(token_count=count)
    return CheckpointBillingEvent(count=count)


def get_current_checkpoint_storage_usage(
    call: Call, request: GetCurrentCheckpointStorageUsageRequest
) -> CurrentCheckpointStorageUsageResponse:
    """Storage in use now, by project."""
    service = call.service
    service.drop_expired_checkpoints()
    sizes: dict[str, list[int]] = {}
    for record in service.store.checkpoints:
        project = _project(service, record.session_id)
        if request.project_id in (None, project):
            sizes.setdefault(project, []).append(record.weights.size_bytes)
    return CurrentCheckpointStorageUsageResponse(data=[_item(p, s) for p, s in sorted(sizes.items())])


def _project(service: Service, session_id: str) -> str:
    return service.store.sessions.get(session_id).project_id


def _item(project_id: str, sizes: list[int]) -> CurrentCheckpointStorageUsageItem:
    total = sum(sizes)
    return CurrentCheckpointStorageUsageItem(
        project_id=project_id,
        org_user_urn=OWNER,
        user_email=EMAIL,
        checkpoint_count=len(sizes),
        size_bytes=total,
        size_gigabytes=total / GIGABYTE,
    )
