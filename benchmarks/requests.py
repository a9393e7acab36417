"""Requests per second over loopback, against a bare Starlette app that answers the same bytes."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, repeat
from statistics import median

import uvloop

from benchmarks.canned import Key, serving_canned
from benchmarks.client import Client, optim_step_fields, raw_request
from benchmarks.connection import requests_per_second
from benchmarks.figure import Figure, at_least
from benchmarks.process import SERVE, serving
from benchmarks.rounds import interleaved, median_ratio
from fake_server.wire import Answer

__all__ = ["measure"]

FLOOR = 0.5
"""Share of the bare app's requests per second."""
CAPABILITIES_FLOORS = {1: 2900.0, 16: 3700.0}
"""Requests per second of `get_server_capabilities`, by connections."""
SEQ_ID_WIDTH = 9
"""Numbers are padded with blanks, so that all requests have the same length."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests for one operation, and the answer of our server to the first."""

    name: str
    method: str
    requests: Iterator[bytes]
    answer: bytes

    @property
    def path(self) -> str:
        """Where the requests go."""
        return f"/api/v1/{self.name}"


def measure(rounds: int = 5, seconds: float = 0.4, connections: tuple[int, ...] = (1, 16)) -> list[Figure]:
    """Requests per second of each operation on few and on many connections."""
    figures = []
    with serving(SERVE) as ours:
        client = Client(ours.url)
        traffics = _traffics(client)
        client.close()
        answers = {Key(traffic.method, traffic.path): Answer(200, traffic.answer) for traffic in traffics}
        with serving_canned(answers) as bare:
            for traffic in traffics:
                for number in connections:
                    runs = [partial(_run, url, traffic, number, seconds) for url in (ours.url, bare.url)]
                    figures.append(_figure(traffic, number, *interleaved(rounds, *runs)))
    return figures


def _run(url: str, traffic: Traffic, connections: int, seconds: float) -> float:
    """One round, on the event loop that costs the client least: what it uses, the server lacks."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(
            requests_per_second(url, traffic.requests, connections=connections, seconds=seconds)
        )


def _figure(traffic: Traffic, connections: int, ours: list[float], bare: list[float]) -> Figure:
    targets = [at_least(FLOOR, of_ratio=True)]
    if traffic.name == "get_server_capabilities" and connections in CAPABILITIES_FLOORS:
        targets.append(at_least(CAPABILITIES_FLOORS[connections]))
    measure = f"`{traffic.name}` on {connections} connection{'s' if connections > 1 else ''}"
    compared = ("bare Starlette", median(bare))
    return Figure(measure, median(ours), "/s", tuple(targets), compared, median_ratio(ours, bare))


def _traffics(client: Client) -> list[Traffic]:
    """The three operations, on a new model whose first step is done."""
    model_id = client.create_model()
    promise = client.optim_step(model_id, 1)
    poll = json.dumps({"request_id": promise["request_id"], "allow_metadata_only": True}).encode()
    path = "/api/v1/retrieve_future"
    get = "/api/v1/get_server_capabilities"
    return [
        Traffic(
            "retrieve_future",
            "POST",
            repeat(raw_request(client.url, "POST", path, poll)),
            client.call("POST", path, poll),
        ),
        Traffic("optim_step", "POST", _steps(client.url, model_id), json.dumps(promise).encode()),
        Traffic(
            "get_server_capabilities",
            "GET",
            repeat(raw_request(client.url, "GET", get)),
            client.call("GET", get),
        ),
    ]


def _steps(url: str, model_id: str) -> Iterator[bytes]:
    """Optimizer steps with ever new numbers."""
    fields = optim_step_fields(model_id, 0)
    del fields["seq_id"]
    start = json.dumps(fields)[:-1].encode()
    blank = raw_request(url, "POST", "/api/v1/optim_step", start + b', "seq_id": %s}' % (b" " * SEQ_ID_WIDTH))
    before, after = blank[: -SEQ_ID_WIDTH - 1], blank[-1:]
    for number in count(2):
        yield before + b"%*d" % (SEQ_ID_WIDTH, number) + after
