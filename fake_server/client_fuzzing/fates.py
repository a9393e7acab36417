"""Faults, each with its fate: what a right client makes of it; and the calls of a client that they strike."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from fake_server.delivery import DeliveryRule
from fake_server.fault import Fault
from fake_server.fault_answers import InvalidToken, Status
from fake_server.fault_bodies import WrongResult
from fake_server.fault_forgeries import Edited
from fake_server.faults import KINDS, Schedule
from fake_server.occasions import When
from fake_server.scenarios.changes import UNKNOWN_FIELD

__all__ = [
    "FATES",
    "Fate",
    "Place",
    "Sketch",
    "delays",
    "fate_of",
    "fault_sketches",
    "placed",
    "worst_fate",
]

Fate = Literal["survive", "refuse", "anything"]
"""`survive`: it goes on as if nothing had happened. `refuse`: it may, or it fails with an error of its own.
`anything`: what it is told is wrong and well-formed, so that it may believe it; it still does not hang."""
FATES: Mapping[str, Fate] = {
    "latency": "survive",
    "duplicate": "survive",
    "reorder": "survive",
    "status": "survive",
    "rate_limit": "survive",
    "lose_answer": "survive",
    "drop_request": "survive",
    "reset": "survive",
    "truncate": "survive",
    "drip": "survive",
    "billing_pause": "refuse",
    "invalid_token": "refuse",
    "empty_400": "refuse",
    "bad_json": "refuse",
    "bad_protobuf": "refuse",
    "wrong_content_type": "refuse",
    "wrong_encoding": "refuse",
    "wrong_result": "refuse",
    "empty_body": "refuse",
    "garbage": "refuse",
    "forged": "refuse",
    "bad_http": "refuse",
    "changed_fields": "survive",
    "nan": "anything",
    "edited": "anything",
}
"""Of each kind that is rolled, as `_fields` fills it. `stall` and `refuse` take the client's own time."""
PASSING = (500, 502, 503, 504, 408, 409)
"""Source: sdk 0.38.0 _base_client.py: these and 429 are repeated."""
FINAL = (400, 403, 404, 410, 422)
OFTEN: Mapping[str, int] = {"status": 4, "lose_answer": 2, "rate_limit": 2, "reset": 2}
"""How often a kind is drawn beside the others, whose number is 1."""
IN_PROTOBUF = ("forward_backward", "asample")
"""Operations whose results are protobuf: what is unknown in them is a field at their end."""
EASILY_PLEASED = ("optim_step", "load_weights")
"""Operations whose results need not say anything: any object is one."""
USUALLY = 3
"""Ours: so many faults that strike once come to one that strikes again and again."""
WITH_KEY = ("auth_token", "client_config")
"""Operations to which the key itself is sent. Source: sdk 0.38.0 lib/internal_client_holder.py."""
NOT_OF_POLLS = (408, 409)
"""Of polls, 408 says that there is nothing yet, and 409 nothing at all."""
NEWER = st.fixed_dictionaries({"from_a_newer_release": st.sampled_from([None, 1, "two", [3], {"four": 5}])})
MADE_UP = st.sampled_from([b"", b"{", b"null", b"[]", b'"text"', b"<html>", b"\xff\xfe"])


@dataclass(frozen=True, slots=True)
class Sketch:
    """A fault that strikes somewhere. It does not depend on a program, so that both shrink apart."""

    drawn: tuple[str, dict[str, Any]]
    """Kind and settings."""
    place: int
    """Chooses the call."""
    times: int = 1
    """How many calls in a row are struck."""


@dataclass(frozen=True, slots=True)
class Place:
    """A call of a client that a fault may strike."""

    operation: str
    """`retrieve_future` for a poll."""
    future: str | None = None
    """Of polls: the operation whose outcome is polled."""
    nth: int = 1
    """Which of these calls."""


def fault_sketches(
    kinds: Sequence[str] = tuple(FATES), *, most_times: int = 1, long: bool = False
) -> st.SearchStrategy[Sketch]:
    """Faults without a place, the simplest first; `placed` gives them one.

    Args:
        kinds: keys of `FATES`.
        most_times: calls in a row that one may strike.
        long: whether clients may be told to wait for seconds.

    Raises:
        ValueError: for a kind that is not rolled.
    """
    if unknown := [kind for kind in kinds if kind not in FATES]:
        raise ValueError(f"kinds: expected some of {', '.join(FATES)}, got {', '.join(unknown)}")
    drawn = st.one_of(
        [
            st.tuples(st.just(kind), _fields(kind, long=long))
            for kind in kinds
            for _ in range(OFTEN.get(kind, 1))
        ]
    )
    times = st.sampled_from([1] * USUALLY + [most_times]) if most_times > 1 else st.just(1)
    return st.builds(Sketch, drawn, st.integers(0, 31), times)


def placed(sketches: Sequence[Sketch], places: Sequence[Place]) -> Schedule:
    """A schedule of faults, each on the call that its number chooses: 0 is the last.

    Raises:
        ValueError: for no place.
    """
    if not places:
        raise ValueError("places: expected one call or more that may be struck, got none")
    return Schedule(faults=tuple(_fault(one, places[-1 - one.place % len(places)]) for one in sketches))


def _fault(sketch: Sketch, place: Place) -> Fault:
    kind, fields = sketch.drawn
    if kind == "changed_fields" and place.future in IN_PROTOBUF:
        kind, fields = "edited", {"insert": b64encode(UNKNOWN_FIELD)}
    if place.future is not None and fields.get("status") in NOT_OF_POLLS:
        fields = {**fields, "status": PASSING[0]}
    nth = tuple(range(place.nth, place.nth + sketch.times))
    when = When(operation=place.operation, future=place.future, nth=nth, times=sketch.times)
    return KINDS[kind].model_validate({"when": when, **fields})


def _fields(kind: str, *, long: bool) -> st.SearchStrategy[dict[str, Any]]:
    """What a kind is told, beside when it strikes."""
    match kind:
        case "latency":
            return st.fixed_dictionaries({"seconds": st.sampled_from([0.001, 0.01])})
        case "duplicate":
            return st.fixed_dictionaries({"copies": st.sampled_from([2, 3])})
        case "reorder":
            return st.just({"patience": 0.02})
        case "status":
            return st.fixed_dictionaries(
                {"status": st.sampled_from([*PASSING, *FINAL]), "work": st.booleans()}
            )
        case "rate_limit":
            return st.fixed_dictionaries({"retry_after": st.sampled_from([0.01, 5.0] if long else [0.01])})
        case "drip":
            return st.fixed_dictionaries({"chunk": st.sampled_from([64, 7, 1]), "every": st.just(0.0001)})
        case "truncate":
            return st.fixed_dictionaries({"at": st.sampled_from([0.0, 0.5, 0.99])})
        case "reset":
            return st.fixed_dictionaries({"at": st.sampled_from([None, 0.5]), "work": st.booleans()})
        case "changed_fields":
            return st.fixed_dictionaries({"fields": NEWER})
        case "forged":
            return st.fixed_dictionaries({"body": MADE_UP.map(b64encode)})
        case "edited":
            return st.fixed_dictionaries(
                {
                    "at": st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
                    "drop": st.integers(0, 8),
                    "insert": st.binary(max_size=4).map(b64encode),
                }
            )
    return st.just({})


def delays(*, long: bool = False) -> st.SearchStrategy[DeliveryRule]:
    """When the next outcome shows: after some polls; or that it is told as a failure.

    Args:
        long: whether outcomes may be late by minutes.
    """
    return st.builds(
        DeliveryRule,
        operation=st.sampled_from(
            ["*", "optim_step", "asample", "forward_backward", "save_*", "load_weights"]
        ),
        times=st.just(1),
        polls=st.integers(0, 3),
        queue_state=st.sampled_from(["active", "paused_capacity", "paused_rate_limit"]),
        error=st.sampled_from([None, None, "it failed"]),
        seconds=st.sampled_from([0.0, 40.0, 400.0] if long else [0.0]),
    )


def fate_of(happening: Fault | DeliveryRule, *, tokens: bool = False) -> Fate:
    """What a right client makes of one of them; `tokens`: where it has one in its key's place."""
    if isinstance(happening, DeliveryRule):
        return "survive" if happening.error is None else "refuse"
    if isinstance(happening, InvalidToken) and tokens and happening.when.times == 1:
        return "refuse" if happening.when.operation in WITH_KEY else "survive"
    if isinstance(happening, Status) and happening.status in FINAL:
        return "refuse"
    if isinstance(happening, WrongResult) and happening.when.future in EASILY_PLEASED:
        return "anything"
    if isinstance(happening, Edited) and happening.insert == UNKNOWN_FIELD:
        return "survive"
    return FATES.get(happening.kind, "anything")


def worst_fate(schedule: Schedule, rules: Sequence[DeliveryRule] = (), *, tokens: bool = False) -> Fate:
    """What a right client makes of all of them together."""
    fates = {fate_of(one, tokens=tokens) for one in (*schedule.faults, *rules)}
    return "anything" if "anything" in fates else "refuse" if "refuse" in fates else "survive"
