"""A whole life, in what all releases of the SDK have in common. Run by another interpreter; prints JSON."""

import json
import os
import sys
from typing import Any

import numpy as np
import tinker
from tinker import types


def client_of(made: Any) -> Any:
    """The client itself: releases differ in whether its creation is a future."""
    is_client = hasattr(made, "forward_backward") or hasattr(made, "sample")
    return made if is_client else made.result()


def datum() -> types.Datum:
    return types.Datum(
        model_input=types.ModelInput.from_ints([1, 2, 3, 4]),
        loss_fn_inputs={"target_tokens": np.array([2, 3, 4, 5]), "weights": np.ones(4, np.float32)},
    )


def loss_of(training: Any) -> float:
    output = training.forward_backward([datum()], "cross_entropy").result()
    return -float(output.loss_fn_outputs[0]["logprobs"].to_numpy().sum())


def life() -> dict[str, object]:
    service = tinker.ServiceClient()
    training = client_of(service.create_lora_training_client(base_model="tinkerproof/pico", rank=8))
    losses = []
    for _ in range(3):
        losses.append(loss_of(training))
        training.optim_step(types.AdamParams(learning_rate=1e-3)).result()
    forward = len(training.forward([datum()], "cross_entropy").result().loss_fn_outputs)
    state = training.save_state("state").result().path
    resumed = client_of(service.create_training_client_from_state(state))
    weights = training.save_weights_for_sampler("weights").result().path
    sampler = client_of(service.create_sampling_client(model_path=weights))
    prompt = types.ModelInput.from_ints([1, 2, 3])
    params = types.SamplingParams(max_tokens=5, temperature=0.7, stop=["\n"])
    response = sampler.sample(prompt=prompt, num_samples=2, sampling_params=params).result()
    logprobs = sampler.compute_logprobs(prompt).result()
    rest = service.create_rest_client()
    run = state.split("/")[2]
    kept = [c.checkpoint_id for c in rest.list_checkpoints(run).result().checkpoints]
    rest.delete_checkpoint(run, "weights/state").result()
    left = [c.checkpoint_id for c in rest.list_checkpoints(run).result().checkpoints]
    return {
        "version": tinker.__version__,
        "losses": losses,
        "forward": forward,
        "next": loss_of(training),
        "resumed": loss_of(resumed),
        "sampled": [len(sequence.tokens) for sequence in response.sequences],
        "logprobs": logprobs,
        "kept": kept,
        "left": left,
    }


if __name__ == "__main__":
    print(json.dumps(life()))
    sys.stdout.flush()
    os._exit(0)  # heartbeats of old releases would keep the process waiting
