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
PATIENCE_SECONDS = 60


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
    from urllib.error import HTTPError, URLError

    try:
        (_save if options.action == "save" else _restore)(options.url.rstrip("/"), options.file)
    except HTTPError as error:
        with error:
            told = json.loads(error.read() or b"{}").get("detail", error.reason)
        return _complain(told)
    except URLError as error:
        return _complain(f"{options.url}: expected an answer, got {error.reason}; is the server running?")
    except (OSError, ValueError) as error:
        return _complain(str(error))
    return 0


def _save(url: str, file: Path) -> None:
    from fake_server.snapshot_files import write_atomically

    _ask(url, "POST", "snapshot", json.dumps({"name": NAME}).encode())
    write_atomically(file, _ask(url, "GET", f"snapshots/{NAME}"))
    _ask(url, "DELETE", f"snapshots/{NAME}")


def _restore(url: str, file: Path) -> None:
    _ask(url, "PUT", f"snapshots/{NAME}", file.read_bytes())
    _ask(url, "POST", "restore", json.dumps({"name": NAME}).encode())
    _ask(url, "DELETE", f"snapshots/{NAME}")


def _ask(url: str, method: str, path: str, body: bytes | None = None) -> bytes:
    from urllib.request import Request, urlopen

    request = Request(f"{url}/-/{path}", body, {"content-type": "application/json"}, method=method)
    with urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        content: bytes = answer.read()
        return content


def _complain(text: str) -> int:
    print(f"tinkerproof: snapshot: {text}", file=sys.stderr)
    return 2
