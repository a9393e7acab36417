"""What a client reports of itself. Source: sdk 0.38.0 types/{telemetry*,*_event}.py."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from contract.model import Since, WireModel, WireResponse

__all__ = [
    "EventType",
    "GenericEvent",
    "SessionEndEvent",
    "SessionStartEvent",
    "Severity",
    "TelemetryBatch",
    "TelemetryEvent",
    "TelemetryResponse",
    "TelemetrySendRequest",
    "UnhandledExceptionEvent",
]

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
EventType = Literal["SESSION_START", "SESSION_END", "UNHANDLED_EXCEPTION", "GENERIC_EVENT"]


class EventHeader(WireResponse):
    """What every event has."""

    event: EventType
    """Kind of the event."""
    event_id: str
    event_session_index: int
    """Counts the session's events from 0."""
    severity: Severity
    """How grave it is."""
    timestamp: datetime


class SessionStartEvent(EventHeader):
    """A client started."""

    event: Literal["SESSION_START"]


class SessionEndEvent(EventHeader):
    """A client ended, or caught an exception: the session may well go on."""

    event: Literal["SESSION_END"]
    duration: str
    """ISO 8601 duration."""


class UnhandledExceptionEvent(EventHeader):
    """A client's code failed."""

    event: Literal["UNHANDLED_EXCEPTION"]
    error_message: str
    error_type: str
    traceback: str | None = None
    """Python traceback."""


class GenericEvent(EventHeader):
    """Anything else."""

    event: Literal["GENERIC_EVENT"]
    event_name: str
    """One of few names."""
    event_data: dict[str, object] = {}
    """Any JSON."""


TelemetryEvent = Annotated[
    SessionStartEvent | SessionEndEvent | UnhandledExceptionEvent | GenericEvent,
    Field(discriminator="event"),
]


class TelemetrySendRequest(WireModel):
    """A batch of events, as it is sent."""

    events: list[TelemetryEvent]
    """At most 100."""
    platform: str
    """The client's operating system."""
    sdk_version: str
    """The client's version."""
    session_id: str
    """Its session, or `sessionless-<uuid>`."""
    process_uuid: Annotated[str, Since("0.24.0")]
    """The client's process, shared by its sessions."""


class TelemetryBatch(WireResponse):
    """A batch of events, as the client keeps it."""

    events: list[TelemetryEvent]
    """At most 100."""
    platform: str
    """The client's operating system."""
    sdk_version: str
    """The client's version."""
    session_id: str
    """Its session, or `sessionless-<uuid>`."""
    process_uuid: Annotated[str, Since("0.24.0")]
    """The client's process, shared by its sessions."""


class TelemetryResponse(WireResponse):
    """The batch was taken."""

    status: Literal["accepted"] = "accepted"
