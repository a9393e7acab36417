"""A training loop on the published SDK, for `tinkerproof conform client -- python examples/conform_sdk.py`.

It trains, saves, goes on from what it has saved, samples and scores, and prints nothing. Where anything
fails, the SDK's own exception ends it with status 1.
"""

import os
import sys
import traceback

sys.modules.setdefault("torch", None)  # type: ignore[arg-type] # the SDK does without, and starts in a third

import tinker  # noqa: E402 # torch has to be hidden before
from tinker import types  # noqa: E402

BASE_MODEL = "tinkerproof/pico"
STEPS = 3
ADAM = types.AdamParams(learning_rate=1e-3)


def batch(number: int) -> list[types.Datum]:
    """Two texts of a few tokens, others for each step."""
    return [
        types.Datum(
            model_input=types.ModelInput.from_ints([first, first + 1, first + 2]),
            loss_fn_inputs={
                "target_tokens": [first + 1, first + 2, first + 3],
                "weights": [1.0, 1.0, 1.0],
            },
        )
        for first in (10 * number, 10 * number + 5)
    ]


def train(model: tinker.TrainingClient, number: int) -> None:
    """One pass and one step."""
    model.forward_backward(batch(number), "cross_entropy").result()
    model.optim_step(ADAM).result()


def run() -> None:
    """The whole life."""
    service = tinker.ServiceClient()
    model = service.create_lora_training_client(base_model=BASE_MODEL, rank=8, seed=1).result()
    for number in range(1, STEPS + 1):
        train(model, number)
    saved = model.save_state("conform").result().path
    resumed = service.create_training_client_from_state_with_optimizer(saved).result()
    train(resumed, STEPS + 1)
    sampler = resumed.save_weights_and_get_sampling_client().result()
    prompt = types.ModelInput.from_ints([1, 2, 3])
    params = types.SamplingParams(max_tokens=4, seed=1)
    rollouts = [sampler.sample(prompt=prompt, num_samples=2, sampling_params=params) for _ in range(2)]
    for rollout in rollouts:
        rollout.result()
    named = resumed.save_weights_for_sampler("conform").result().path
    service.create_sampling_client(model_path=named).result().compute_logprobs(prompt).result()
    service.close("success").result()


if __name__ == "__main__":
    status = 0
    try:
        run()
    except Exception:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the SDK's transport may abort where the interpreter ends while its threads run
