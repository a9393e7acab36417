"""What the demo shows: lines, progress, curves, tables, and whether each stage held."""

from collections.abc import Sequence

import plotext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

__all__ = ["Screen"]

WIDEST, HEIGHT = 90, 12
"""Of a curve. Source: ours: both fit a terminal of 80 by 24."""


class Screen:
    """The terminal, and a list of what was checked."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.checks: list[tuple[str, str, bool]] = []

    def say(self, name: str, text: str) -> None:
        """One line: what it is about, and what there is to tell."""
        self.console.print(f"[bold]{name:<14}[/]", end="")
        self.console.print(text, markup=False, soft_wrap=True)

    def check(self, name: str, text: str, held: bool) -> None:
        """Keep for the summary what was found, and whether it is as it should be."""
        self.checks.append((name, text, held))

    def progress(self, field: str) -> Progress:
        """A progress bar that shows one number beside it, the field `value`."""
        columns = (
            TextColumn("{task.description:<13}"),
            BarColumn(28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        number = TextColumn(f"{field} {{task.fields[value]:.3f}}")
        return Progress(*columns, number, console=self.console)

    def curve(self, title: str, values: Sequence[float]) -> None:
        """Draw numbers, one for each step."""
        figure = plotext.figure
        figure.clear()
        figure.theme("simple")
        figure.plot_size(min(self.console.width, WIDEST), HEIGHT)
        figure.title(title)
        figure.draw(figure.signal(list(range(1, len(values) + 1)), list(values)))
        figure.show(colorless=not self.console.is_terminal)

    def side_by_side(self, titles: tuple[str, str], rows: Sequence[tuple[str, str]]) -> None:
        """Two columns of text."""
        table = Table(expand=True, show_lines=True)
        for title in titles:
            table.add_column(title, ratio=1)
        for row in rows:
            table.add_row(*(_printable(text) for text in row))
        self.console.print(table, width=min(self.console.width, WIDEST))

    def summary(self, seconds: float) -> bool:
        """Tell what was checked; True where all of it held."""
        self.console.rule("summary")
        for name, text, held in self.checks:
            self.console.print(f"{name:>17}  {'✓' if held else '✗'} {text}", markup=False, soft_wrap=True)
        self.console.print(f"{'time':>17}    {seconds:.1f} s")
        return all(held for _, _, held in self.checks)


def _printable(text: str) -> Text:
    """A model may say anything; a terminal shall not obey it."""
    return Text("".join(letter if letter.isprintable() else "·" for letter in text))
