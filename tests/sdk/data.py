"""Prompts, datums and a few steps of training."""

from typing import Any

import tinker
from tinker import types

PICO = "tinkerproof/pico"


def prompt(*tokens: int) -> types.ModelInput:
    return types.ModelInput.from_ints(list(tokens or (104, 101, 108, 108, 111)))


def datum(tokens: tuple[int, ...] = (1, 2, 3), **inputs: Any) -> types.Datum:
    """A datum whose targets are its tokens, moved on by one."""
    targets = [*tokens[1:], tokens[0]]
    return types.Datum(model_input=prompt(*tokens), loss_fn_inputs={"target_tokens": targets, **inputs})


def weighted(tokens: tuple[int, ...] = (1, 2, 3)) -> types.Datum:
    """A datum for cross_entropy."""
    return datum(tokens, weights=[1.0] * len(tokens))


def train(training: tinker.TrainingClient, steps: int = 3) -> list[float]:
    """The losses of a few steps on one datum."""
    losses = []
    for _ in range(steps):
        output = training.forward_backward([weighted()], "cross_entropy")
        training.optim_step(types.AdamParams(learning_rate=0.1)).result()
        losses.append(output.result().metrics["loss:sum"])
    return losses
