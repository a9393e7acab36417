"""Processor time of the scripted backend, without any server."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from benchmarks.figure import Figure, Target, below
from contract import (
    AdamOptimizerConfig,
    AdamParams,
    BackendOptions,
    Datum,
    EncodedTextChunk,
    ForwardBackwardInput,
    LoraConfig,
    ModelInput,
    SampleRequest,
    SamplingParams,
    TensorData,
)
from fake_server.running import find_backend

__all__ = ["measure"]

TOKENS = 1000
BASE_MODEL = "Qwen/Qwen3-8B"
TRAINED_STEPS = 5


def measure(calls: int = 50) -> list[Figure]:
    """Milliseconds of one call, on a model that has been trained a little."""
    tokens = np.random.default_rng(0).integers(0, 100_000, TOKENS + 1)
    backend = find_backend("scripted")(BackendOptions())
    backend.create_model("model", BASE_MODEL, LoraConfig(rank=8), AdamOptimizerConfig())
    batch = _batch(tokens)
    adam = AdamParams(learning_rate=1e-3)

    def step() -> None:
        backend.optim_step("model", adam)

    def train() -> None:
        backend.forward_backward("model", batch)

    for _ in range(TRAINED_STEPS):
        train()
        step()
    weights = backend.save_weights("model", optimizer=False)
    prompt = tokens[:TOKENS].tolist()
    scoring, sampling = _request(prompt, 1, scored=True), _request(prompt[:10], TOKENS, scored=False)
    few = max(1, calls // 5)
    return [
        _figure(f"`forward_backward` of {TOKENS:,} tokens", train, step, calls, below(1)),
        _figure("`optim_step` after it", step, train, calls),
        _figure(
            f"scoring a prompt of {TOKENS:,} tokens",
            lambda: backend.sample(BASE_MODEL, weights, scoring),
            None,
            calls,
            below(1),
        ),
        _figure(
            f"sampling {TOKENS:,} tokens", lambda: backend.sample(BASE_MODEL, weights, sampling), None, few
        ),
    ]


def _figure(
    what: str, call: Callable[[], object], between: Callable[[], None] | None, calls: int, *targets: Target
) -> Figure:
    """The median processor time of `call`; `between` runs before each, and is not counted."""
    times = []
    for _ in range(calls):
        if between is not None:
            between()
        start = time.process_time()
        call()
        times.append(1e3 * (time.process_time() - start))
    return Figure(f"scripted backend, {what}", median(times), "ms", targets)


def _batch(tokens: np.ndarray[tuple[int], np.dtype[np.int64]]) -> ForwardBackwardInput:
    datum = Datum(
        model_input=_input(tokens[:-1].tolist()),
        loss_fn_inputs={
            "target_tokens": TensorData.from_numpy(tokens[1:]),
            "weights": TensorData.from_numpy(np.ones(TOKENS, dtype=np.float32)),
        },
    )
    return ForwardBackwardInput(data=[datum], loss_fn="cross_entropy")


def _input(tokens: list[int]) -> ModelInput:
    return ModelInput(chunks=[EncodedTextChunk(tokens=tokens)])


def _request(prompt: list[int], max_tokens: int, *, scored: bool) -> SampleRequest:
    return SampleRequest(
        prompt=_input(prompt),
        sampling_params=SamplingParams(max_tokens=max_tokens, stop=[], seed=1),
        prompt_logprobs=scored,
    )
