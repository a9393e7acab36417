"""Answers as a right server may give them and seldom does: rewritten in ways that no right client minds."""

from collections.abc import Callable, Collection, Mapping

from hypothesis import strategies as st

from fake_server.fault import Blow
from fake_server.fault_rewrites import Rewrite
from fake_server.occasions import When
from fake_server.scenarios.changes import (
    closed_after,
    compressed,
    newer,
    of_category,
    parametrised,
    paused_anew,
    repeated_with_200,
)
from fake_server.wire import Answer

__all__ = ["REWRITES", "Change", "rewrites"]

Change = Callable[[Answer, Blow], Answer]
"""Gives the answer itself back where there is nothing to change."""
REWRITES: Mapping[str, Change] = {
    "a new field": newer,
    "gzip": compressed,
    "a charset": parametrised,
    "408 as 200": repeated_with_200,
    "a new queue_state": paused_anew,
    "a new category": of_category("haunted"),
    "closed after it": closed_after,
}
"""By what they do."""


def rewrites(names: Collection[str] = tuple(REWRITES)) -> st.SearchStrategy[Rewrite]:
    """A rewrite of all answers.

    Args:
        names: keys of `REWRITES`.

    Raises:
        ValueError: for a name that is none of them.
    """
    if unknown := sorted(set(names) - set(REWRITES)):
        raise ValueError(f"rewrites: expected some of {', '.join(REWRITES)}, got {', '.join(unknown)}")
    return st.sampled_from([Rewrite(when=When(), what=name, change=REWRITES[name]) for name in names])
