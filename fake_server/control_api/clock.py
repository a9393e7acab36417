"""The tenant's clock over HTTP."""

from contract import BadRequest, EmptyRequest, Operation, WireModel, WireResponse
from fake_server.control_api.control import Control, control, controls_of
from fake_server.service import Call
from fake_server.traffic import Wait

__all__ = ["CLOCK"]


class ParkedEntry(WireResponse):
    """A request that waits."""

    number: int
    operation: str
    arrived_at: float
    since: float
    until: float | None
    """None where no time ends it."""


class ClockResponse(WireResponse):
    """The tenant's time."""

    now: float
    """Seconds since the epoch."""
    virtual: bool
    """Whether it stands still until it is moved."""
    auto: bool
    """Whether it moves by itself while all requests wait for it."""
    parked: list[ParkedEntry]
    """The requests that wait, oldest first."""
    stalls: int
    """How often nothing was to come for those who waited."""
    report: str
    """Every open request, in words."""


class SetClockRequest(WireModel):
    """How the time goes from now on."""

    virtual: bool
    """Whether it stands still until it is moved; else it goes on from where it is, as the machine's does."""
    auto: bool = False
    """Whether a virtual one moves by itself while all requests wait for it."""


class AdvanceRequest(WireModel):
    """How far to move the clock."""

    seconds: float
    heartbeats: bool = False
    """Whether clients count as having sent their heartbeats meanwhile."""


def get_clock(call: Call, _request: EmptyRequest) -> ClockResponse:
    """The time."""
    clock = controls_of(call).clock
    return ClockResponse(
        now=clock.now(),
        virtual=clock.is_virtual,
        auto=clock.is_auto,
        parked=[_entry(wait) for wait in clock.parked],
        stalls=clock.stalls,
        report=clock.report(),
    )


def _entry(wait: Wait) -> ParkedEntry:
    exchange = wait.exchange
    return ParkedEntry(
        number=exchange.number,
        operation=exchange.operation,
        arrived_at=exchange.arrived_at,
        since=wait.since,
        until=None if wait.until == float("inf") else wait.until,
    )


def set_clock(call: Call, request: SetClockRequest) -> ClockResponse:
    """Choose how the time goes."""
    clock = controls_of(call).clock
    if request.virtual:
        clock.virtual(auto=request.auto)
    elif request.auto:
        raise BadRequest("auto: expected it beside virtual, got the machine's time, which moves anyway")
    else:
        clock.system()
    return get_clock(call, EmptyRequest())


def advance_clock(call: Call, request: AdvanceRequest) -> ClockResponse:
    """Move the clock; what falls due happens before the answer."""
    try:
        controls_of(call).clock.advance(request.seconds, heartbeats=request.heartbeats)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    return get_clock(call, EmptyRequest())


CLOCK: tuple[Control, ...] = (
    control(
        Operation(
            "clock",
            "GET",
            "The tenant's time, and the requests that wait for it.",
            EmptyRequest,
            ClockResponse,
            path="/-/clock",
            area="clock",
        ),
        get_clock,
        python="clock.now(), clock.parked",
    ),
    control(
        Operation(
            "clock_set",
            "PUT",
            "Let the time be the machine's, or virtual: it moves when moved, or by itself.",
            SetClockRequest,
            ClockResponse,
            path="/-/clock",
            area="clock",
        ),
        set_clock,
        python="clock.virtual(auto=True)",
        command="serve --clock auto",
    ),
    control(
        Operation(
            "clock_advance",
            "POST",
            "Move a virtual clock.",
            AdvanceRequest,
            ClockResponse,
            path="/-/clock/advance",
            area="clock",
        ),
        advance_clock,
        python="clock.advance(seconds)",
    ),
)
