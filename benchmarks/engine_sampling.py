"""Sampling on the torch engine with an adapter, against `generate` of transformers without one."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.engine_models import cpu_seconds, random_adapter, rival, runner, saved
from benchmarks.figure import Figure, faster
from benchmarks.rounds import interleaved
from contract import ModelInput, SampleRequest, SamplingParams
from reference_engine.generate import Generator
from reference_engine.lora import Adapter
from reference_engine.sequences import Ask
from reference_engine.stops import StopRule

ROUNDS = 9
PROMPT, WRITTEN = 64, 32
BATCHES = {1: 1.2, 8: 1.3, 32: 1.5}
EXACT_BOUND, MANY_BOUND, ADAPTERS = 0.7, 4.0, 8
Run = Callable[[], None]


def measure() -> list[Figure]:
    """Both models at three batch sizes, in both modes; eight adapters at once."""
    figures = []
    for name in ("64-wide Llama", "256-wide Qwen3"):
        with tempfile.TemporaryDirectory() as place:
            saved(name, Path(place))
            for count, bound in BATCHES.items():
                figures += _compared(name, Path(place), count, bound)
            figures += [_many(name, Path(place), exact=exact) for exact in (True, False)]
    return figures


def _compared(name: str, folder: Path, count: int, bound: float) -> list[Figure]:
    runs = [_theirs(name, count), *(_Sampler(folder, exact=exact).batch(count) for exact in (True, False))]
    theirs, *ours = _fastest(runs)
    measure, rival = f"sampling, {name}, batch of {count}", "transformers, no adapter"
    return [
        faster(f"{measure}, {mode} mode", mine, rival, theirs, count * WRITTEN, least)
        for mode, mine, least in zip(("exact", "fast"), ours, (EXACT_BOUND, bound), strict=True)
    ]


def _many(name: str, folder: Path, *, exact: bool) -> Figure:
    """Eight adapters in one batch, against one after the other."""
    sampler = _Sampler(folder, exact=exact)
    together, apart = _fastest([sampler.batch(ADAPTERS, ADAPTERS), sampler.apart(ADAPTERS)])
    measure = f"sampling, {name}, 8 adapters at once, {'exact' if exact else 'fast'} mode"
    return faster(measure, together, "one after the other", apart, ADAPTERS * WRITTEN, MANY_BOUND)


def _fastest(runs: Sequence[Run]) -> list[float]:
    for run in runs:
        run()
    return [min(column) for column in interleaved(ROUNDS, *map(cpu_seconds, runs))]


class _Sampler:
    """Our generator, and requests for it."""

    def __init__(self, folder: Path, *, exact: bool) -> None:
        self._model = runner(folder, exact=exact)
        self._generator = Generator(self._model)
        self._adapters = [random_adapter(self._model.config, seed) for seed in range(ADAPTERS)]
        self._numbers = np.random.default_rng(0)

    def batch(self, count: int, adapters: int = 1) -> Run:
        """Requests at the same time."""

        def run() -> None:
            for number in range(count):
                self._generator.submit(self._ask(number, self._adapters[number % adapters]))
            while self._generator.busy:
                self._generator.round()

        return run

    def apart(self, adapters: int) -> Run:
        """Requests one after the other, each with an adapter of its own."""

        def run() -> None:
            for number in range(adapters):
                self._generator.submit(self._ask(number, self._adapters[number]))
                while self._generator.busy:
                    self._generator.round()

        return run

    def _ask(self, number: int, adapter: Adapter) -> Ask:
        tokens = self._numbers.integers(0, self._model.config.vocab_size, PROMPT)
        params = SamplingParams(max_tokens=WRITTEN, stop=[])
        return Ask(
            request=SampleRequest(prompt=ModelInput.from_ints(tokens.tolist()), sampling_params=params),
            tokens=tokens,
            adapter=adapter,
            client=number,
            rule=StopRule(frozenset()),
            max_tokens=WRITTEN,
            seed=number,
            raw=False,
            scores=None,
        )


def _theirs(name: str, count: int) -> Run:
    from transformers import GenerationConfig

    model, numbers = rival(name), np.random.default_rng(0)
    settings = GenerationConfig(
        max_new_tokens=WRITTEN,
        min_new_tokens=WRITTEN,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        pad_token_id=0,
    )

    @torch.inference_mode()
    def run() -> None:
        prompts = torch.from_numpy(numbers.integers(1, model.config.vocab_size, (count, PROMPT)))
        model.generate(prompts, attention_mask=torch.ones_like(prompts), generation_config=settings)

    return run
