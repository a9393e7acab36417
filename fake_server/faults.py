"""`Schedule`: faults as a value. JSON and back, added together, or rolled from a seed."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Self, TypeAlias, get_args

from pydantic import Field

from contract import ApiError, WireModel
from contract.codec import JSON, decode
from fake_server.fault import Fault
from fake_server.fault_answers import BillingPause, Empty400, InvalidToken, RateLimit, Status
from fake_server.fault_bodies import (
    BadJson,
    BadProtobuf,
    EmptyBody,
    Garbage,
    NanLiterals,
    WrongContentType,
    WrongEncoding,
    WrongResult,
)
from fake_server.fault_connections import BadHttp, Drip, DropRequest, LoseAnswer, Reset, Stall, Truncate
from fake_server.fault_delays import Duplicate, Latency, Reorder
from fake_server.fault_forgeries import ChangedFields, Edited, Forged
from fake_server.fault_refusals import Refuse
from fake_server.occasions import When, roll

__all__ = ["KINDS", "AnyFault", "Schedule", "as_fields"]

AnyFault: TypeAlias = Annotated[
    Latency
    | Duplicate
    | Reorder
    | Status
    | RateLimit
    | BillingPause
    | InvalidToken
    | Empty400
    | BadJson
    | BadProtobuf
    | WrongContentType
    | WrongEncoding
    | WrongResult
    | NanLiterals
    | EmptyBody
    | Garbage
    | Forged
    | Edited
    | ChangedFields
    | LoseAnswer
    | DropRequest
    | Reset
    | Truncate
    | Drip
    | Stall
    | BadHttp
    | Refuse,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[Fault]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(get_args(AnyFault)[0])
}
"""Every kind by its name in JSON."""
SURVIVABLE = ("status", "rate_limit", "latency", "drip", "lose_answer", "drop_request", "reset", "truncate")
"""Kinds after which the newest SDK goes on by itself, wherever its operations are retried."""
ROLLED_STATUSES = (500, 502, 503)
"""Those that every SDK repeats, on submission and on polls."""


def as_fields(fault: Fault) -> dict[str, Any]:
    """A fault as JSON has it, without what is as usual; a predicate is left out."""
    fields: dict[str, Any] = fault.model_dump(mode="json", exclude_defaults=True)
    return {"kind": fault.kind, **fields}


class Schedule(WireModel):
    """Faults, the first outermost. Nothing in it changes: what struck is counted where it is used."""

    faults: tuple[AnyFault, ...] = ()

    def __add__(self, other: "Schedule") -> "Schedule":
        """Both."""
        return Schedule(faults=(*self.faults, *other.faults))

    def to_json(self) -> str:
        """The text that `from_json` reads.

        Raises:
            ValueError: if a fault has a predicate: functions are no data.
        """
        for fault in self.faults:
            if fault.when.predicate is not None:
                raise ValueError(
                    f"{fault.kind}: expected a fault that JSON can carry, got a predicate; use fields"
                )
        return json.dumps({"faults": [as_fields(fault) for fault in self.faults]})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The schedule that a text carries.

        Raises:
            ValueError: if it is none, naming the field.
        """
        try:
            return decode(cls, text.encode() if isinstance(text, str) else text, JSON)
        except ApiError as error:
            raise ValueError(error.detail) from None

    @classmethod
    def random(
        cls,
        seed: int,
        *,
        operation: str = "*",
        kinds: Sequence[str] = SURVIVABLE,
        budget: int = 5,
        calls: int = 50,
    ) -> Self:
        """A schedule that the seed alone determines.

        Args:
            seed: any number; print it, and the run can be repeated.
            operation: a pattern of the operations that are struck.
            kinds: names of kinds to choose from.
            budget: strikes at most; each fault strikes once.
            calls: calls among which the strikes are spread.

        Raises:
            ValueError: for an unknown kind or operation, or a number below 1.
        """
        for name in kinds:
            if name not in KINDS:
                raise ValueError(f"kinds: expected some of {', '.join(KINDS)}, got {name!r}")
        if min(len(kinds), budget, calls) < 1:
            raise ValueError(
                f"kinds, budget, calls: expected 1 or more of each, got {len(kinds)}, {budget} and {calls}"
            )
        return cls(faults=tuple(_rolled(seed, number, operation, kinds, calls) for number in range(budget)))


def _rolled(seed: int, number: int, operation: str, kinds: Sequence[str], calls: int) -> Any:
    kind = kinds[int(roll(seed, number, "kind") * len(kinds))]
    nth = 1 + int(roll(seed, number, "call") * calls)
    chosen: dict[str, Any] = {}
    if kind == "latency":
        chosen = {"seconds": round(0.2 * roll(seed, number, "seconds"), 3)}
    elif kind == "status":
        chosen = {"status": ROLLED_STATUSES[int(roll(seed, number, "status") * len(ROLLED_STATUSES))]}
    return KINDS[kind](when=When(operation=operation, nth=nth, times=1, seed=seed), **chosen)
