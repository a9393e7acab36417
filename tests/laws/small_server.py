"""`SmallServer`: a server that gives the answers it was told, whatever it is asked."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from contract.codec import JSON
from contract.laws.driver import Driver
from contract.laws.subject import Subject

Answer = tuple[int, Any] | tuple[int, bytes, str]
"""Status and JSON, or status, bytes and their media type."""


@contextmanager
def small_server(answers: Mapping[str, Answer | list[Answer]], **fields: Any) -> Iterator[Subject]:
    """A subject of a server with these answers by operation; of a list the last one stays. 404 for others."""
    left = {name: list(given) if isinstance(given, list) else [given] for name, given in answers.items()}

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            name = self.path.partition("?")[0].removeprefix("/api/v1/")
            given = left.get(name, [(404, {"detail": f"no {name}"})])
            status, body, *media_type = given.pop(0) if len(given) > 1 else given[0]
            sent = body if media_type else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", media_type[0] if media_type else JSON)
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = answer  # noqa: N815 - names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Subject(Driver(f"http://127.0.0.1:{server.server_port}", "tml-x", "0.38.0"), "base", **fields)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
