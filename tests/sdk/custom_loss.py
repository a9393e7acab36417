"""Losses of the user's own. Run in a process of its own, where torch is imported; prints JSON.

Argument: `client` computes them at the client, `server` uploads them.
"""

import asyncio
import json
import os
import sys
from typing import Any

import numpy as np
import tinker
from tinker import types

WEIGHTS = [0.5, 1.0, 2.0]


def datum() -> types.Datum:
    inputs = {"target_tokens": np.array([2, 3, 4]), "weights": np.array(WEIGHTS, np.float32)}
    return types.Datum(model_input=types.ModelInput.from_ints([1, 2, 3]), loss_fn_inputs=inputs)


def weighted(data: Any, logprobs: Any) -> tuple[Any, dict[str, float]]:
    """Cross entropy again, written by a user."""
    import torch

    loss = -(logprobs[0] * torch.tensor(WEIGHTS)).sum()
    return loss, {"mine": float(loss)}


def at_the_client(training: tinker.TrainingClient) -> dict[str, object]:
    """The user's loss, and the built-in one after the same step on another model."""
    custom = training.forward_backward_custom([datum()], weighted).result().metrics
    step = training.optim_step(types.AdamParams(learning_rate=1e-3)).result().metrics
    again = asyncio.run(later(training))
    return {"custom": custom, "step": step, "again": again}


async def later(training: tinker.TrainingClient) -> dict[str, float]:
    future = await training.forward_backward_custom_async([datum()], weighted)
    return dict((await future).metrics)


def at_the_server(service: tinker.ServiceClient, training: tinker.TrainingClient) -> dict[str, object]:
    """An upload, and what using it says."""

    def neg_ll(logprobs: Any, weights: Any) -> Any:
        loss = -(logprobs * weights).sum()
        return loss, {"custom/neg_ll:sum": loss}

    loss = service.create_custom_loss(neg_ll, input_ranks={"logprobs": 1, "weights": 1}).result()
    try:
        training.forward_backward_custom([datum()], loss).result()
    except tinker.RequestFailedError as error:
        return {"refused": str(error)}
    return {}


def main(where: str) -> dict[str, object]:
    service = tinker.ServiceClient()
    training = service.create_lora_training_client(base_model="tinkerproof/pico", rank=4).result()
    return at_the_client(training) if where == "client" else at_the_server(service, training)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
    sys.stdout.flush()
    os._exit(0)
