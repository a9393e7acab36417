"""Fine-tuning on a text: one line is one example."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress
from tinker import AdamParams, Datum, ModelInput, SamplingClient, SamplingParams, TrainingClient

__all__ = ["TEXT", "Tuning", "completed", "examples_of", "mean_logprob", "tune"]

TEXT = Path(__file__).parent.parent / "lighthouse.txt"
BATCH, LEARNING_RATE = 8, 3e-3


@dataclass(frozen=True, slots=True)
class Tuning:
    """What some steps of training told."""

    losses: list[float]
    """Mean loss per token before each step."""
    logprobs: list[bytes]
    """Of all target tokens of each step, float32."""


def examples_of(text: str, tokenizer: Any) -> list[Datum]:
    """Each line as a training example, its targets shifted by one token."""
    lines = [tokenizer.encode(line + "\n") for line in text.splitlines()]
    return [
        Datum(
            model_input=ModelInput.from_ints(line[:-1]),
            loss_fn_inputs={
                "target_tokens": np.array(line[1:]),
                "weights": np.ones(len(line) - 1, dtype=np.float32),
            },
        )
        for line in lines
    ]


def tune(
    client: TrainingClient, data: list[Datum], first: int, last: int, bar: Progress, name: str
) -> Tuning:
    """Train from step `first` up to `last`."""
    tuning = Tuning([], [])
    task = bar.add_task(name, total=last - first, value=float("nan"))
    for step in range(first, last):
        batch = [data[(step * BATCH + offset) % len(data)] for offset in range(BATCH)]
        forward_backward = client.forward_backward(batch, "cross_entropy")
        optim_step = client.optim_step(AdamParams(learning_rate=LEARNING_RATE))
        output = forward_backward.result()
        optim_step.result()
        tokens = sum(datum.model_input.length for datum in batch)
        tuning.losses.append(output.metrics["loss:sum"] / tokens)
        tuning.logprobs.append(
            b"".join(found["logprobs"].to_numpy().tobytes() for found in output.loss_fn_outputs)
        )
        bar.update(task, advance=1, value=tuning.losses[-1])
    return tuning


def completed(sampler: SamplingClient, tokenizer: Any, prompts: tuple[str, ...]) -> list[str]:
    """The most likely line that goes on from each prompt."""
    params = SamplingParams(max_tokens=90, temperature=0, stop=["\n"])
    asked = [
        sampler.sample(ModelInput.from_ints(tokenizer.encode(prompt)), num_samples=1, sampling_params=params)
        for prompt in prompts
    ]
    texts = [
        tokenizer.decode(future.result().sequences[0].tokens, skip_special_tokens=True) for future in asked
    ]
    return [(prompt + text).strip() for prompt, text in zip(prompts, texts, strict=True)]


def mean_logprob(sampler: SamplingClient, tokenizer: Any, line: str) -> float:
    """Mean logprob of the tokens of a line, but the first."""
    logprobs = sampler.compute_logprobs(ModelInput.from_ints(tokenizer.encode(line))).result()
    return float(np.mean([logprob for logprob in logprobs if logprob is not None]))
