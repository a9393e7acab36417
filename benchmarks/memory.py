"""What the server weighs: idle, with thousands of polls held open, and per tenant."""

import asyncio
import json
import time
import tracemalloc
from itertools import count
from statistics import median

from benchmarks.client import Client, raw_request
from benchmarks.connection import OK, Connection, connect
from benchmarks.figure import Figure, at_least, below
from benchmarks.process import SERVE, Served, allow_open_files, resident_mb, serving
from fake_server.app import create_app
from fake_server.running import find_backend
from fake_server.tenants import Tenants

__all__ = ["measure"]

GAP = 5
"""A number that has to wait for those before it."""
SPARE_FILES = 200
SETTLE_SECONDS = 0.5
PATIENCE_SECONDS = 25.0
"""Less than a long poll: an answer within it is the result, not `try_again`."""


def measure(polls: int = 2000, tenants: int = 200) -> list[Figure]:
    """Resident memory in MB, answered polls, and the cost of a tenant."""
    allow_open_files(polls + SPARE_FILES)
    with serving(SERVE) as served:
        client = Client(served.url)
        client.call("GET", "/api/v1/healthz")
        idle = resident_mb(served.pid)
        model_id = client.create_model()
        held, answered, seconds = asyncio.run(_held(served, client, model_id, polls))
        client.close()
    milliseconds, kilobytes = _tenant_cost(tenants)
    return [
        Figure("idle server, resident", idle, "MB", (below(100),)),
        Figure(f"server holding {polls:,} long polls, resident", held, "MB", (below(200),)),
        Figure(f"of {polls:,} held polls, answered", answered, "", (at_least(polls),)),
        Figure("all of them answered after the gap is filled", seconds, "s"),
        Figure("new tenant, time", milliseconds, "ms", (below(1),)),
        Figure("new tenant, memory", kilobytes, "KB", (below(50),)),
    ]


async def _held(served: Served, client: Client, model_id: str, polls: int) -> tuple[float, int, float]:
    """Memory while all polls wait, how many were then answered with the result, and within what time."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    answers: list[bytes] = []

    def on_answer(_: Connection, answer: bytes) -> None:
        answers.append(answer)
        if len(answers) == polls and not over.done():
            over.set_result(None)

    def on_lost(error: Exception) -> None:
        if not over.done():
            over.set_exception(error)

    promise = client.optim_step(model_id, GAP)
    body = json.dumps({"request_id": promise["request_id"]}).encode()
    poll = raw_request(served.url, "POST", "/api/v1/retrieve_future", body)
    connections = await connect(served.url, polls, on_answer, on_lost)
    for connection in connections:
        connection.send(poll)
    await asyncio.sleep(SETTLE_SECONDS)
    client.call("GET", "/api/v1/healthz")
    held = resident_mb(served.pid)
    if answers:
        raise RuntimeError(f"expected no answer before the gap is filled, got {answers[0]!r}")
    start = time.perf_counter()
    for seq_id in range(1, GAP):
        client.optim_step(model_id, seq_id)
    await asyncio.wait([over], timeout=PATIENCE_SECONDS)
    seconds = time.perf_counter() - start
    for connection in connections:
        connection.close()
    return held, sum(answer.startswith(OK) for answer in answers), seconds


def _tenant_cost(tenants: int) -> tuple[float, float]:
    """Median milliseconds and mean kilobytes of a new tenant of a server that has some."""
    made: Tenants = create_app(find_backend("scripted")).state.tenants
    numbers = count()

    def make() -> float:
        start = time.perf_counter()
        made.get(f"tenant-{next(numbers)}")
        return 1e3 * (time.perf_counter() - start)

    make()
    times = [make() for _ in range(tenants)]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(tenants):
        make()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    made.close()
    return median(times), (after - before) / tenants / 1e3
