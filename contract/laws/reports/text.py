"""A record as text, for a terminal or a log."""

from collections.abc import Iterable, Sequence
from textwrap import fill, indent

from contract.laws.reports.record import Exchanged, Record, Row, expectation

__all__ = ["as_text", "failure_text"]

WIDTH = 100
MOST_REQUESTS = 4
"""Ours: of each failure; the other reports have them all."""
MOST_CHARACTERS = 300
"""Ours: of each body."""
MOST_LINES = 12
"""Ours: of the end of each detail; the other reports have more."""


def as_text(record: Record) -> str:
    """Groups, failures, what was skipped and why, the baseline, and the sentence that sums it up."""
    about = "".join(f", {name} {value}" for name, value in record.about.items())
    parts = [f"{record.kind} {record.subject}{about}", _groups(record)]
    parts += [failure_text(row) for row in record.failures]
    parts += _told("skipped", record.reasons("skipped").items())
    parts += _told("known to be broken", record.reasons("known").items())
    parts += _told("stale in the baseline", [(each.text, [each.id]) for each in record.stale])
    parts.append(f"{record.headline}; {record.seconds:.1f} s")
    return "\n\n".join(parts)


def _groups(record: Record) -> str:
    lines = []
    for group, rows in record.of_groups().items():
        counts = record.counts_of(group)
        rest = [f"{counts[name]} {name}" for name in ("broken", "error", "known", "skipped") if counts[name]]
        told = ", ".join([f"{counts['holds']:3d} hold", *rest])
        seconds = sum(row.seconds for row in rows)
        lines.append(f"{group:4}  {record.groups.get(group, ''):40}  {seconds:6.1f} s  {told}")
    return "\n".join(lines)


def _told(what: str, reasons: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    lines = [_wrapped(f"{', '.join(ids)}: {reason}", "  ") for reason, ids in reasons]
    return ["\n".join([f"{what}:", *lines])] if lines else []


def failure_text(row: Row) -> str:
    """One failure: what was expected and what came, how it is usually broken, its last requests."""
    lines = [f"{row.id} {row.verdict}: {row.statement}"]
    if (found := expectation(row.text)) is None:
        lines.append(f"  {row.text}")
    else:
        what, expected, got = found
        lines += [f"  {what}"] if what else []
        lines += [f"  expected  {expected}", f"  got       {got}"]
    lines += [_wrapped(f"usually   {row.breaks}", "  "), _wrapped(f"source    {row.source}", "  ")]
    lines += [_detail(name, text) for name, text in row.details.items()]
    last = row.trace[-MOST_REQUESTS:]
    if last:
        lines.append(f"  its last {len(last)} of {len(row.trace)} requests:")
    return "\n".join([*lines, *map(_request, last)])


def _detail(name: str, text: str) -> str:
    lines = text.strip().splitlines()
    if len(lines) == 1:
        return f"  {name:9} {lines[0]}"
    told = lines[-MOST_LINES:]
    left_out = [f"… {len(lines) - len(told)} lines"] if len(lines) > len(told) else []
    return "\n".join([f"  {name}:", *(f"    {line}" for line in (*left_out, *told))])


def _request(each: Exchanged) -> str:
    status = str(each.status) if each.status else "no answer"
    lines = [f"{each.method} {each.path}", *([f"> {_cut(each.request)}"] if each.request else [])]
    return indent("\n".join([*lines, f"< {status} {_cut(each.answer)}".rstrip()]), "    ")


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}… ({len(text)} characters)"


def _wrapped(text: str, margin: str) -> str:
    return fill(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=f"{margin}          ",
        break_long_words=False,
        break_on_hyphens=False,
    )
