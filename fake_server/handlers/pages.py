"""Pages of lists."""

from collections.abc import Sequence
from typing import TypeVar

from contract import BadRequest, Cursor

T = TypeVar("T")
LARGEST_PAGE = 1000


def page(rows: Sequence[T], offset: int, limit: int) -> tuple[Sequence[T], Cursor]:
    """The rows from `offset` on, at most `limit`.

    Raises:
        BadRequest: if either is out of range.
    """
    if offset < 0:
        raise BadRequest(f"offset: expected 0 or more, got {offset}")
    if not 1 <= limit <= LARGEST_PAGE:
        raise BadRequest(f"limit: expected 1 to {LARGEST_PAGE}, got {limit}")
    return rows[offset : offset + limit], Cursor(offset=offset, limit=limit, total_count=len(rows))
