"""Results that nobody fetched: a test that submits work and never looks proves nothing."""

import time

from fake_server.futures import CANCELLED, Future
from fake_server.service import Service

__all__ = ["UnreadFuture", "assert_read", "unread"]

PATIENCE_SECONDS = 2.0
"""Ours: clients fetch in the background, within milliseconds; only a test that is to fail waits longer."""
PAUSE_SECONDS = 0.005
MOST_NAMED = 5


class UnreadFuture(AssertionError):
    """A result is there, and its client never asked for it."""


def unread(service: Service) -> list[Future]:
    """Futures whose outcome shows, or will soon, and was not fetched.

    Not meant are those that their client took back, that wait for a missing number, or that are held.
    """
    with service.lock:
        return [future for future in service.futures if not future.read and _readable(service, future)]


def _readable(service: Service, future: Future) -> bool:
    if future.outcome is None:
        return service.lanes.deadline(future.owner) is None
    return future.released and future.outcome != CANCELLED


def assert_read(service: Service, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Check that every result was fetched, or is within `patience_seconds` of the machine's time.

    Raises:
        UnreadFuture: naming those that were not.
    """
    end = time.monotonic() + patience_seconds
    while left := unread(service):
        if time.monotonic() >= end:
            named = ", ".join(_named(future) for future in left[:MOST_NAMED])
            more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
            raise UnreadFuture(
                f"futures: expected each result to be fetched, got {len(left)} that nobody asked for: "
                f"{named}{more}; call .result(), or mark the test with tinker_unread"
            )
        time.sleep(PAUSE_SECONDS)


def _named(future: Future) -> str:
    number = "" if future.seq_id is None else f", seq_id {future.seq_id}"
    return f"{future.operation} ({future.owner}{number})"
