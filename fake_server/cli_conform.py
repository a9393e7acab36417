"""`tinkerproof conform`, `laws` and `explain`: laws and scenarios, tried on servers and clients, and told."""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fake_server.cli_scenarios import add_client

if TYPE_CHECKING:
    from contract.laws.law import Law
    from contract.laws.subject import Subject
    from contract.laws.trial import Outcome

__all__ = ["add_conform", "url_option"]

NEWEST = "0.38.0"
"""The profile where none is given; a test compares it with `contract.versions`."""
HOLDS, FAILS, CANNOT_RUN = 0, 1, 2


def add_conform(add: "Callable[..., argparse.ArgumentParser]", environment: Mapping[str, str]) -> None:
    """Add the subcommands to the command's; clients under trial inherit `environment`."""
    conform = add("conform", help="try the laws of the API")
    whom = conform.add_subparsers(required=True, metavar="WHOM")
    _add_server(whom)
    add_client(whom, environment)
    laws = add("laws", help="list the laws that a server is tried by")
    laws.add_argument("--clients", action="store_true", help="the scenarios for clients in their place")
    laws.add_argument("--markdown", action="store_true", help="as a Markdown table")
    laws.add_argument("--group", metavar="G", help="only these: WIRE, FUT, SES, …; of scenarios a phase")
    laws.set_defaults(run=_laws)
    explain = add("explain", help="tell what a law, a scenario or a rule for clients says, and why")
    explain.add_argument("law", metavar="ID", help="such as FUT-03, SCN-18, or CLI-06")
    explain.set_defaults(run=_explain)


def _add_server(whom: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    server = whom.add_parser("server", help="on a server, by its URL")
    server.add_argument("--url", type=url_option, required=True, metavar="URL", help="the server's base URL")
    server.add_argument("--api-key", required=True, metavar="KEY", help="a key that it takes")
    server.add_argument(
        "--other-api-key", metavar="KEY", help="of another account: laws of isolation need it"
    )
    server.add_argument("--base-model", metavar="NAME", help="to train (the first that the server names)")
    server.add_argument(
        "--profile", type=_release, default=NEWEST, metavar="SDK", help=f"speak as this release ({NEWEST})"
    )
    server.add_argument(
        "--law",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATTERN",
        help="only these: ids, groups, or patterns such as 'FUT-*'",
    )
    server.add_argument("--report", type=Path, metavar="DIR", help="write reports into a folder")
    server.add_argument("--baseline", type=Path, metavar="FILE", help="known failures, as TOML or JSON")
    server.set_defaults(run=_server)


def url_option(text: str) -> str:
    """A server's base URL, without a slash at its end.

    Raises:
        argparse.ArgumentTypeError: for any other text.
    """
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        whole = None
    if not whole or parts.query or parts.fragment or "@" in parts.netloc:
        raise argparse.ArgumentTypeError(
            f"expected http(s)://HOST[:PORT][/PREFIX], got {text!r}; keys are given by --api-key"
        )
    return text.rstrip("/")


def _release(text: str) -> str:
    if (found := re.fullmatch(r"(\d+\.\d+)(\.\d+)?", text)) is None:
        raise argparse.ArgumentTypeError(f"expected a release of the SDK such as 0.25, got {text!r}")
    return f"{found[1]}{found[2] or '.0'}"


def _server(options: argparse.Namespace) -> int:
    """Status 0 where all laws hold, 1 where one does not, 2 where they could not be tried."""
    from contract.laws import LAWS, Broken
    from contract.laws.baseline import Baseline
    from contract.laws.catalogue import chosen
    from contract.laws.recording import recorded
    from contract.laws.reports.files import write_reports
    from contract.laws.reports.text import as_text

    try:
        laws = chosen(LAWS, options.law)
        baseline = Baseline.read(options.baseline) if options.baseline else Baseline()
        if options.report:
            options.report.mkdir(parents=True, exist_ok=True)
        subject = _subject(options)
        started_at = datetime.now(UTC)
        record = recorded(
            _tried(laws, subject),
            options.url,
            started_at=started_at,
            known_ids=LAWS,
            about={"base model": subject.base_model, "SDK": str(subject.profile)},
            baseline=baseline,
            secrets=[options.api_key, options.other_api_key or ""],
        )
        written = write_reports(record, options.report) if options.report else []
    except (Broken, LookupError, OSError, ValueError) as error:
        return _complain(f"conform server: {error}")
    print(as_text(record))
    if written:
        print(f"written: {', '.join(map(str, written))}", file=sys.stderr)
    return HOLDS if record.passed else FAILS


def _subject(options: argparse.Namespace) -> "Subject":
    """The server, once it has answered.

    Raises:
        Broken: if it does not answer, or names no model.
        ValueError: if it refuses the key, or both keys are the same.
    """
    from contract.laws.driver import Driver
    from contract.laws.subject import Subject

    if options.other_api_key == options.api_key:
        raise ValueError("--other-api-key: expected that of another account, got the same as --api-key")
    driver = Driver(options.url, options.api_key, options.profile)
    reply = driver.call("get_server_capabilities")
    if reply.status in (401, 403):
        raise ValueError(f"--api-key: expected one that {options.url} takes, got {reply.status}")
    model = options.base_model or _first_model(reply.json if reply.status == 200 else None)
    if model is None:
        raise ValueError(
            f"get_server_capabilities: expected a base model, got status {reply.status} with none; "
            "name one with --base-model, or the URL below which /api/v1 begins with --url"
        )
    return Subject(driver, model, other_key=options.other_api_key)


def _first_model(answer: object) -> str | None:
    """The first base model that is not said to be one that cannot be trained."""
    models = answer.get("supported_models") if isinstance(answer, dict) else None
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict) and model.get("model_name") and model.get("trainable") is not False:
            return str(model["model_name"])
    return None


def _tried(laws: "list[Law]", subject: "Subject") -> "list[Outcome]":
    """The outcome of each law, while a bar tells how far it is.

    Raises:
        ValueError: if somebody had enough of it.
    """
    from contract.laws.trial import try_laws
    from fake_server.progress import Progress

    progress, outcomes = Progress(sys.stderr, len(laws)), []
    try:
        for outcome in try_laws(laws, subject):
            outcomes.append(outcome)
            failed = outcome.verdict in ("broken", "error")
            progress.step(outcome.law.id, outcome.law.group, failed=failed, seconds=outcome.seconds)
    except KeyboardInterrupt:
        raise ValueError(
            f"interrupted after {len(outcomes)} of {len(laws)} laws; nothing is proved"
        ) from None
    finally:
        progress.end()
    return outcomes


def _complain(text: str) -> int:
    print(f"tinkerproof: {text}", file=sys.stderr)
    return CANNOT_RUN


def _laws(options: argparse.Namespace) -> int:
    from contract.laws import LAWS
    from contract.laws.catalogue import chosen, law_rows
    from fake_server.tables import as_markdown, as_text

    patterns = [options.group] if options.group else []
    try:
        rows = _scenario_rows(patterns) if options.clients else law_rows(chosen(LAWS, patterns))
    except LookupError as error:
        return _complain(f"laws: {error}")
    print((as_markdown if options.markdown else as_text)(rows))
    return HOLDS


def _scenario_rows(patterns: list[str]) -> list[tuple[str, ...]]:
    from fake_server.scenarios import SCENARIOS
    from fake_server.scenarios.catalogue import chosen, scenario_rows

    return scenario_rows(chosen(SCENARIOS, patterns))


def _explain(options: argparse.Namespace) -> int:
    from contract.laws import LAWS
    from contract.laws.catalogue import explained, law_named

    try:
        group = options.law.upper()[:3]
        if group == "SCN":
            told = _explained_scenario(options.law)
        elif group == "CLI":
            told = _explained_rule(options.law.upper())
        else:
            told = explained(law_named(LAWS, options.law))
    except LookupError as error:
        return _complain(f"explain: {error}")
    print(told)
    return HOLDS


def _explained_scenario(scenario_id: str) -> str:
    from fake_server.scenarios import SCENARIOS
    from fake_server.scenarios.catalogue import explained, scenario_named

    return explained(scenario_named(SCENARIOS, scenario_id))


def _explained_rule(rule_id: str) -> str:
    from fake_server.verdict import rule_of

    rule = rule_of(rule_id)
    return f"{rule.id}  {rule.title} ({rule.severity})\n\nwhy  {rule.why}\nfix  {rule.fix}"
