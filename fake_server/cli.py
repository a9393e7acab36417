"""The command `tinkerproof`. Each subcommand imports what it needs, so that `--help` is fast."""

import argparse
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinkerproof", description="Prove that code written against the Tinker API works."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="run a server"))
    openapi = commands.add_parser("openapi", help="print the API as OpenAPI 3.1")
    openapi.set_defaults(run=_openapi)
    operations = commands.add_parser("operations", help="list every endpoint")
    operations.add_argument("--markdown", action="store_true", help="as a Markdown table")
    operations.set_defaults(run=_operations)
    drift = commands.add_parser("drift", help="compare the contract with the installed SDK")
    drift.set_defaults(run=_drift)
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
        "--api-key", action="append", default=[], metavar="KEY", help="accept exactly these keys"
    )
    serve.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    import logging

    from fake_server.app import create_app
    from fake_server.running import bound_socket, find_backend, serve_forever, url_of
    from fake_server.settings import AuthSettings, Settings

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        backend = find_backend(options.backend)
        sock = bound_socket(options.host, options.port)
    except (LookupError, OSError, OverflowError) as error:
        return _complain(f"serve: {error}")
    settings = Settings(seed=options.seed, auth=AuthSettings(api_keys=tuple(options.api_key)))
    app = create_app(backend, settings, base_models=tuple(options.base_model))
    url = url_of(sock)
    key = "one-of-yours" if options.api_key else "tml-any"

    def ready() -> None:
        print(url, flush=True)
        _note(f"serving {options.backend} on {url}; TINKER_BASE_URL={url} TINKER_API_KEY={key}")

    serve_forever(app, sock, ready)
    _note("stopped")
    return 0


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


def _drift(_options: argparse.Namespace) -> int:
    from contract.drift import drift, report

    try:
        differences = drift()
    except ModuleNotFoundError as error:
        return _complain(f"drift: {error}; install the SDK with pip install 'tinkerproof[sdk]'")
    if differences:
        print(report(differences))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
