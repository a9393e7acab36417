"""The commands `record`, `replay` and `proxy`."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fake_server.cassettes.deck import Deck

__all__ = ["add_commands"]

Add = Callable[..., argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    """Add the three to a parser's commands."""
    record = add("record", help="stand before a server, and record what it answers")
    record.add_argument("--upstream", required=True, metavar="URL", help="the server that answers")
    record.add_argument("--out", default="cassette.jsonl", metavar="FILE", help="(cassette.jsonl)")
    record.add_argument("--times", action="store_true", help="write times as they are")
    record.set_defaults(run=_record)
    replay = add("replay", help="answer from a recording")
    replay.add_argument("file", metavar="FILE", help="what `tinkerproof record` wrote")
    replay.add_argument("--strict", action="store_true", help="each entry answers once, and all have to")
    replay.add_argument("--explain", action="store_true", help="show what is in the file, and exit")
    replay.set_defaults(run=_replay)
    proxy = add("proxy", help="answer some operations here, and let a server answer the others")
    proxy.add_argument("--upstream", required=True, metavar="URL", help="the other server")
    proxy.add_argument("--backend", default="scripted", metavar="NAME", help="what computes here (scripted)")
    proxy.add_argument(
        "--route",
        action="append",
        default=[],
        metavar="OPERATION=SIDE",
        help="who answers: local or upstream; OPERATION may have *; the first that fits counts",
    )
    proxy.add_argument("--otherwise", choices=("local", "upstream"), default="local", help="the rest (local)")
    proxy.add_argument("--record", metavar="FILE", help="record both sides' answers")
    proxy.set_defaults(run=_proxy)
    for parser in (record, replay, proxy):
        _add_address(parser)


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (0)")
    parser.add_argument("--control", action="store_true", help="let anybody who reaches it control it")


def _record(options: argparse.Namespace) -> int:
    def begin(deck: "Deck") -> str:
        recorder = deck.record(options.out, upstream=options.upstream, times=options.times)
        return f"recording {options.upstream} to {recorder.path}"

    return _serve("record", options, begin, lambda _: (f"wrote {options.out}", 0))


def _replay(options: argparse.Namespace) -> int:
    from fake_server.cassettes.cassette import Cassette
    from fake_server.cassettes.explain import explain

    if options.explain:
        try:
            print(explain(options.file, Cassette.load(Path(options.file))))
        except (OSError, ValueError) as error:
            return _complain("replay", error)
        return 0

    def begin(deck: "Deck") -> str:
        replay = deck.replay(options.file, strict=options.strict)
        return f"replaying {len(replay.cassette.entries)} entries of {options.file}"

    def end(deck: "Deck") -> tuple[str, int]:
        replay = deck.playing
        assert replay is not None
        failed = bool(replay.misses) or (options.strict and bool(replay.unused))
        return replay.report() or "every request was there", int(failed)

    return _serve("replay", options, begin, end)


def _proxy(options: argparse.Namespace) -> int:
    def begin(deck: "Deck") -> str:
        if options.record:
            deck.record(options.record)
        hybrid = deck.route(options.upstream, *options.route, otherwise=options.otherwise)
        said = f"{options.backend} here, {options.upstream} there; sessions and models are {hybrid.home}"
        return f"{said}, samples {hybrid.sampling}" + ", of the base model" * hybrid.is_split

    return _serve("proxy", options, begin, lambda _: ("stopped", 0), options.backend)


def _serve(
    command: str,
    options: argparse.Namespace,
    begin: Callable[["Deck"], str],
    end: Callable[["Deck"], tuple[str, int]],
    backend: str = "scripted",
) -> int:
    """Run a server of one tenant with a cassette in it; at its end it tells what `end` says."""
    from fake_server.app import create_app
    from fake_server.cassettes.deck import Deck
    from fake_server.running import bound_socket, find_backend, serve_forever, url_of
    from fake_server.settings import AuthSettings, Settings

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of each request
    settings = Settings(auth=AuthSettings(anybody=True))
    try:
        app = create_app(find_backend(backend), settings, control=options.control)
        tenants: Any = app.state.tenants
        tenants.alone = True
        service = tenants.get()
        deck = service.controls.cassettes if service.controls else Deck(service)
        said = begin(deck)
        sock = bound_socket(options.host, options.port)
    except (ImportError, LookupError, OSError, OverflowError, ValueError) as error:
        return _complain(command, error)

    def ready() -> None:
        print(url_of(sock), flush=True)
        print(f"{said}; TINKER_BASE_URL={url_of(sock)}", file=sys.stderr, flush=True)

    serve_forever(app, sock, ready)
    text, status = end(deck)
    try:
        deck.close()
    except OSError as error:
        return _complain(command, error)
    print(text, file=sys.stderr, flush=True)
    return status


def _complain(command: str, error: Exception) -> int:
    print(f"tinkerproof: {command}: {error}", file=sys.stderr, flush=True)
    return 2
