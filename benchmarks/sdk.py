"""Training steps of the published SDK, against a server that answers recorded bytes to every path."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks.canned import Key, Recorder, serving_canned
from benchmarks.figure import Figure, at_least
from benchmarks.process import SERVE, serving
from benchmarks.rounds import interleaved, median_ratio
from fake_server.app import create_app
from fake_server.fake import API_KEY
from fake_server.running import LiveServer, find_backend
from fake_server.wire import Answer

if TYPE_CHECKING:
    import tinker

__all__ = ["measure", "random_batch"]

BASE_MODEL = "tinkerproof/pico"
RANK = 8
BATCH, LENGTH, VOCABULARY = 8, 64, 256
"""Datums of a step, tokens of a datum, tokens that occur."""
WARM_UP_STEPS = 3
FLOOR = 0.8
"""Share of the steps per second that the SDK itself can do."""


def measure(rounds: int = 5, steps: int = 30) -> list[Figure]:
    """Steps per second, one after the other, and the round trip of an optimizer step."""
    answers = _recorded()
    trips: dict[str, list[float]] = {"ours": [], "canned": []}
    with (
        serving(SERVE) as ours,
        serving_canned(answers) as canned,
        _training(ours.url) as here,
        _training(canned.url) as there,
    ):
        for client in (here, there):
            _train(client, WARM_UP_STEPS, [])
        runs = (
            partial(_train, here, steps, trips["ours"]),
            partial(_train, there, steps, trips["canned"]),
        )
        mine, bare = interleaved(rounds, *runs)
    compared = ("canned bytes", median(bare))
    return [
        Figure(
            "SDK, `forward_backward` + `optim_step` of 8 x 64 tokens",
            median(mine),
            "steps/s",
            (at_least(FLOOR, of_ratio=True),),
            compared,
            median_ratio(mine, bare),
        ),
        *(_trip(trips, percentile) for percentile in (50, 99)),
    ]


def _trip(trips: dict[str, list[float]], percentile: int) -> Figure:
    mine, bare = (quantiles(trips[name], n=100)[percentile - 1] for name in ("ours", "canned"))
    measure = f"SDK, round trip of `optim_step`, p{percentile}"
    return Figure(measure, mine, "ms", compared=("canned bytes", bare), ratio=mine / bare)


def _recorded() -> dict[Key, Answer]:
    """Our server's answers to all that the SDK asks in a step."""
    answers: dict[Key, Answer] = {}
    app = create_app(find_backend("scripted"))
    app.add_middleware(Recorder, answers=answers)
    with LiveServer(app) as server, _training(server.url) as client:
        _train(client, 1, [])
    return answers


@contextmanager
def _training(url: str) -> "Iterator[tinker.TrainingClient]":
    import tinker

    service = tinker.ServiceClient(base_url=url, api_key=API_KEY)
    try:
        yield service.create_lora_training_client(BASE_MODEL, rank=RANK).result()
    finally:
        service.close("success")


def _train(client: "tinker.TrainingClient", steps: int, trips_ms: list[float]) -> float:
    """Steps per second; adds the milliseconds of each optimizer step to `trips_ms`."""
    from tinker import AdamParams

    batch, adam = random_batch(VOCABULARY), AdamParams(learning_rate=1e-4)
    start = time.perf_counter()
    for _ in range(steps):
        client.forward_backward(batch, "cross_entropy").result()
        submitted = time.perf_counter()
        client.optim_step(adam).result()
        trips_ms.append(1e3 * (time.perf_counter() - submitted))
    return steps / (time.perf_counter() - start)


def random_batch(vocabulary: int) -> "list[tinker.Datum]":
    """8 datums of 64 tokens, the same each time."""
    import numpy as np
    from tinker import Datum, ModelInput, TensorData

    tokens = np.random.default_rng(0).integers(0, vocabulary, (BATCH, LENGTH + 1))
    return [
        Datum(
            model_input=ModelInput.from_ints(row[:-1].tolist()),
            loss_fn_inputs={
                "target_tokens": TensorData.from_numpy(row[1:]),
                "weights": TensorData.from_numpy(np.ones(LENGTH, dtype=np.float32)),
            },
        )
        for row in tokens
    ]
