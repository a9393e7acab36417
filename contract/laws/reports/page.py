"""A record as one page of HTML: it asks for nothing from elsewhere and has no script."""

import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from contract.laws.reports.record import Exchanged, Record, Row, RowVerdict, expectation

__all__ = ["as_html"]

MOST_BYTES_OF_FAILURES = 600_000
"""Ours: the page stays under 1 MB, whatever a server answers."""
MOST_BYTES_OF_A_REASON = 400
MOST_SLOW = 5
HALF_A_CHARACTER = re.compile(r"&[a-z]*\Z")
REST_OF_A_CHARACTER = re.compile(r"\A[a-z]*;")
WORDS: Mapping[RowVerdict, str] = {
    "holds": "hold",
    "broken": "broken",
    "error": "not judged",
    "known": "known",
    "skipped": "skipped",
}
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is loaded, no script runs, even if a server's words got into the page as markup."""


def as_html(record: Record) -> str:
    """The whole page."""
    css = files("contract.laws.reports").joinpath("page.css").read_text(encoding="utf-8")
    title = f"Conformance of {record.kind} {_cut(record.subject, MOST_BYTES_OF_A_REASON)}"
    parts = [_score(record, title), _groups(record), _failures(record), _baseline(record), _skips(record)]
    parts += [_laws(record)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{title}</title>\n<style>\n{css}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


def _score(record: Record, title: str) -> str:
    about = [
        f"{name} <code>{_cut(value, MOST_BYTES_OF_A_REASON)}</code>" for name, value in record.about.items()
    ]
    about += [record.started_at.replace("T", " ").replace("+00:00", " UTC"), f"{record.seconds:.1f} s"]
    shade, words = ("score passed", "The run passed") if record.passed else ("score", "The run failed")
    return (
        f'<h1>{title}</h1><p class="dim">{" · ".join(about)}</p>'
        f'<div class="{shade}"><b>{record.percent} %</b>'
        f"<div><strong>{words}</strong><br>{escape(record.headline)}</div></div>"
    )


def _groups(record: Record) -> str:
    rows = []
    for group, laws in record.of_groups().items():
        counts = {name: count for name, count in record.counts_of(group).items() if count}
        bar = "".join(f'<i class="{name}" style="flex:{count}"></i>' for name, count in counts.items())
        told = " · ".join(
            f'<span class="{name}">{count} {WORDS[name]}</span>' for name, count in counts.items()
        )
        seconds = sum(row.seconds for row in laws)
        rows.append(
            f'<div class="group"><span class="id">{group}</span>'
            f'<span class="words">{escape(record.groups.get(group, ""))}</span>'
            f'<span class="bar" aria-hidden="true">{bar}</span><span class="seconds">{seconds:.1f} s</span>'
            f'<span class="counts">{told}</span></div>'
        )
    return "<h2>Groups</h2>" + "".join(rows)


def _failures(record: Record) -> str:
    rows = [*record.failures, *(row for row in record.rows if row.verdict == "known")]
    if not rows:
        return ""
    budget = MOST_BYTES_OF_FAILURES // len(rows)
    cards = [_failure(row, budget, "" if number else " open") for number, row in enumerate(rows)]
    return "<h2>What does not hold</h2>" + "\n".join(cards)


def _failure(row: Row, budget: int, opened: str) -> str:
    told = _expectation(row.text, budget // 4)
    told += f"<dt>usually</dt><dd>{escape(row.breaks)}</dd><dt>source</dt><dd>{escape(row.source)}</dd>"
    share = budget // 4 // max(1, len(row.details))
    told += "".join(
        f"<dt>{escape(name)}</dt><dd>{_cut_before(text, share)}</dd>" for name, text in row.details.items()
    )
    if row.excuse:
        told = f'<dt>known</dt><dd class="known">{_cut(row.excuse, MOST_BYTES_OF_A_REASON)}</dd>{told}'
    return (
        f'<details id="{row.id}"{opened}><summary>'
        f'<span class="id {row.verdict}">{row.id} {row.verdict}</span> {escape(row.statement)}</summary>'
        f'<div class="in"><dl>{told}</dl>{_trace(row, budget // 2)}</div></details>'
    )


def _expectation(text: str, budget: int) -> str:
    if (found := expectation(text)) is None:
        return f'<dt>error</dt><dd class="got">{_cut(text, budget)}</dd>'
    what, expected, got = (_cut(part, budget // 3) for part in found)
    first = f"<dt>what</dt><dd>{what}</dd>" if what else ""
    return (
        f'{first}<dt>expected</dt><dd class="expected">{expected}</dd><dt>got</dt><dd class="got">{got}</dd>'
    )


def _trace(row: Row, budget: int) -> str:
    """The newest requests that fit."""
    calls: list[str] = []
    for each in reversed(row.trace):
        call = _call(each, budget)
        size = len(call.encode())
        if calls and size > budget:
            break
        budget -= size
        calls.insert(0, call)
    if not calls:
        return ""
    left_out = len(row.trace) - len(calls)
    note = f" <small>({left_out} earlier ones are in report.json)</small>" if left_out else ""
    return (
        f"<details><summary>its last {len(calls)} requests{note}</summary>"
        f'<div class="in">{"".join(calls)}</div></details>'
    )


def _call(each: Exchanged, budget: int) -> str:
    status = f"{each.status}" if each.status else "no answer"
    shade = "holds" if 200 <= each.status < 300 else "broken"
    sent = f"<pre>{_cut(each.request, budget // 2)}</pre>" if each.request else ""
    came = f'<pre class="answer">{_cut(each.answer, budget // 2)}</pre>' if each.answer else ""
    return (
        f'<div class="call"><code>{escape(each.method)} {_cut(each.path, MOST_BYTES_OF_A_REASON)}</code> '
        f'<code class="{shade}">{status}</code>{sent}{came}</div>'
    )


def _baseline(record: Record) -> str:
    lines = [
        f'<p><span class="id broken">{escape(each.id)}</span> {escape(each.text)}</p>'
        for each in record.stale
    ]
    return "<h2>Stale in the baseline</h2>" + "".join(lines) if lines else ""


def _skips(record: Record) -> str:
    lines = [
        f'<p><span class="id">{", ".join(ids)}</span> {_cut(reason, MOST_BYTES_OF_A_REASON)}</p>'
        for reason, ids in record.reasons("skipped").items()
    ]
    return "<h2>Skipped, which proves nothing</h2>" + "".join(lines) if lines else ""


def _laws(record: Record) -> str:
    slow = sorted(record.rows, key=lambda row: -row.seconds)[:MOST_SLOW]
    slowest = ", ".join(f"{row.id} {row.seconds:.2f} s" for row in slow)
    choices = "".join(
        f'<label><input type="radio" name="show" id="show-{name}"{" checked" if name == "all" else ""}> '
        f"{words}</label>"
        for name, words in (
            ("all", "all"),
            ("failed", "what fails"),
            ("holds", "what holds"),
            ("skipped", "skipped"),
        )
    )
    rows = "\n".join(
        f'<tr class="is-{row.verdict}"><td class="id">{_linked(row)}</td>'
        f'<td class="what">{escape(row.statement)}</td>'
        f'<td class="{row.verdict}">{row.verdict}</td><td class="seconds">{row.seconds:.2f} s</td></tr>'
        for row in record.rows
    )
    return (
        f'<h2>All of them</h2><p class="dim">Slowest: {slowest or "none"}</p>'
        f'<fieldset aria-label="show">{choices}</fieldset>'
        "<table><thead><tr><th>id</th><th>statement</th><th>verdict</th>"
        '<th class="seconds">time</th></tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table>"
    )


def _linked(row: Row) -> str:
    return f'<a href="#{row.id}">{row.id}</a>' if row.fails or row.verdict == "known" else row.id


def _cut_before(text: str, most_bytes: int) -> str:
    """The end of `text` as HTML: of what a command printed, the last lines tell most."""
    whole = escape(text, quote=False)
    if len(whole.encode()) <= most_bytes:
        return whole
    kept = whole.encode()[-most_bytes:].decode(errors="ignore")
    return f"… {REST_OF_A_CHARACTER.sub('', kept)}"


def _cut(text: str, most_bytes: int) -> str:
    """`text` as HTML, cut where it would be longer."""
    whole = escape(text, quote=False)
    if len(whole.encode()) <= most_bytes:
        return whole
    kept = whole.encode()[:most_bytes].decode(errors="ignore")
    kept = HALF_A_CHARACTER.sub("", kept)
    return f"{kept}… ({len(text)} characters)"
