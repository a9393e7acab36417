"""The torch engine behind the server, through the published SDK: start, memory, steps, samples."""

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.engine_models import MODELS, saved
from benchmarks.figure import Figure, at_least, below
from benchmarks.process import SERVE, resident_mb, serving

if TYPE_CHECKING:
    import tinker

NAME, KEY = "Qwen/Qwen3-8B", "tml-benchmark"
MODEL = "128-wide Qwen3"
BATCH, LENGTH, RANK = 8, 64, 8
ROUNDS, STEPS, WARM_UP = 6, 10, 5
REQUESTS, WRITTEN = 16, 64


def measure() -> list[Figure]:
    """One server's life."""
    import tinker

    os.environ.update(TINKER_TELEMETRY="0", NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    with tempfile.TemporaryDirectory() as place:
        saved(MODEL, Path(place))
        command = (*SERVE, "--backend", "torch", "--model", f"{NAME}={place}", "--base-model", NAME)
        began = time.perf_counter()
        with serving(command) as server:
            ready = time.perf_counter()
            idle = resident_mb(server.pid)
            service = tinker.ServiceClient(base_url=server.url, api_key=KEY)
            client = service.create_lora_training_client(NAME, rank=RANK).result()
            _train(client, 1)
            first = time.perf_counter() - ready
            figures = [
                Figure("`serve --backend torch`, process start to ready", ready - began, "s"),
                Figure(
                    "first training step, session and model included, after ready", first, "s", (below(1),)
                ),
                Figure("idle server with the torch engine, resident", idle, "MB", (below(350),)),
                _steps(client),
                *_samples(client),
            ]
            service.close("success")
    return figures


def _steps(client: "tinker.TrainingClient") -> Figure:
    _train(client, WARM_UP)
    fastest = max(STEPS / _train(client, STEPS) for _ in range(ROUNDS))
    measure = "SDK, `forward_backward` + `optim_step` of 8 x 64 tokens on half a million numbers"
    return Figure(measure, fastest, "steps/s", (at_least(20),))


def _train(client: "tinker.TrainingClient", steps: int) -> float:
    """Seconds of some steps, one after the other."""
    from tinker import AdamParams

    batch = _batch()
    began = time.perf_counter()
    for _ in range(steps):
        client.forward_backward(batch, "cross_entropy").result()
        client.optim_step(AdamParams(learning_rate=1e-3)).result()
    return time.perf_counter() - began


def _batch() -> "list[tinker.Datum]":
    from tinker import Datum, ModelInput

    texts = np.random.default_rng(0).integers(0, MODELS[MODEL][1]["vocab_size"], (BATCH, LENGTH + 1))
    weights = np.ones(LENGTH, dtype=np.float32)
    return [
        Datum(
            model_input=ModelInput.from_ints(text[:-1].tolist()),
            loss_fn_inputs={"target_tokens": text[1:], "weights": weights},
        )
        for text in texts
    ]


def _samples(client: "tinker.TrainingClient") -> list[Figure]:
    from tinker import ModelInput, SamplingParams

    sampler = client.save_weights_and_get_sampling_client()
    prompt = ModelInput.from_ints(list(range(32)))
    params = SamplingParams(max_tokens=WRITTEN, stop=[])

    def ask() -> Any:
        return sampler.sample(prompt, 1, params)

    ask().result()
    began = time.perf_counter()
    for _ in range(REQUESTS):
        ask().result()
    middle = time.perf_counter()
    for future in [ask() for _ in range(REQUESTS)]:
        future.result()
    apart, together = middle - began, time.perf_counter() - middle
    written = REQUESTS * WRITTEN
    figure = Figure(
        "SDK, 16 sample requests of 64 tokens at once",
        written / together,
        "tokens/s",
        (at_least(4, of_ratio=True),),
        ("one after the other", written / apart),
        apart / together,
    )
    return [figure]
