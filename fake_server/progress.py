"""`Progress`: how far a run is, as a bar on a terminal, as a line for each group elsewhere."""

from shutil import get_terminal_size
from typing import TextIO

__all__ = ["Progress"]

MOST_BAR = 30
CLEAR_LINE = "\r\x1b[K"
FALLBACK_COLUMNS = 80


class Progress:
    """Tells of each step of a run."""

    def __init__(self, stream: TextIO, total: int) -> None:
        self._stream = stream
        self._total = total
        self._bar = stream.isatty()
        self._done = self._failed = 0
        self._group = ""
        self._in_group = self._failed_in_group = 0
        self._seconds = 0.0

    def step(self, name: str, group: str, *, failed: bool, seconds: float) -> None:
        """A step is done."""
        if group != self._group:
            self._end_group()
            self._group = group
        self._done += 1
        self._failed += failed
        self._in_group += 1
        self._failed_in_group += failed
        self._seconds += seconds
        if self._bar:
            self._draw(name)

    def end(self) -> None:
        """The run is over: the bar makes room."""
        self._end_group()
        if self._bar:
            self._write(CLEAR_LINE)

    def _draw(self, name: str) -> None:
        told = f" {self._done}/{self._total} {name}{f', {self._failed} failed' if self._failed else ''}"
        columns = get_terminal_size((FALLBACK_COLUMNS, 24)).columns
        width = max(0, min(MOST_BAR, columns - len(told) - 1))
        full = width * self._done // self._total
        self._write(f"{CLEAR_LINE}{'━' * full}{'┄' * (width - full)}{told}"[: columns + len(CLEAR_LINE)])

    def _end_group(self) -> None:
        if self._in_group and not self._bar:
            told = f"{self._in_group} tried, {self._failed_in_group} failed, {self._seconds:.1f} s"
            self._write(f"{self._group:4}  {told}\n")
        self._in_group = self._failed_in_group = 0
        self._seconds = 0.0

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
