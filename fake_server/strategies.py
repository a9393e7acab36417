"""Fault schedules as hypothesis strategies, made from the table of kinds: a new kind is drawn by itself.

Needs the extra `fuzz`; nothing else of the server imports it.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.strategies import NO_OVERRIDES, Overrides, valid
from fake_server.fault import Fault
from fake_server.faults import KINDS, ROLLED_STATUSES, SURVIVABLE, Schedule
from fake_server.occasions import When

__all__ = ["fault_schedules", "faults"]

MOST_FAULTS, MOST_CALLS, MOST_TIMES = 3, 12, 2
LONGEST = 0.2
SHORT = st.floats(0.001, LONGEST)
"""Seconds. Source: ours: no client's patience is that short."""


def faults(
    kinds: Sequence[str] = tuple(KINDS),
    operations: Sequence[str] = ("*",),
    *,
    is_legal: bool = False,
    overrides: Overrides = NO_OVERRIDES,
) -> SearchStrategy[Fault]:
    """Faults of some kinds, each on one operation at one call or for a few.

    Args:
        kinds: names of `KINDS`; all of them where not given.
        operations: patterns to strike.
        is_legal: whether their settings are those after which a right client goes on.
        overrides: who draws settings of a kind, before ours.
    """
    whens = st.builds(
        _when, st.sampled_from(operations), st.integers(1, MOST_CALLS), st.integers(1, MOST_TIMES)
    )
    known = _settings(is_legal=is_legal).with_type(When, whens.map(_as_tree)) | overrides
    for name in kinds:
        if name not in KINDS:
            raise ValueError(f"kinds: expected some of {', '.join(KINDS)}, got {name!r}")
    return st.one_of(*(_of_kind(KINDS[name], known, whens) for name in kinds))


def _of_kind(kind: type[Fault], overrides: Overrides, whens: SearchStrategy[When]) -> SearchStrategy[Fault]:
    """Faults of one kind, whose schema says what may be set; each strikes on some occasion."""
    return st.builds(_struck, valid(kind, overrides), whens)


def _struck(fault: Fault, when: When) -> Fault:
    """The fault on an occasion; one that would last until it is cleared lasts as long as any other."""
    lasts = {"seconds": LONGEST} if getattr(fault, "seconds", 0.0) is None else {}
    return fault.model_copy(update={"when": when, **lasts})


def _when(operation: str, nth: int, times: int) -> When:
    return When(operation=operation, after=nth - 1, times=times)


def _as_tree(when: When) -> dict[str, Any]:
    return when.model_dump(mode="json", exclude_defaults=True)


def _settings(*, is_legal: bool) -> Overrides:
    """Settings that keep a run short, and those that leave a right client a way."""
    overrides = NO_OVERRIDES
    for kind in KINDS.values():
        for name in kind.model_fields:
            if name in SHORT_FIELDS:
                overrides = overrides.with_field(kind, name, SHORT_FIELDS[name])
    if is_legal:
        status = KINDS["status"]
        overrides = overrides.with_field(status, "status", st.sampled_from(ROLLED_STATUSES))
        overrides = overrides.with_field(status, "body", st.none()).with_field(status, "headers", st.just({}))
    return overrides


SHORT_FIELDS: dict[str, SearchStrategy[Any]] = {
    "seconds": SHORT,
    "jitter": SHORT,
    "patience": SHORT,
    "every": st.floats(0, 0.001),
    "size": st.integers(1, 256),
    "copies": st.integers(2, 4),
    "window": st.integers(2, 4),
    "retry_after": st.none() | SHORT,
    "retry_after_ms": st.none() | st.floats(0, 200),
}
"""By the name of a setting: times in seconds, sizes in bytes, counts."""


def fault_schedules(
    operations: Sequence[str] = ("*",),
    *,
    is_legal: bool = True,
    most: int = MOST_FAULTS,
    overrides: Overrides = NO_OVERRIDES,
) -> SearchStrategy[Schedule]:
    """Schedules of up to `most` faults, which shrink to fewer, earlier and shorter ones.

    Args:
        operations: patterns to strike.
        is_legal: whether a right client survives them: kinds of `SURVIVABLE`, with statuses that SDKs repeat.
        most: faults at most.
        overrides: who draws settings of a kind, before ours.
    """
    kinds = SURVIVABLE if is_legal else tuple(KINDS)
    each = faults(kinds, operations, is_legal=is_legal, overrides=overrides)
    return st.lists(each, max_size=most).map(lambda drawn: Schedule.model_validate({"faults": tuple(drawn)}))
