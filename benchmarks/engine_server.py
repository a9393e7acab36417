"""The torch engine behind the server, through the published SDK: start, memory, steps, samples."""

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.engine_models import MODELS, saved
from benchmarks.figure import Figure, at_least, at_most, below, faster
from benchmarks.process import SERVE, resident_mb, serving
from benchmarks.sdk import RANK, random_batch

if TYPE_CHECKING:
    import tinker

NAME, KEY = "Qwen/Qwen3-8B", "tml-benchmark"
MODEL = "128-wide Qwen3"
ROUNDS, STEPS, WARM_UP = 6, 10, 5
REQUESTS, READ, WRITTEN, AT_ONCE_BOUND = 16, 32, 64, 4.0
FAST_GAP = 1e-5
"""Nats that sampled and trained logprobs may differ by in fast mode; in exact mode none."""


def measure() -> list[Figure]:
    """A server's life, and then a short one in fast mode."""
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
                _gap(client, "exact", 0),
            ]
            service.close("success")
        with serving((*command, "--mode", "fast")) as server:
            service = tinker.ServiceClient(base_url=server.url, api_key=KEY)
            client = service.create_lora_training_client(NAME, rank=RANK).result()
            _train(client, WARM_UP)
            figures.append(_gap(client, "fast", FAST_GAP))
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
    """No two requests have the same prompt, so none is spared the reading of its own."""
    from tinker import SamplingParams

    sampler = client.save_weights_and_get_sampling_client().result()
    params = SamplingParams(max_tokens=WRITTEN, stop=[])
    prompts = iter(_prompts(2 * REQUESTS + 1))

    def ask() -> Any:
        return sampler.sample(next(prompts), 1, params)

    ask().result()
    began = time.perf_counter()
    for _ in range(REQUESTS):
        ask().result()
    middle = time.perf_counter()
    for future in [ask() for _ in range(REQUESTS)]:
        future.result()
    apart, together = middle - began, time.perf_counter() - middle
    measure = f"SDK, {REQUESTS} sample requests of {WRITTEN} tokens at once, each with its own prompt"
    return faster(measure, together, "one after the other", apart, REQUESTS * WRITTEN, AT_ONCE_BOUND)


def _prompts(count: int) -> "list[tinker.ModelInput]":
    """Random prompts."""
    from tinker import ModelInput

    rows = np.random.default_rng(0).integers(0, MODELS[MODEL][1]["vocab_size"], (count, READ))
    return [ModelInput.from_ints(row.tolist()) for row in rows]


def _gap(client: "tinker.TrainingClient", mode: str, bound: float) -> Figure:
    """The largest difference of a sampled token's logprob and that of a training forward pass."""
    from tinker import Datum, ModelInput, SamplingParams

    sampler = client.save_weights_and_get_sampling_client().result()
    params = SamplingParams(max_tokens=WRITTEN, stop=[])
    asked = [(prompt, sampler.sample(prompt, 4, params)) for prompt in _prompts(REQUESTS)]
    texts, sampled = [], []
    for prompt, future in asked:
        for sequence in future.result().sequences:
            texts.append([*prompt.to_ints(), *sequence.tokens])
            sampled.append(sequence.logprobs)
    data = [
        Datum(
            ModelInput.from_ints(text[:-1]), {"target_tokens": text[1:], "weights": [1.0] * (len(text) - 1)}
        )
        for text in texts
    ]
    trained = client.forward(data, "cross_entropy").result().loss_fn_outputs
    gap = max(
        float(np.abs(given["logprobs"].to_numpy()[READ - 1 :] - np.array(scores, np.float32)).max())
        for given, scores in zip(trained, sampled, strict=True)
    )
    tokens = sum(map(len, sampled))
    measure = f"SDK, largest difference of sampled and trained logprobs, {tokens:,} tokens, {mode} mode"
    return Figure(measure, gap, "nats", (at_most(bound),))
