"""`Ready`: a request as bytes, and as commands that people repeat it by."""

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import zstandard

from contract.codec import JSON, encode
from contract.errors import ApiError
from fake_server.fuzzing.request import Request

__all__ = ["Ready", "ready"]

KEY = "$TINKER_API_KEY"


@dataclass(frozen=True, slots=True)
class Ready:
    """What goes over the wire."""

    method: str
    target: str
    """Path and query."""
    body: bytes | None
    headers: dict[str, str]
    """Beside the driver's own."""

    def curl(self, url: str) -> str:
        """The shell's command."""
        parts = ["curl", "-X", self.method, url + self.target]
        for name, value in self._shown().items():
            parts += ["-H", f"{name}: {value}"]
        words = [f'"x-api-key: {KEY}"' if KEY in part else shlex.quote(part) for part in parts]
        body = self.body or b""
        if body and _is_text(body):
            words += ["--data-raw", shlex.quote(body.decode())]
        elif body:
            words = [f"echo {body.hex()} | xxd -r -p |", *words, "--data-binary", "@-"]
        return " ".join(words)

    def python(self, url: str) -> str:
        """A program of the same, with what comes with Python; its argument is the key."""
        told = [f"{name!r}: {value!r}" for name, value in self._shown().items()]
        headers = ", ".join(told).replace(repr(KEY), "sys.argv[1]")
        return (
            "import sys, urllib.request\n\n"
            f"request = urllib.request.Request(\n    {url + self.target!r},\n    method={self.method!r},\n"
            f"    data={self.body!r},\n    headers={{{headers}}},\n)\n"
            "print(urllib.request.urlopen(request).read())"
        )

    def _shown(self) -> dict[str, str]:
        usual = {"x-api-key": KEY, "content-type": JSON}
        told = {name: value for name, value in {**usual, **self.headers}.items() if value}
        if told.get("accept") == JSON:
            del told["accept"]
        if self.body is None:
            told.pop("content-type", None)
        return told


def ready(request: Request, fields: dict[str, Any]) -> Ready:
    """The bytes of a request, its fields resolved."""
    row, rest, path = request.row, dict(fields), request.row.route
    for name in fields:
        if f"{{{name}}}" in row.route:
            path = path.replace(f"{{{name}}}", quote(_text(rest.pop(name)), safe="", errors="surrogatepass"))
    headers = {"accept": request.accept, **request.headers}
    target, body = path + request.suffix, None
    if row.method == "GET" or (row.method == "DELETE" and not rest):
        pairs = [(name, _text(value)) for name, value in rest.items()]
        target += f"?{urlencode(pairs, errors='surrogatepass')}" if pairs else ""
    else:
        body = _body(request, rest)
        headers = {"content-type": request.media_type, **headers}
    if request.encoding and body is not None:
        body, headers["content-encoding"] = zstandard.compress(body), request.encoding
    return Ready(request.method or row.method, target, body, headers)


def _body(request: Request, fields: dict[str, Any]) -> bytes:
    if request.raw is not None:
        return request.raw
    value = fields if request.body is None else request.body
    whole = json.dumps(value).encode()
    if request.media_type != JSON and request.body is None:
        with suppress(ApiError, ValueError):  # what has no such form goes as JSON, under a wrong name
            whole = encode(request.row.request.model_validate(value), request.media_type)
    return whole[: len(whole) - request.cut]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_text(body: bytes) -> bool:
    try:
        return body.decode().isprintable()
    except UnicodeDecodeError:
        return False
