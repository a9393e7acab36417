"""What is in a cassette, in one screen."""

from collections import Counter

from fake_server.cassettes.cassette import DOWNLOAD, Cassette, Entry
from fake_server.cassettes.values import ROWS

__all__ = ["explain"]

MOST_LINES = 30
"""Ours: lanes that are shown; with the rest around them they fit a terminal."""


def explain(name: str, cassette: Cassette) -> str:
    """A line for the whole, a line for each lane, and what did not go well.

    Args:
        name: of the file.
        cassette: what is in it.
    """
    lanes: dict[str, list[Entry]] = {}
    for entry in cassette.entries:
        lanes.setdefault(entry.lane, []).append(entry)
    kinds = Counter(lane.partition(":")[0] for lane in lanes if lane)
    counts = [f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items()]
    head = f"{name}: {len(cassette.entries)} entries, sdk {cassette.sdk}, contract {cassette.contract}"
    lines = [", ".join([head, *counts])]
    width = max((len(lane) for lane in lanes), default=0)
    for lane, entries in list(lanes.items())[:MOST_LINES]:
        lines.append(f"  {lane or '-':{width}}  {_told(entries)}")
    if len(lanes) > MOST_LINES:
        lines.append(f"  and {len(lanes) - MOST_LINES} more")
    numbered = list(enumerate(cassette.entries, 1))
    lines += [f"  entry {n}: {trouble}" for n, entry in numbered if (trouble := _trouble(entry))][:MOST_LINES]
    return "\n".join(lines)


def _told(entries: list[Entry]) -> str:
    counts = Counter(entry.operation for entry in entries)
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())


def _trouble(entry: Entry) -> str:
    """What a reader should know of an entry; empty where all went well."""
    row = ROWS.get(entry.operation)
    promised = isinstance(entry.answer, dict) and "request_id" in entry.answer and row is not None
    if entry.status >= 400:
        return f"{entry.operation} was answered with {entry.status}"
    if isinstance(entry.outcome, dict) and "error" in entry.outcome:
        return f"{entry.operation} failed: {entry.outcome['error']}"
    if entry.refusal is not None:
        return f"polling {entry.operation} was answered with {entry.refusal['status']}"
    if promised and entry.outcome is None:
        return f"nobody fetched the outcome of {entry.operation}; a replay cannot answer it"
    if entry.operation == DOWNLOAD and entry.file is None:
        return "a download was too large to keep; a replay cannot answer it"
    return ""
