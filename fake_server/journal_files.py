"""A journal as JSON lines, and back."""

import json
from collections.abc import Iterable
from pathlib import Path

from fake_server.entries import exchange_of, fields_of
from fake_server.inquiry import ask
from fake_server.journal import Journal

__all__ = ["as_lines", "journal_of", "open_journal", "read_journal"]


def as_lines(journal: Journal) -> str:
    """Each entry as a line of JSON, oldest first; the tenant is in each. No keys, no tokens."""
    return "".join(
        json.dumps({"tenant": journal.tenant, **fields_of(exchange, journal.secrets)}, ensure_ascii=False)
        + "\n"
        for exchange in journal
    )


def journal_of(lines: Iterable[str], where: str = "journal") -> Journal:
    """The journal that `as_lines` wrote; requests and answers stay plain JSON values.

    Raises:
        ValueError: naming the line that is no entry.
    """
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            rows.append((fields.get("tenant", ""), exchange_of(fields)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{where}, line {number}: expected an entry of a journal, got {line[:40]!r} ({error!r}); "
                "GET /-/journal.jsonl writes such files"
            ) from None
    journal = Journal(limit=len(rows), tenant=rows[0][0] if rows else "")
    for _, exchange in rows:
        journal.add(exchange)
    return journal


def read_journal(path: Path) -> Journal:
    """The journal in a file of JSON lines.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it has anything but entries.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            return journal_of(lines, str(path))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected a journal, which is text, got byte {error.start} that is none; "
            "GET /-/journal.jsonl writes such files"
        ) from None


def open_journal(source: str) -> Journal:
    """The journal of a running server's tenant, by its URL, or of a file.

    Raises:
        OSError: if it cannot be reached or read.
        ValueError: if it is no journal.
    """
    if not source.startswith(("http://", "https://")):
        return read_journal(Path(source))
    lines = ask(source, "/-/journal.jsonl").decode(errors="replace")
    return journal_of(lines.splitlines(), source)
