"""`tinkerproof conform client`: scenarios, tried on any command."""

import argparse
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from fake_server.cli_numbers import count_option, seconds_option

if TYPE_CHECKING:
    from fake_server.scenarios.scenario import Scenario
    from fake_server.scenarios.trial import Outcome

__all__ = ["add_client"]

HOLDS, FAILS, CANNOT_RUN = 0, 1, 2
JOBS = 4
"""Ours: most of a run is waiting."""
SECONDS = 60.0
"""Of a scenario, at most; a test compares it with `fake_server.scenarios.trial`."""


def add_client(
    whom: "argparse._SubParsersAction[argparse.ArgumentParser]", environment: Mapping[str, str]
) -> None:
    """Add the subcommand to `conform`; `environment` is what commands inherit."""
    client = whom.add_parser(
        "client",
        help="on a client: a command that trains on the server of TINKER_BASE_URL",
        usage="tinkerproof conform client [options] -- COMMAND …",
    )
    client.add_argument("command", nargs="*", metavar="COMMAND", help="the client, with its arguments")
    client.add_argument(
        "--listen", type=int, default=0, metavar="PORT", help="serve at this port (a free one)"
    )
    client.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only these: ids, phases, or patterns such as 'SCN-1?'; may be repeated",
    )
    client.add_argument("--list", action="store_true", help="list the scenarios and run nothing")
    client.add_argument(
        "--jobs", type=count_option, default=JOBS, metavar="N", help=f"how many at once ({JOBS})"
    )
    client.add_argument(
        "--timeout",
        type=seconds_option,
        default=SECONDS,
        metavar="SECONDS",
        help=f"what takes longer counts as a hang ({SECONDS:g})",
    )
    client.add_argument("--report", type=Path, metavar="DIR", help="write reports into a folder")
    client.add_argument("--baseline", type=Path, metavar="FILE", help="known failures, as TOML or JSON")
    client.set_defaults(run=_client, environment=environment)


def _client(options: argparse.Namespace) -> int:
    """Status 0 where all scenarios hold, 1 where one does not, 2 where they could not be tried."""
    from contract.laws.baseline import Baseline
    from contract.laws.recording import recorded
    from contract.laws.reports.files import write_reports
    from contract.laws.reports.text import as_text
    from fake_server.scenarios import GROUPS, SCENARIOS
    from fake_server.scenarios.catalogue import chosen, scenario_rows
    from fake_server.tables import as_text as as_table

    try:
        scenarios = chosen(SCENARIOS, options.scenario)
        if options.list:
            print(as_table(scenario_rows(scenarios)))
            return HOLDS
        if not options.command:
            raise ValueError("expected a command behind --, got none; as in: … -- python train.py")
        baseline = Baseline.read(options.baseline) if options.baseline else Baseline()
        if options.report:
            options.report.mkdir(parents=True, exist_ok=True)
        started_at, start = datetime.now(UTC), time.monotonic()
        outcomes = _tried(scenarios, options)
        record = recorded(
            outcomes,
            join(options.command),
            started_at=started_at,
            known_ids=SCENARIOS,
            kind="client",
            groups=GROUPS,
            seconds=time.monotonic() - start,
            baseline=baseline,
        )
        written = write_reports(record, options.report) if options.report else []
    except (LookupError, OSError, OverflowError, ValueError) as error:
        print(f"tinkerproof: conform client: {error}", file=sys.stderr)
        return CANNOT_RUN
    print(as_text(record))
    if written:
        print(f"written: {', '.join(map(str, written))}", file=sys.stderr)
    return HOLDS if record.passed else FAILS


def _tried(scenarios: "list[Scenario]", options: argparse.Namespace) -> "list[Outcome]":
    """The outcome of each scenario, in their order, while a bar tells how far it is.

    Raises:
        OSError: if the command cannot be started, or the port is taken.
        ValueError: if somebody had enough of it.
    """
    from fake_server.progress import Progress
    from fake_server.scenarios import CLEAN, SCENARIOS
    from fake_server.scenarios.clients import command_client
    from fake_server.scenarios.trial import scenario_server, try_scenarios

    progress, outcomes = Progress(sys.stderr, len(scenarios)), []
    client = command_client(options.command, options.environment)
    try:
        with scenario_server(options.listen) as server:
            for outcome in try_scenarios(
                scenarios, SCENARIOS[CLEAN], client, server, jobs=options.jobs, seconds=options.timeout
            ):
                outcomes.append(outcome)
                failed = outcome.verdict == "broken"
                progress.step(outcome.id, outcome.scenario.group, failed=failed, seconds=outcome.seconds)
    except KeyboardInterrupt:
        told = f"interrupted after {len(outcomes)} of {len(scenarios)} scenarios; nothing is proved"
        raise ValueError(told) from None
    finally:
        progress.end()
    order = {one.id: number for number, one in enumerate(scenarios)}
    return sorted(outcomes, key=lambda outcome: order[outcome.id])
