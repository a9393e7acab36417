"""Numbers among the options of the command, with words for those that are none."""

import argparse

__all__ = ["count_option", "seconds_option"]


def count_option(text: str) -> int:
    """A whole number from 1 on.

    Raises:
        argparse.ArgumentTypeError: for any other text.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text!r}")
    return int(text)


def seconds_option(text: str) -> float:
    """Seconds, above 0 and finite.

    Raises:
        argparse.ArgumentTypeError: for any other text.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return seconds
