"""Stubs over HTTP."""

from typing import Any

from pydantic import Field

from contract import BadRequest, EmptyRequest, Operation, WireModel, WireResponse
from fake_server.control_api.control import Control, control, controls_of
from fake_server.service import Call
from fake_server.stubs import Stub

__all__ = ["STUBS"]


class StubStep(WireModel):
    """What happens to one request: a result, a failure, a status, or what would happen without a stub."""

    result: Any = None
    """The fields of the response."""
    parts: dict[str, Any] | None = None
    """Of a sample: `tokens`, `logprobs`, `stop_reason` of its sequences."""
    category: str | None = None
    """The future fails with it."""
    status: int | None = None
    """The request itself is answered with it."""
    error: str = "failed by a stub"
    headers: dict[str, str] = {}


class StubRequest(WireModel):
    """A stub."""

    operation: str
    where: dict[str, Any] = {}
    """Values of fields, by name, at any depth."""
    times: int | None = Field(default=None, ge=1)
    strict: bool = True
    steps: list[StubStep] = Field(min_length=1)
    """One for each request; the last for all that follow. An empty one answers as without a stub."""


class StubResponse(WireResponse):
    """A stub, and what became of it."""

    number: int
    operation: str
    used: int
    unused: bool
    """Whether it was used less often than it should."""
    explanation: str


class StubsResponse(WireResponse):
    """All stubs of a tenant."""

    stubs: list[StubResponse]


def _shown(stub: Stub) -> StubResponse:
    return StubResponse(
        number=stub.number,
        operation=stub.row.name,
        used=stub.used,
        unused=stub.missing,
        explanation=stub.explain(),
    )


def add_stub(call: Call, request: StubRequest) -> StubResponse:
    """Add a stub."""
    stubs = controls_of(call).stubs
    if clash := {"times", "strict"} & request.where.keys():
        raise BadRequest(
            f"where: expected fields of the request, got {', '.join(clash)}; put it beside `where`"
        )
    stub = None
    try:
        stub = stubs.on(request.operation, times=request.times, strict=request.strict, **request.where)
        for step in request.steps:
            _add(stub, step)
    except (TypeError, ValueError) as error:
        if stub is not None:
            stubs.remove(stub)
        raise BadRequest(str(error)) from None
    return _shown(stub)


def _add(stub: Stub, step: StubStep) -> None:
    if step.status is not None or step.category is not None:
        stub.fails(step.category or "server", step.error, status=step.status, headers=step.headers)
    elif step.parts is not None:
        stub.returns(**step.parts)
    elif step.result is not None:
        stub.returns(step.result)
    else:
        stub.pass_through()


def list_stubs(call: Call, _request: EmptyRequest) -> StubsResponse:
    """All stubs, with uses and near misses."""
    return StubsResponse(stubs=[_shown(stub) for stub in controls_of(call).stubs])


def clear_stubs(call: Call, _request: EmptyRequest) -> None:
    """Take all away."""
    controls_of(call).stubs.clear()


# fmt: off
STUBS: tuple[Control, ...] = (
    control(Operation("stub", "POST", "Answer requests with canned results or failures.", StubRequest, StubResponse, path="/-/stubs", area="stubs"), add_stub, python="stubs.on(operation, ...)"),
    control(Operation("stubs", "GET", "Stubs, their uses and near misses.", EmptyRequest, StubsResponse, path="/-/stubs", area="stubs"), list_stubs, python="stubs"),
    control(Operation("stubs_clear", "DELETE", "Take all stubs away.", EmptyRequest, type(None), path="/-/stubs", area="stubs"), clear_stubs, python="stubs.clear()"),
)
# fmt: on
