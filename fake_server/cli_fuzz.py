"""`tinkerproof fuzz`: requests that nobody thought of, and what breaks by them."""

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from fake_server.cli_conform import url_option
from fake_server.cli_fuzz_client import add_client

__all__ = ["add_fuzz"]

HOLDS, FAILS, CANNOT_RUN = 0, 1, 2
API_KEY = "tml-fuzz"
"""Any key does, where a server takes any."""
FINDINGS = Path("fuzz-findings")
"""Where findings are written if no folder is named."""
NEEDS = "pip install 'tinkerproof[fuzz]'"


def add_fuzz(add: "Callable[..., argparse.ArgumentParser]", environment: Mapping[str, str]) -> None:
    """Add the subcommand to the command's; `environment` is what commands inherit."""
    fuzz = add("fuzz", help="look for requests that break a server, and for faults that break a client")
    whom = fuzz.add_subparsers(required=True, metavar="WHOM")
    _add_server(whom.add_parser("server", help="a server, by its URL"))
    add_client(whom, environment)


def _add_server(server: argparse.ArgumentParser) -> None:
    server.add_argument("--url", type=url_option, required=True, metavar="URL", help="the server's base URL")
    server.add_argument("--api-key", default=API_KEY, metavar="KEY", help=f"a key that it takes ({API_KEY})")
    server.add_argument("--base-model", metavar="NAME", help="to train (the first that the server names)")
    server.add_argument(
        "--profile", choices=("quick", "ci", "nightly"), default="quick", help="how much is tried (quick)"
    )
    server.add_argument("--seed", type=int, default=0, metavar="N", help="determines all that is sent (0)")
    server.add_argument(
        "--operation",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATTERN",
        help="only these, and no sequences: names, or patterns such as '*weights*'",
    )
    server.add_argument("--report", type=Path, metavar="DIR", help="write reports and findings into a folder")
    server.add_argument("--replay", type=Path, metavar="FILE", help="only repeat a finding")
    server.set_defaults(run=_server)


def _server(options: argparse.Namespace) -> int:
    """Status 0 where nothing was found, 1 where something was, 2 where the server could not be tried."""
    try:
        return _replay(options) if options.replay else _fuzz(options)
    except ModuleNotFoundError as error:
        return _complain(f"{error}; {NEEDS}")
    except KeyboardInterrupt:
        return _complain("interrupted; nothing is proved")
    except (AssertionError, LookupError, OSError, ValueError) as error:
        return _complain(str(error))


def _fuzz(options: argparse.Namespace) -> int:
    from fake_server.fuzzing.finding import write_requests
    from fake_server.fuzzing.run import FLOWS
    from fake_server.fuzzing.server import chosen, fuzz_server
    from fake_server.fuzzing.text import as_json, as_text
    from fake_server.progress import Progress

    names = chosen(options.operation)
    told = f"seed {options.seed}, profile {options.profile}; the same again: {_command(options)}"
    print(told, file=sys.stderr, flush=True)
    progress = Progress(sys.stderr, len(names) + (not options.operation))

    def tell(name: str, group: str, failed: bool, seconds: float) -> None:
        progress.step(name, group if name != FLOWS else "flow", failed=failed, seconds=seconds)

    try:
        report = fuzz_server(
            options.url,
            api_key=options.api_key,
            base_model=options.base_model,
            profile=options.profile,
            seed=options.seed,
            operations=options.operation,
            tell=tell,
        )
    finally:
        progress.end()
    folder = options.report or FINDINGS
    files = [write_requests(folder, finding) for finding in report.findings]
    text = as_text(report, [f"{_command(options, file)}" for file in files])
    if options.report:
        _write(options.report, text, as_json(report))
    print(text)
    return HOLDS if report.passed else FAILS


def _write(folder: Path, text: str, told: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.txt").write_text(text + "\n")
    (folder / "report.json").write_text(told)
    print(f"written: {folder / 'report.txt'}, {folder / 'report.json'}", file=sys.stderr)


def _replay(options: argparse.Namespace) -> int:
    from fake_server.fuzzing.fault import Fault
    from fake_server.fuzzing.finding import found, read_requests
    from fake_server.fuzzing.profiles import PROFILES
    from fake_server.fuzzing.server import bench_of
    from fake_server.fuzzing.trial import Trial

    requests = read_requests(options.replay)
    patience = PROFILES[options.profile].patience
    with bench_of(options.url, options.api_key, options.base_model, patience) as bench:
        trial = Trial(bench)
        try:
            for request in requests:
                trial.run(request)
        except Fault as fault:
            print(found(fault, trial, options.url).as_text(_command(options, options.replay)))
            return FAILS
    print(f"{options.replay}: {len(requests)} requests, and nothing is wrong")
    return HOLDS


def _command(options: argparse.Namespace, replay: Path | None = None) -> str:
    """What repeats this run, or one of its findings. Keys are not in it."""
    words = ["tinkerproof", "fuzz", "server", "--url", options.url]
    if options.base_model:
        words += ["--base-model", options.base_model]
    if replay is not None:
        words += ["--replay", str(replay)]
    else:
        words += ["--profile", options.profile, "--seed", str(options.seed)]
        words += ["--operation", *options.operation] if options.operation else []
    return shlex.join(words) + ("" if options.api_key == API_KEY else " --api-key $TINKER_API_KEY")


def _complain(text: str) -> int:
    print(f"tinkerproof: fuzz server: {text}", file=sys.stderr)
    return CANNOT_RUN
