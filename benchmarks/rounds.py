"""Rounds: the same runs again and again, interleaved, so that noise hits all of them alike."""

from collections.abc import Callable, Sequence
from statistics import median

__all__ = ["interleaved", "median_ratio"]


def interleaved(rounds: int, *runs: Callable[[], float]) -> list[list[float]]:
    """The values of each run: first of every run the first round, then the second, and so on."""
    table = [[run() for run in runs] for _ in range(rounds)]
    return [list(column) for column in zip(*table, strict=True)]


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of each round."""
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))
