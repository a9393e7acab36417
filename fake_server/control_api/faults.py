"""The faults over HTTP."""

from typing import Any

from contract import BadRequest, EmptyRequest, Operation, WireResponse
from fake_server.control_api.control import Control, control, controls_of
from fake_server.faults import Schedule, as_fields
from fake_server.injector import Injector
from fake_server.service import Call
from fake_server.tenants import PREFIX

__all__ = ["FAULTS"]


class SetFaultResponse(WireResponse):
    """One fault that is set."""

    fault: dict[str, Any]
    """As it was set."""
    calls: int
    """Requests that matched it."""
    fired: int
    """Requests that it struck."""


class FaultsResponse(WireResponse):
    """The faults that are set, the outermost first."""

    faults: list[SetFaultResponse]
    url: str
    """The tenant's base URL: on a port of its own where a fault refuses connections."""


def _told(call: Call, faults: Injector) -> FaultsResponse:
    own = f"{faults.door_url}{PREFIX}{call.service.name}" if faults.door_url else call.base_url
    return FaultsResponse(
        faults=[
            SetFaultResponse(fault=as_fields(one.fault), calls=one.calls, fired=one.fired) for one in faults
        ],
        url=own,
    )


def get_faults(call: Call, _request: EmptyRequest) -> FaultsResponse:
    """What is set, and what it has done."""
    return _told(call, controls_of(call).faults)


async def add_faults(call: Call, request: Schedule) -> FaultsResponse:
    """Set the faults of a schedule."""
    faults = controls_of(call).faults
    try:
        await faults.add_soon(request)
    except LookupError as error:
        raise BadRequest(str(error)) from None
    return _told(call, faults)


def clear_faults(call: Call, _request: EmptyRequest) -> None:
    """Take all faults away."""
    controls_of(call).faults.clear()


NOTHING = type(None)
FAULTS: tuple[Control, ...] = (
    control(
        Operation(
            "faults",
            "GET",
            "The faults that are set, and what they struck.",
            EmptyRequest,
            FaultsResponse,
            path="/-/faults",
            area="faults",
        ),
        get_faults,
        python="faults",
    ),
    control(
        Operation(
            "faults_add",
            "POST",
            "Set faults: latency, statuses, lost answers, broken connections …",
            Schedule,
            FaultsResponse,
            path="/-/faults",
            area="faults",
        ),
        add_faults,
        python="faults.add(schedule)",
        command="serve --faults FILE",
    ),
    control(
        Operation(
            "faults_clear",
            "DELETE",
            "Take all faults away.",
            EmptyRequest,
            NOTHING,
            path="/-/faults",
            area="faults",
        ),
        clear_faults,
        python="faults.clear()",
    ),
)
