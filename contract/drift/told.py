"""A drift in words: a table for a terminal, Markdown for a pull request, JSON for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from contract.drift.change import SEVERITIES, Change, Drift

__all__ = ["FORMS", "as_json", "as_markdown", "as_table"]

WIDTH = 108
MOST_NAMES = 6
"""Ours: of laws and operations in a line; JSON has them all."""
MOST_CHARACTERS = 300
"""Ours: of what a value was and is."""


def headline(drift: Drift) -> str:
    """One sentence with the counts."""
    counts = [sum(change.severity == severity for change in drift.changes) for severity in SEVERITIES]
    told = ", ".join(f"{count} {name}" for count, name in zip(counts, SEVERITIES, strict=True))
    verdict = "could not be checked as a whole" if drift.unchecked else drift.verdict
    return f"tinker {drift.older} -> {drift.newer}: {verdict} ({told})"


def as_table(drift: Drift) -> str:
    """For a terminal: what breaks in full, the rest in a line each."""
    parts = [headline(drift)]
    for severity, meaning in SEVERITIES.items():
        rows = [(i, change) for i, change in enumerate(drift.changes) if change.severity == severity]
        if rows:
            parts.append(f"{severity}: {meaning}")
            parts += [_block(change, drift.laws.get(i, ())) for i, change in rows]
    if drift.unchecked:
        parts.append("could not be checked:")
        parts += [_wrapped(text, "  ") for text in drift.unchecked]
    return "\n".join(parts)


def _block(change: Change, laws: Sequence[str]) -> str:
    how = "seen" if change.seen else "read"
    lines = [_wrapped(f"{change.place}: {_short(change.text)}", "  ")]
    if change.severity != "compatible":
        lines.append(_wrapped(change.advice, "      "))
        about = [f"{how} in {_few(change.operations)}"] if change.operations else [how]
        about += [f"laws {_few(laws)}"] if laws else []
        lines.append(_wrapped("; ".join(about), "      "))
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> str:
    return "\n".join(wrap(text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  "))


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def as_markdown(drift: Drift) -> str:
    """For a pull request: a table of what a server sees, and a list of the rest that folds."""
    parts = [f"### {headline(drift)}", ""]
    rows = [(i, change) for i, change in enumerate(drift.changes) if change.severity != "compatible"]
    if rows:
        parts += ["| | what | was -> is | to do | operations | laws |", "|---|---|---|---|---|---|"]
    for index, change in rows:
        cells = [change.severity, change.place, _short(change.text), change.advice]
        cells += [_few(change.operations), _few(drift.laws.get(index, ()))]
        parts.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    rest = [change for change in drift.changes if change.severity == "compatible"]
    if rest:
        parts += ["", "<details><summary>Nothing that a server sees</summary>", ""]
        parts += [f"- {change.place}: {_short(change.text)}" for change in rest]
        parts += ["", "</details>"]
    if drift.unchecked:
        parts += ["", "**Could not be checked**", "", *[f"- {text}" for text in drift.unchecked]]
    return "\n".join(parts)


def as_json(drift: Drift) -> str:
    """Everything."""
    changes: list[dict[str, Any]] = [
        asdict(change) | {"laws": list(drift.laws.get(index, ()))}
        for index, change in enumerate(drift.changes)
    ]
    fields = {
        "older": drift.older,
        "newer": drift.newer,
        "verdict": drift.verdict,
        "checked": not drift.unchecked,
        "changes": changes,
        "unchecked": list(drift.unchecked),
    }
    return json.dumps(fields, indent=2, ensure_ascii=False)


FORMS: Mapping[str, Callable[[Drift], str]] = {"txt": as_table, "md": as_markdown, "json": as_json}
"""By the ending of a file."""
