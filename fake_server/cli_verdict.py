"""`tinkerproof verdict`: which rules a client broke, read from its journal."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fake_server.rules.rule import Finding

__all__ = ["add_verdict"]


def add_verdict(parser: argparse.ArgumentParser) -> None:
    """Give the subcommand its arguments."""
    parser.add_argument(
        "source", nargs="?", metavar="URL|FILE", help="a server or tenant, or a journal's file"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--strict", action="store_true", help="let notes count, too")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="ID", help="a rule that does not count"
    )
    parser.add_argument("--rules", action="store_true", help="list all rules and stop")
    parser.set_defaults(run=_verdict)


def _verdict(options: argparse.Namespace) -> int:
    """Status 0 where the client is clean, 1 where it is not, 2 where there is nothing to judge."""
    from fake_server.verdict import fields_of, grave, rule_of, told

    if options.rules:
        print(_rules())
        return 0
    try:
        ignored = {rule_of(name).id for name in options.ignore}
        findings = tuple(f for f in _findings(options.source) if f.rule.id not in ignored)
    except (LookupError, OSError, ValueError) as error:
        print(f"tinkerproof: verdict: {error}", file=sys.stderr)
        return 2
    print(json.dumps(fields_of(findings), indent=2) if options.json else told(findings))
    return 1 if grave(findings, notes=options.strict) else 0


def _findings(source: str | None) -> "tuple[Finding, ...]":
    """The findings of a server, which knows more than its journal's file, or of a file.

    Raises:
        OSError: if it cannot be reached or read.
        ValueError: if it is no journal, or an empty one: nothing is proved by it.
    """
    from fake_server.inquiry import ask_json
    from fake_server.journal_files import open_journal
    from fake_server.verdict import finding_of, judge

    if source is None:
        raise ValueError("expected a URL or a file, got none; --rules lists the rules")
    if source.startswith(("http://", "https://")):
        if _list(ask_json(source, "/-/journal?limit=1"), "entries", source):
            return tuple(map(finding_of, _list(ask_json(source, "/-/verdict"), "findings", source)))
    elif journal := open_journal(source):
        return judge(journal.history())
    raise ValueError(f"{source}: expected a journal with entries, got none; let the client run first")


def _list(answer: dict[str, Any], name: str, source: str) -> list[Any]:
    """A list of an answer.

    Raises:
        ValueError: if it has none: the server is another one.
    """
    value = answer.get(name)
    if not isinstance(value, list):
        raise ValueError(
            f"{source}: expected {name}, got {', '.join(answer) or 'none'}; is it tinkerproof's?"
        )
    return value


def _rules() -> str:
    from fake_server.rules import RULES
    from fake_server.tables import as_text

    head = ("rule", "severity", "what it is", "what to do")
    return as_text([head, *((rule.id, rule.severity, rule.title, rule.fix) for rule in RULES)])
