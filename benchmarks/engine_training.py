"""Training on the torch engine, against transformers, peft and torch.optim: tokens a processor second."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engine_models import LORA, cpu_seconds, random_adapter, rival, runner, saved
from benchmarks.figure import Figure, faster
from benchmarks.rounds import interleaved
from contract import AdamParams
from reference_engine.batching import Example, pack, parts_of
from reference_engine.deltas import OneDelta
from reference_engine.optimizer import Moments, adamw_step
from reference_engine.passes import backward, forward

ROUNDS, STEPS = 7, 3
EVEN = [128] * 4
RAGGED = [256, 200, 150, 96, 64, 48, 32, 24, 16, 16]
STEP = AdamParams(learning_rate=1e-4)
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def measure() -> list[Figure]:
    """Steps over even and ragged batches, in both modes."""
    rows = [("64-wide Llama", EVEN, 1.3), ("256-wide Qwen3", EVEN, 1.0), ("64-wide Llama", RAGGED, 1.5)]
    return [figure for row in rows for figure in _compared(*row)]


def _compared(name: str, lengths: list[int], bound: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as place:
        config = saved(name, Path(place))
        numbers = np.random.default_rng(0)
        texts = [[numbers.integers(0, config.vocab_size, n) for _ in range(2)] for n in lengths]
        examples = [Example(read, wanted) for read, wanted in texts]
        runs = [
            _theirs(name, examples),
            *(_ours(Path(place), examples, exact=exact) for exact in (True, False)),
        ]
        for run in runs:
            run()
        theirs, *ours = (min(column) for column in interleaved(ROUNDS, *map(cpu_seconds, runs)))
    count, kind = STEPS * sum(lengths), "ragged batch" if lengths is RAGGED else "4 x 128 tokens"
    return [
        faster(f"training, {name}, {kind}, {mode} mode", mine, "transformers + peft", theirs, count, bound)
        for mode, mine in zip(("exact", "fast"), ours, strict=True)
    ]


def _ours(folder: Path, examples: list[Example], *, exact: bool) -> Callable[[], None]:
    model = runner(folder, exact=exact)
    adapter = random_adapter(model.config, 0)
    state = [adapter.flat, Moments.fresh(adapter.flat)]

    @torch.inference_mode()
    def run() -> None:
        for _ in range(STEPS):
            gradients = torch.zeros_like(state[0])
            views = [adapter.layout.views(flat.unsqueeze(0)) for flat in (state[0], gradients)]
            delta = OneDelta(views[0], adapter.layout.scale, model.rows, views[1])
            for members in parts_of(examples, model.config):
                packed = pack(examples, members, model.device)
                found = forward(model, packed, delta, tape=True)
                backward(model, packed, found, -torch.ones(len(packed.cells.tokens)), delta)
            state[:] = adamw_step(state[0], gradients, state[1], STEP)[:2]

    return run


def _theirs(name: str, examples: list[Example]) -> Callable[[], None]:
    import peft

    config: Any = peft.LoraConfig(r=LORA.rank, lora_alpha=32, target_modules=TARGETS)
    model = peft.get_peft_model(rival(name), config)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    longest = max(len(example.tokens) for example in examples)
    read, wanted = (torch.zeros(len(examples), longest, dtype=torch.long) for _ in range(2))
    weights = torch.zeros(len(examples), longest)
    for row, example in enumerate(examples):
        length = len(example.tokens)
        read[row, :length], wanted[row, :length] = map(torch.from_numpy, (example.tokens, example.targets))
        weights[row, :length] = 1

    def run() -> None:
        for _ in range(STEPS):
            scores = model(read, attention_mask=weights.long()).logits
            logprobs = scores.log_softmax(-1).gather(2, wanted.unsqueeze(2)).squeeze(2)
            (-(logprobs * weights).sum()).backward()
            optimizer.step()
            optimizer.zero_grad()

    return run
