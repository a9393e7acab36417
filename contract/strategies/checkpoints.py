"""Tinker paths, and lists of checkpoints that hang together."""

from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.ids import SEGMENT_OF_TYPE, CheckpointType, tinker_path
from contract.strategies.form import Tree
from contract.weights import Checkpoint, CheckpointsListResponse, Cursor

__all__ = ["checkpoint_lists", "tinker_paths"]

NAMES = st.text("abz019-_.", min_size=1, max_size=8)
RUNS = st.tuples(st.text("abcdef0189-", min_size=1, max_size=6), st.integers(0, 9)).map(
    lambda parts: f"{parts[0]}:train:{parts[1]}"
)
KINDS: SearchStrategy[CheckpointType] = st.sampled_from(get_args(CheckpointType))
START = datetime(2026, 1, 1, tzinfo=UTC)
MOST_CHECKPOINTS = 4


def tinker_paths(kinds: SearchStrategy[CheckpointType] = KINDS) -> SearchStrategy[str]:
    """Well-formed paths of checkpoints of some kinds."""
    return st.builds(tinker_path, RUNS, kinds, NAMES)


def _checkpoint(run: str, kind: CheckpointType, name: str, rest: dict[str, Tree]) -> Checkpoint:
    return Checkpoint(
        checkpoint_id=f"{SEGMENT_OF_TYPE[kind]}/{name}",
        checkpoint_type=kind,
        tinker_path=tinker_path(run, kind, name),
        **rest,
    )


def checkpoint_lists(
    kinds: SearchStrategy[CheckpointType] = KINDS,
) -> SearchStrategy[CheckpointsListResponse]:
    """Pages of checkpoints, newest first: no path twice, ids as in the paths, and a cursor that fits."""
    times = st.integers(0, 10**6).map(lambda seconds: START + timedelta(seconds=seconds))
    rest = st.fixed_dictionaries(
        {"time": times},
        optional={
            "size_bytes": st.none() | st.integers(0, 2**40),
            "public": st.booleans(),
            "user_metadata": st.none() | st.dictionaries(NAMES, st.text(max_size=5), max_size=2),
            "expires_at": st.none() | times.map(lambda time: time + timedelta(days=30)),
        },
    )
    each = st.builds(_checkpoint, RUNS, kinds, NAMES, rest)
    several = st.lists(each, max_size=MOST_CHECKPOINTS, unique_by=lambda checkpoint: checkpoint.tinker_path)
    return st.builds(_page, several, st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)))


def _page(checkpoints: list[Checkpoint], around: tuple[int, int] | None) -> CheckpointsListResponse:
    """The list, newest first; `around` are items before and after it."""
    newest = sorted(checkpoints, key=lambda checkpoint: checkpoint.time, reverse=True)
    cursor = None
    if around is not None:
        limit = max(len(newest), 1)
        cursor = Cursor(offset=around[0], limit=limit, total_count=around[0] + len(newest) + around[1])
    return CheckpointsListResponse(checkpoints=newest, cursor=cursor)
