"""`Recorder`: writes down what a client sends, step by step, and answers as the scene asks."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from contract import Endpoint
from contract.codec import JSON, PROTOBUF, decompress, encode, media_type_of
from contract.proto.tinker_public_pb2 import ForwardBackwardRequest as PassMessage
from fake_server.traffic import Exchange, Serve
from fake_server.wire import Answer, Incoming

__all__ = ["BACKGROUND", "BACKGROUND_STEP", "POLLS", "Recorder", "Scene", "Sent", "Strike"]

POLLS = frozenset({"retrieve_future", "retrieve_futures"})
BACKGROUND = frozenset({"session_heartbeat", "telemetry"})
"""Sent by timers: which step they fall into says nothing."""
BACKGROUND_STEP = "(background)"
UNTOLD = frozenset({"host", "content-length", "connection", "user-agent", "transfer-encoding"})
"""Headers of the connection. The user agent is that of the version, which is told by another."""
MOST_BYTES = 64 * 1024 * 1024
HEARTBEAT_SECONDS = 40.0
"""Ours: four times that between two heartbeats. Source: sdk 0.38.0 lib/internal_client_holder.py."""
NAMES = re.compile(r"(_id|_ids|path|uuid|cursor)\Z")
"""Fields whose texts are made by the server or rolled."""


@dataclass(frozen=True, slots=True)
class Strike:
    """What the first so many requests of an operation are answered with, in a step."""

    operation: str
    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """What is done, and on what kind of server."""

    name: str
    steps: tuple[str, ...]
    gone: frozenset[str] = frozenset()
    """Operations that the server does not have: 404."""
    without: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Fields that its answers do not have, by the answer's type."""
    json_results: bool = False
    """Whether results are JSON whatever the client accepts."""
    json_requests: bool = False
    """Whether bodies that are no JSON are refused."""
    strikes: Mapping[str, Strike] = field(default_factory=dict)
    """By step."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request, in what may be compared: ids, versions and times are replaced by words."""

    step: str
    operation: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    media_type: str
    body: Mapping[str, str]
    """Values as JSON, by their path: `sampling_params.seed`, `prompt.chunks[].tokens[]`."""


class Recorder:
    """An interceptor of one tenant."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.sent: list[Sent] = []
        self.tries: Counter[str] = Counter()
        """By step: how often the operation that is struck was asked for."""
        self._step = ""
        self._beat = asyncio.Event()

    async def stray(self, incoming: Incoming, serve: Serve) -> Answer:
        """A program that says what it does next, or waits for its own heartbeat."""
        path = unquote(incoming.raw_path.decode("latin-1"))
        if path.endswith("/heartbeat"):
            try:
                await asyncio.wait_for(self._beat.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                return Answer(204, b"")
            return Answer(200, b"{}")
        if "/step/" not in path:
            return await serve()
        self._step = path.rpartition("/step/")[2]
        return Answer(200, b"{}")

    async def intercept(self, exchange: Exchange, row: Endpoint, incoming: Incoming, serve: Serve) -> Answer:
        """Write a request down, and answer it."""
        version = incoming.headers.get("x-stainless-package-version")
        background = row.name in BACKGROUND
        step = BACKGROUND_STEP if background else self._step
        self.sent.append(sent_of(step, row.name, incoming, version))
        if row.name == "session_heartbeat":
            self._beat.set()
        scene, strike = self.scene, self.scene.strikes.get(self._step)
        if strike is not None and strike.operation == row.name:
            self.tries[self._step] += 1
            if self.tries[self._step] <= strike.times:
                return Answer(strike.status, json.dumps(dict(strike.body)).encode())
        if row.name in scene.gone:
            return Answer(404, b'{"detail": "no such path"}')
        media_type = media_type_of(incoming.headers.get("content-type"))
        if scene.json_requests and incoming.body and media_type != JSON:
            return Answer(415, b'{"detail": "expected JSON"}')
        return self._as_asked(exchange, await serve())

    def _as_asked(self, exchange: Exchange, answer: Answer) -> Answer:
        """An answer in the form that the scene's server has."""
        if answer.media_type == PROTOBUF and self.scene.json_results:
            answer = replace(answer, body=encode(exchange.answer, JSON), media_type=JSON)
        dropped = self.scene.without.get(type(exchange.answer).__name__)
        if dropped and answer.media_type == JSON and answer.status == 200:
            kept = {key: value for key, value in json.loads(answer.body).items() if key not in dropped}
            answer = replace(answer, body=json.dumps(kept).encode())
        return answer


def sent_of(step: str, operation: str, incoming: Incoming, version: str) -> Sent:
    """A request in what may be compared."""
    headers = {name: _worded(name, value, version) for name, value in incoming.headers if name not in UNTOLD}
    query = dict(parse_qsl(incoming.query.decode("latin-1"), keep_blank_values=True))
    media_type = media_type_of(incoming.headers.get("content-type")) if incoming.body else ""
    body = dict(_flat("", _decoded(incoming, media_type), version))
    return Sent(step, operation, headers, query, media_type, body)


def _worded(name: str, value: str, version: str) -> str:
    if name == "x-api-key":
        return "{key}"
    if name.startswith("x-tinker-create-promise") or name in ("x-stainless-retry-count", "traceparent"):
        return "{number}"
    if name == "x-tinker-request-iteration":
        return "{number}"
    value = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "{uuid}", value)
    return value.replace(version, "{version}") if version else value


def _decoded(incoming: Incoming, media_type: str) -> Any:
    """The body as plain values; what cannot be read is its size."""
    try:
        body = decompress(incoming.body, incoming.headers.get("content-encoding"), MOST_BYTES)
        if media_type == PROTOBUF:
            return MessageToDict(PassMessage.FromString(body), preserving_proto_field_name=True)
        return json.loads(body) if body else {}
    except (ValueError, DecodeError, LookupError):
        return {"(unreadable)": True}


def _flat(path: str, value: Any, version: str) -> Iterator[tuple[str, str]]:
    """Leaves by path; the items of a list share one path, and the values there are joined."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flat(f"{path}.{name}" if path else name, item, version)
    elif isinstance(value, list) and value:
        merged: dict[str, set[str]] = {}
        for item in value:
            for place, text in _flat(f"{path}[]", item, version):
                merged.setdefault(place, set()).add(text)
        yield from ((place, ", ".join(sorted(texts))) for place, texts in merged.items())
    elif path:
        yield path, _leaf(path, value, version)


def _leaf(path: str, value: Any, version: str) -> str:
    if isinstance(value, str):
        made = NAMES.search(path) is not None
        return '"…"' if made else json.dumps(value.replace(version, "{version}") if version else value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)
