"""A bare Starlette app that answers recorded bytes: what our server is compared with.

`python -m benchmarks.canned FILE` serves the answers of a file that `write` made, with our server's own
uvicorn settings: one `Route` per path, the body is read, the bytes are sent.
"""

import json
import sys
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.process import Served, serving
from fake_server.running import bound_socket, serve_forever, url_of
from fake_server.wire import Answer

__all__ = ["Key", "Recorder", "canned_app", "serving_canned"]

REQUEST_TYPE = "x-tinker-request-type"
"""The header by which a client says what it waits for in `retrieve_future`."""


class Key(NamedTuple):
    """What an answer is chosen by."""

    method: str
    path: str
    request_type: str = ""


class Recorder:
    """ASGI middleware that keeps the last answer to every key."""

    def __init__(self, app: ASGIApp, answers: dict[Key, Answer]) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and record."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        sent = dict(scope["headers"]).get(REQUEST_TYPE.encode(), b"").decode()
        key = Key(scope["method"], scope["path"], sent)
        status, media_type = 0, ""

        async def tap(message: Message) -> None:
            nonlocal status, media_type
            if message["type"] == "http.response.start":
                status = message["status"]
                media_type = dict(message["headers"])[b"content-type"].decode()
            else:
                self._answers[key] = Answer(status, message["body"], media_type)
            await send(message)

        return await self._app(scope, receive, tap)


def canned_app(answers: Mapping[Key, Answer]) -> Starlette:
    """The app. What was not recorded, such as heartbeats, is answered with an empty object."""
    by_path: dict[tuple[str, str], dict[str, Answer]] = defaultdict(dict)
    for key, answer in answers.items():
        by_path[key.method, key.path][key.request_type] = answer
    routes = [_route(method, path, found) for (method, path), found in by_path.items()]
    rest: BaseRoute = Route("/{path:path}", _nothing, methods=["GET", "POST", "PUT", "DELETE"])
    return Starlette(routes=[*routes, rest])


def _route(method: str, path: str, answers: Mapping[str, Answer]) -> BaseRoute:
    async def canned(request: Request) -> Response:
        await request.body()
        answer = answers[request.headers.get(REQUEST_TYPE, "")]
        return Response(answer.body, answer.status, media_type=answer.media_type)

    return Route(path, canned, methods=[method])


async def _nothing(request: Request) -> Response:
    await request.body()
    return Response(b"{}", media_type="application/json")


def write(file: Path, answers: Mapping[Key, Answer]) -> None:
    """Write answers to a file."""
    rows = [
        [*key, answer.status, b64encode(answer.body).decode(), answer.media_type]
        for key, answer in answers.items()
    ]
    file.write_text(json.dumps(rows), "utf-8")


def read(file: Path) -> dict[Key, Answer]:
    """The answers of a file."""
    rows = json.loads(file.read_text("utf-8"))
    return {
        Key(method, path, request_type): Answer(status, b64decode(body), media_type)
        for method, path, request_type, status, body, media_type in rows
    }


@contextmanager
def serving_canned(answers: Mapping[Key, Answer]) -> Iterator[Served]:
    """A canned server in a process of its own."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "answers.json")
        write(file, answers)
        with serving([sys.executable, "-m", "benchmarks.canned", str(file)]) as served:
            yield served


def main() -> None:
    """Serve the file named on the command line."""
    sock = bound_socket()
    serve_forever(canned_app(read(Path(sys.argv[1]))), sock, lambda: print(url_of(sock), flush=True))


if __name__ == "__main__":
    main()
