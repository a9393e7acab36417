"""Seconds since the epoch as dates, for answers."""

from datetime import UTC, datetime

__all__ = ["utc"]


def utc(seconds: float) -> datetime:
    """The moment in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
