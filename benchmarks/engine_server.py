"""The torch engine behind the server, through the published SDK: start, memory, steps, samples."""

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.engine_models import MODELS, saved
from benchmarks.figure import Figure, at_least, below, faster
from benchmarks.process import SERVE, resident_mb, serving
from benchmarks.sdk import RANK, random_batch

if TYPE_CHECKING:
    import tinker

NAME, KEY = "Qwen/Qwen3-8B", "tml-benchmark"
MODEL = "128-wide Qwen3"
ROUNDS, STEPS, WARM_UP = 6, 10, 5
REQUESTS, WRITTEN, AT_ONCE_BOUND = 16, 64, 4.0


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
                _samples(client),
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

    batch = random_batch(MODELS[MODEL][1]["vocab_size"])
    began = time.perf_counter()
    for _ in range(steps):
        client.forward_backward(batch, "cross_entropy").result()
        client.optim_step(AdamParams(learning_rate=1e-3)).result()
    return time.perf_counter() - began


def _samples(client: "tinker.TrainingClient") -> Figure:
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
    measure = "SDK, 16 sample requests of 64 tokens at once"
    return faster(measure, together, "one after the other", apart, REQUESTS * WRITTEN, AT_ONCE_BOUND)
