"""The command `tinkerproof`. Each subcommand imports what it needs, so that `--help` is fast."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fake_server.cli_cassettes import add_commands
from fake_server.cli_conform import add_conform
from fake_server.cli_drift import add_drift
from fake_server.cli_fuzz import add_fuzz
from fake_server.cli_journal import add_journal
from fake_server.cli_numbers import count_option
from fake_server.cli_snapshot import add_snapshot, begin_with
from fake_server.cli_verdict import add_verdict

if TYPE_CHECKING:
    from contract import BackendOptions
    from fake_server.clock import Clock
    from fake_server.faults import Schedule

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # as with `| head`: the reader has had enough
        with open(os.devnull, "w") as nowhere:  # or the interpreter's own flush fails, at its end
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return 0
    return status


class _Version(argparse.Action):
    """Prints the version; looks it up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"tinkerproof {version('tinkerproof')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinkerproof", description="Prove that code written against the Tinker API works."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="run a server"))
    openapi = commands.add_parser("openapi", help="print the API as OpenAPI 3.1")
    openapi.set_defaults(run=_openapi)
    operations = commands.add_parser("operations", help="list every endpoint")
    operations.add_argument("--markdown", action="store_true", help="as a Markdown table")
    operations.set_defaults(run=_operations)
    export = commands.add_parser("export", help="write a checkpoint's adapter in another format")
    export.add_argument("source", metavar="SOURCE", help="a checkpoint's folder, or its downloaded archive")
    export.add_argument("--format", required=True, metavar="NAME", help="peft, or another that is installed")
    export.add_argument("--out", required=True, metavar="DIR", help="a new folder for the files")
    export.set_defaults(run=_export)
    add_journal(commands.add_parser("journal", help="show what a server was asked and answered"))
    add_commands(commands.add_parser)
    add_verdict(commands.add_parser("verdict", help="tell which rules a client broke"))
    add_snapshot(commands.add_parser("snapshot", help="keep the world of a server in a file, or put it back"))
    add_conform(commands.add_parser, os.environ)
    add_fuzz(commands.add_parser, os.environ)
    add_drift(commands.add_parser("drift", help="compare the contract with an SDK, or two of its releases"))
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--backend", default="scripted", metavar="NAME", help="what computes (scripted)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (0)")
    serve.add_argument("--seed", type=int, default=0, help="all ids and numbers derive from it (0)")
    serve.add_argument(
        "--base-model", action="append", default=[], metavar="NAME", help="serve exactly these base models"
    )
    serve.add_argument(
        "--api-key",
        type=_api_key,
        action="append",
        default=[],
        metavar="KEY",
        help="accept exactly these keys",
    )
    serve.add_argument(
        "--clock",
        choices=("system", "virtual", "auto"),
        default="system",
        help="each tenant's time: the machine's; one that /-/clock moves; one that skips waits, too (system)",
    )
    serve.add_argument(
        "--control", action="store_true", help="let anybody who reaches the server control it, below /-/"
    )
    serve.add_argument(
        "--strict-losses", action="store_true", help="refuse losses whose formula is not published"
    )
    serve.add_argument("--faults", metavar="FILE", help="strike requests as the schedule in a JSON file says")
    serve.add_argument("--faults-seed", type=int, metavar="N", help="strike requests as a number determines")
    serve.add_argument("--snapshot", metavar="FILE", help="begin with the world that a file has")
    _add_engine(serve.add_argument_group("of a backend that computes with a network"))
    serve.set_defaults(run=_serve)


def _add_engine(engine: "argparse._ArgumentGroup") -> None:
    engine.add_argument(
        "--model",
        type=_named_path,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="serve the model in a folder or file as NAME; may be repeated",
    )
    engine.add_argument("--models-root", metavar="DIR", help="serve the models of a folder laid out as a hub")
    engine.add_argument("--device", choices=("cpu", "cuda", "auto"), default="auto", help="where (auto)")
    engine.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="(float32)")
    engine.add_argument(
        "--mode", choices=("exact", "fast", "auto"), default="auto", help="same bits always, or speed (auto)"
    )
    engine.add_argument(
        "--compile", action="store_true", help="compile element-wise parts; on CUDA, not in exact mode"
    )
    engine.add_argument("--threads", type=count_option, metavar="N", help="threads that compute")
    engine.add_argument(
        "--memory",
        type=count_option,
        metavar="MB",
        help="for adapters; more of them wait on disk (half of all)",
    )
    engine.add_argument(
        "--raw-logprobs", action="store_true", help="report sampled logprobs at temperature 1"
    )


def _api_key(text: str) -> str:
    """Source: sdk 0.38.0 lib/_auth_token_provider.py, which sends no other."""
    if not text.startswith(("tml-", "eyJ")):
        raise argparse.ArgumentTypeError(
            f"expected a key that starts with 'tml-', or a JWT, got another of {len(text)} characters; "
            "the SDK sends no such key"
        )
    return text


def _named_path(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"expected NAME=PATH, got {text!r}")
    return name, path


def _backend_options(options: argparse.Namespace) -> "BackendOptions":
    from contract import BackendOptions

    return BackendOptions(
        base_models=tuple(options.base_model),
        models=tuple(options.model),
        models_root=options.models_root,
        device=options.device,
        dtype=options.dtype,
        mode=options.mode,
        compile=options.compile,
        threads=options.threads,
        memory_bytes=None if options.memory is None else options.memory << 20,
        raw_logprobs=options.raw_logprobs,
        strict_losses=options.strict_losses,
    )


def _clocks(options: argparse.Namespace) -> "Callable[[], Clock]":
    """What makes the time of a tenant.

    Raises:
        ValueError: for a clock that nobody could move.
    """
    from fake_server.clock import SystemClock, VirtualClock

    if options.clock == "system":
        return SystemClock
    if options.clock == "virtual" and not options.control:
        raise ValueError(
            "--clock virtual: expected --control beside it, got none; nobody could move the clock"
        )
    return lambda: VirtualClock(SystemClock().now(), auto=options.clock == "auto")


def _serve(options: argparse.Namespace) -> int:
    import logging

    from fake_server.app import create_app
    from fake_server.running import bound_socket, find_backend, serve_forever, url_of
    from fake_server.settings import AuthSettings, Settings

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its start and its end are told by us
    settings = Settings(seed=options.seed, auth=AuthSettings(api_keys=tuple(options.api_key)))
    try:
        backend = find_backend(options.backend)
        sock = bound_socket(options.host, options.port)
    except (LookupError, OSError, OverflowError) as error:
        return _complain(f"serve: {error}")
    try:
        app = create_app(
            backend,
            settings,
            clocks=_clocks(options),
            options=_backend_options(options),
            control=options.control,
            faults=_schedule(options.faults, options.faults_seed),
        )
        begin_with(app, options.snapshot)
    except (LookupError, OSError, ValueError) as error:
        sock.close()
        return _complain(f"serve: {error}")
    url = url_of(sock)
    key = "one-of-yours" if options.api_key else "tml-any"

    def ready() -> None:
        print(url, flush=True)
        _note(f"serving {options.backend} on {url}; TINKER_BASE_URL={url} TINKER_API_KEY={key}")

    serve_forever(app, sock, ready)
    _note("stopped")
    return 0


def _schedule(file: str | None, seed: int | None) -> "Schedule | None":
    """The faults of a file, and those of a seed inside of them; tells the latter.

    Raises:
        OSError, ValueError: if the file cannot be read.
    """
    if file is None and seed is None:
        return None
    from fake_server.faults import Schedule

    schedule = Schedule()
    if file is not None:
        with open(file, "rb") as text:
            try:
                schedule += Schedule.from_json(text.read())
            except ValueError as error:
                raise ValueError(f"--faults {file}: {error}") from None
    if seed is not None:
        rolled = Schedule.random(seed)
        _note(f"faults of --faults-seed {seed}: {rolled.to_json()}")
        schedule += rolled
    return schedule


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _complain(text: str) -> int:
    _note(f"tinkerproof: {text}")
    return 2


def _openapi(_options: argparse.Namespace) -> int:
    import json

    from contract.openapi import openapi

    print(json.dumps(openapi(), indent=2))
    return 0


def _operations(options: argparse.Namespace) -> int:
    from fake_server.tables import as_markdown, as_text, operation_rows

    print((as_markdown if options.markdown else as_text)(operation_rows()))
    return 0


def _export(options: argparse.Namespace) -> int:
    from pathlib import Path

    from fake_server.exports import export

    try:
        written = export(Path(options.source), options.format, Path(options.out))
    except (LookupError, OSError, ValueError) as error:
        return _complain(f"export: {error}")
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
