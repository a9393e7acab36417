"""`tinkerproof journal`: what a server was asked, as a table, JSON lines or HAR."""

import argparse
import json
import sys

__all__ = ["add_journal"]


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Give the subcommand its arguments."""
    parser.add_argument("source", metavar="URL|FILE", help="a server or tenant, or a file of JSON lines")
    parser.add_argument(
        "--operation", metavar="NAME", help="only these; an alias or a pattern with * will do"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--jsonl", action="store_true", help="as JSON lines")
    form.add_argument("--har", action="store_true", help="as HAR 1.2")
    parser.set_defaults(run=_journal)


def _journal(options: argparse.Namespace) -> int:
    from fake_server.har import as_har
    from fake_server.journal import Journal
    from fake_server.journal_files import as_lines, open_journal
    from fake_server.tables import as_text

    try:
        journal = open_journal(options.source)
        calls = journal.calls(*filter(None, [options.operation]))
    except (LookupError, OSError, ValueError) as error:
        print(f"tinkerproof: journal: {error}", file=sys.stderr)
        return 2
    chosen = Journal(limit=len(journal), tenant=journal.tenant)
    for call in calls:
        chosen.add(call.exchange)
    if options.jsonl:
        print(as_lines(chosen), end="")
    elif options.har:
        print(json.dumps(as_har(chosen), indent=2, ensure_ascii=False))
    else:
        start = min((call.arrived_at for call in calls), default=0.0)
        rows = [
            (
                f"#{call.number}",
                f"+{call.arrived_at - start:.3f}",
                call.operation,
                "" if call.seq_id is None else str(call.seq_id),
                str(call.status or "-"),
                ", ".join(call.faults),
                call.failure or "",
            )
            for call in calls
        ]
        head = ("entry", "seconds", "operation", "seq_id", "status", "faults", "failure")
        print(as_text([head, *rows]))
    return 0
