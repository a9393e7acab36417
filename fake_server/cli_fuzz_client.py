"""`tinkerproof fuzz client`: random faults on a client: any command, or the installed SDK in process."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from fake_server.cli_numbers import count_option, seconds_option

if TYPE_CHECKING:
    from fake_server.scenarios.trial import Outcome

__all__ = ["add_client"]

HOLDS, FAILS, CANNOT_RUN = 0, 1, 2
RUNS = 30
"""Of a command, each of which is a process."""
CASES = 1000
"""Of the SDK in process."""
SECONDS = 60.0


def add_client(
    whom: "argparse._SubParsersAction[argparse.ArgumentParser]", environment: Mapping[str, str]
) -> None:
    """Add the subcommand to `fuzz`; `environment` is what commands inherit."""
    client = whom.add_parser(
        "client",
        help="a client: a command that trains on the server of TINKER_BASE_URL, or the installed SDK",
        usage="tinkerproof fuzz client [options] (-- COMMAND … | --sdk)",
    )
    client.add_argument("command", nargs="*", metavar="COMMAND", help="the client, with its arguments")
    client.add_argument("--sdk", action="store_true", help="random programs on the SDK that is installed")
    client.add_argument(
        "--cases", type=count_option, metavar="N", help=f"how many ({RUNS} of a command, {CASES} of the SDK)"
    )
    client.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (0)")
    client.add_argument("--jobs", type=count_option, default=2, metavar="N", help="processes for the SDK (2)")
    client.add_argument(
        "--timeout", type=seconds_option, default=SECONDS, metavar="SECONDS", help=f"of a run ({SECONDS:g})"
    )
    client.add_argument(
        "--database", type=Path, metavar="DIR", help="keeps what was found, which is tried first next time"
    )
    client.set_defaults(run=_client, environment=environment)


def _client(options: argparse.Namespace) -> int:
    """Status 0 where nothing is found, 1 where something is, 2 where nothing could be tried or proved."""
    try:
        if options.sdk == bool(options.command):
            raise ValueError("expected either --sdk or a command behind --, as in: … -- python train.py")
        return _sdk(options) if options.sdk else _command(options)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing is proved")
    except (ImportError, LookupError, OSError, ValueError) as error:
        return _complain(str(error))


def _complain(text: str) -> int:
    print(f"tinkerproof: fuzz client: {text}", file=sys.stderr)
    return CANNOT_RUN


def _command(options: argparse.Namespace) -> int:
    from fake_server.client_fuzzing.command import fuzz_command
    from fake_server.progress import Progress
    from fake_server.scenarios.clients import command_client
    from fake_server.scenarios.trial import scenario_server

    runs = options.cases or RUNS
    progress = Progress(sys.stderr, runs)

    def tell(outcome: "Outcome") -> None:
        failed = outcome.verdict == "broken"
        progress.step(f"seed {options.seed}", "FUZZ", failed=failed, seconds=outcome.seconds)

    with scenario_server() as server:
        try:
            hunted = fuzz_command(
                command_client(options.command, options.environment),
                server,
                runs=runs,
                seed_number=options.seed,
                seconds=options.timeout,
                database=options.database,
                on_run=tell,
            )
        finally:
            progress.end()
    struck = ", ".join(f"{kind} {count}" for kind, count in hunted.struck.most_common())
    print(f"{hunted.runs} runs, {hunted.effective} in which a fault struck: {struck or 'nothing'}")
    replay = f"tinkerproof fuzz client --cases {runs} --seed {options.seed} -- {join(options.command)}"
    if hunted.found is not None:
        print(f"found, shrunk:\n{hunted.found}\nas JSON, for `tinkerproof serve --faults FILE`:")
        print(f"{hunted.found.schedule.to_json()}\nagain: {replay}")
        return FAILS
    print(hunted.empty or f"nothing was found\nagain: {replay}")
    return CANNOT_RUN if hunted.empty else HOLDS


def _sdk(options: argparse.Namespace) -> int:
    from fake_server.client_fuzzing.sdk_hunt import hunt_sdk
    from fake_server.client_fuzzing.tally import Tally
    from fake_server.progress import Progress

    cases = options.cases or CASES
    print(f"seed {options.seed}: {cases} cases, told as shares of them end", file=sys.stderr, flush=True)
    progress = Progress(sys.stderr, cases)

    def tell(tally: Tally) -> None:
        for number in range(tally.cases):
            progress.step(f"seed {options.seed}", "FUZZ", failed=number < len(tally.findings), seconds=0.0)

    try:
        hunted = hunt_sdk(cases, options.seed, jobs=options.jobs, database=options.database, on_share=tell)
    finally:
        progress.end()
    print(hunted.tally)
    for found in hunted.found:
        print(f"found, shrunk:\n{found}\n")
    for reason in hunted.empty:
        print(f"proves nothing: {reason}")
    print(f"again: tinkerproof fuzz client --sdk --cases {cases} --seed {options.seed} --jobs {options.jobs}")
    return FAILS if hunted.found else CANNOT_RUN if hunted.empty else HOLDS
