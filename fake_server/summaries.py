"""A large body as its outline: what is small stays, what is long becomes a count."""

from typing import Any

__all__ = ["SUMMARY", "outline"]

SUMMARY = "summary"
"""Key of what stands in place of a long list or text."""
MOST_ITEMS, MOST_LETTERS = 16, 256
"""Ours: lists and texts up to this length stay as they are."""


def outline(value: Any) -> Any:
    """A plain JSON value without its long lists and texts: `{"summary": "1024 items"}` stands there."""
    if isinstance(value, dict):
        return {name: outline(item) for name, item in value.items()}
    if isinstance(value, list):
        if len(value) > MOST_ITEMS:
            return {SUMMARY: f"{len(value)} items"}
        return [outline(item) for item in value]
    if isinstance(value, str) and len(value) > MOST_LETTERS:
        return {SUMMARY: f"{len(value)} characters"}
    return value
