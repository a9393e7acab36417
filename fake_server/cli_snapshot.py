"""`tinkerproof snapshot`: the world of a running server as a file, and back."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["add_snapshot", "begin_with"]

NAME = "command"
"""Under which the server keeps it."""
FILE = f"/-/snapshots/{NAME}"
NAMED = json.dumps({"name": NAME}).encode()


def add_snapshot(snapshot: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    snapshot.add_argument("action", choices=("save", "restore"), help="into the file, or from it")
    snapshot.add_argument("url", metavar="URL", help="of a server with --control, or of one of its tenants")
    snapshot.add_argument("file", metavar="FILE", type=Path, help="the snapshot")
    snapshot.set_defaults(run=_run)


def begin_with(app: "Starlette", file: str | None) -> None:
    """Put the snapshot of a file, where one is named, into the default tenant.

    Raises:
        OSError, ValueError: if it cannot be read, or the backend cannot take it.
    """
    if file is None:
        return
    from contract import RequestFailure
    from fake_server.snapshots import Snapshot, restore

    try:
        restore(app.state.tenants.get(), Snapshot.load(file))
    except RequestFailure as error:
        raise ValueError(f"--snapshot: {error.error}") from None


def _run(options: argparse.Namespace) -> int:
    try:
        (_save if options.action == "save" else _restore)(options.url, options.file)
    except (OSError, ValueError) as error:
        return _complain(str(error))
    return 0


def _save(url: str, file: Path) -> None:
    from fake_server.inquiry import ask, ask_json
    from fake_server.snapshots import Snapshot

    ask_json(url, "/-/snapshot", "POST", NAMED)
    content = ask(url, FILE)
    ask(url, FILE, "DELETE")
    Snapshot.of_bytes(content).save(file)


def _restore(url: str, file: Path) -> None:
    from fake_server.inquiry import ask, ask_json

    ask_json(url, FILE, "PUT", file.read_bytes())
    ask_json(url, "/-/restore", "POST", NAMED)
    ask(url, FILE, "DELETE")


def _complain(text: str) -> int:
    print(f"tinkerproof: snapshot: {text}", file=sys.stderr)
    return 2
