"""The tenant's clock over HTTP."""

from contract import BadRequest, EmptyRequest, Operation, WireModel, WireResponse
from fake_server.clock import VirtualClock
from fake_server.control_api.control import Control, control
from fake_server.service import Call

__all__ = ["CLOCK"]


class ClockResponse(WireResponse):
    """The tenant's time."""

    now: float
    """Seconds since the epoch."""
    virtual: bool
    """Whether it stands still until it is moved."""


class AdvanceRequest(WireModel):
    """How far to move the clock."""

    seconds: float


def get_clock(call: Call, _request: EmptyRequest) -> ClockResponse:
    """The time."""
    clock = call.service.clock
    return ClockResponse(now=clock.now(), virtual=isinstance(clock, VirtualClock))


def advance_clock(call: Call, request: AdvanceRequest) -> ClockResponse:
    """Move the clock; what falls due happens before the answer."""
    clock = call.service.clock
    if not isinstance(clock, VirtualClock):
        raise BadRequest("clock: expected a virtual one, got the machine's; it cannot be moved")
    try:
        clock.advance(request.seconds)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    return get_clock(call, EmptyRequest())


CLOCK: tuple[Control, ...] = (
    control(
        Operation(
            "clock", "GET", "The tenant's time.", EmptyRequest, ClockResponse, path="/-/clock", area="clock"
        ),
        get_clock,
        python="clock.now()",
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
