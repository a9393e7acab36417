"""Headers that a test author gives to an answer: checked when they are given, not when they are sent."""

from collections.abc import Mapping

__all__ = ["check_headers"]

FORBIDDEN = frozenset("\r\n\0")
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "content-type"})
"""What the server itself says of the answer's bytes."""


def check_headers(headers: Mapping[str, str]) -> None:
    """Check that an answer can carry these headers.

    Raises:
        ValueError: naming the one that it cannot.
    """
    for name, value in headers.items():
        if name.lower() in FRAMING:
            raise ValueError(f"headers: expected none of {', '.join(sorted(FRAMING))}, got {name!r}")
        if not name or not (name + value).isascii() or FORBIDDEN & set(name + value):
            raise ValueError(f"headers: expected ASCII without line ends, got {name!r}: {value!r}")
