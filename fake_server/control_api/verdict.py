"""The verdict on the client over HTTP."""

import asyncio

from contract import EmptyRequest, Operation, WireResponse
from fake_server.control_api.control import Control, control, controls_of
from fake_server.rules.rule import Severity
from fake_server.service import Call

__all__ = ["VERDICT"]


class FindingResponse(WireResponse):
    """A rule that the client broke."""

    rule: str
    """Its id."""
    severity: Severity
    title: str
    detail: str
    """What happened, with numbers."""
    evidence: list[int]
    """Numbers of journal entries."""
    why: str
    """What comes of it."""
    fix: str
    """What to do instead."""


class VerdictResponse(WireResponse):
    """What the journal says about the client."""

    clean: bool
    """Whether there are no errors and no warnings; notes are allowed."""
    findings: list[FindingResponse]


async def get_verdict(call: Call, _request: EmptyRequest) -> VerdictResponse:
    """The findings until now; on a thread, since a full journal takes a second, and requests go on."""
    return VerdictResponse.model_validate(await asyncio.to_thread(controls_of(call).verdict.as_json))


VERDICT: tuple[Control, ...] = (
    control(
        Operation(
            "verdict",
            "GET",
            "The rules that the client broke.",
            EmptyRequest,
            VerdictResponse,
            path="/-/verdict",
            area="verdict",
        ),
        get_verdict,
        python="verdict.assert_clean()",
        command="verdict URL\\|FILE",
    ),
)
