"""Runs the demo: `python -m examples.demo [torch|scripted]`; status 1 where a stage did not hold."""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tinker

from examples.demo.exporting import NEEDED, downloaded, exported
from examples.demo.rewards import GROUP, PROMPTS, Learning, learn
from examples.demo.screen import Screen
from examples.demo.serving import prepare_environment, running_server
from examples.demo.tuning import TEXT, completed, examples_of, mean_logprob, tune

BASE_MODEL, RANK, SEED = "tinkerproof/pico", 8, 7
STEPS = {"torch": 20, "scripted": 30}
"""Half of them come before the state is saved. Source: ours: enough for a loss below half of the first."""
ROUNDS = 12
OPENINGS = ("The keeper ", "The sea ", "Some nights ")
FEW = 3
"""Rounds whose rewards are averaged, at the beginning and at the end."""


def live(url: str, backend: str, screen: Screen) -> None:
    """The whole life."""
    service = tinker.ServiceClient(base_url=url, user_metadata={"purpose": "demo"})
    rest = tinker.RestClient(base_url=url)
    models = rest.get_server_capabilities().result().supported_models
    screen.say("capabilities", f"base models: {len(models)}; the first is {models[0].model_name}")
    tuned = fine_tune(service, STEPS[backend], screen)
    if backend == "torch":
        reinforce(service, ROUNDS, screen)
        with tempfile.TemporaryDirectory() as folder:
            sizes = exported(downloaded(tuned, rest, Path(folder) / "service"), Path(folder) / "peft")
        for name, size in sizes.items():
            screen.say("exported", f"{name}, {size:,} bytes")
        screen.check(
            "PEFT export", f"{len(sizes)} files, downloaded and written for peft", sizes.keys() >= NEEDED
        )
    tidy(rest, screen)
    service.close("success", "the demo is over").result()


def fine_tune(service: tinker.ServiceClient, steps: int, screen: Screen) -> tinker.TrainingClient:
    """Train on the text; halfway the state is saved, and trained on from there once more."""
    client = service.create_lora_training_client(base_model=BASE_MODEL, rank=RANK, seed=SEED).result()
    tokenizer = client.get_tokenizer()
    text = TEXT.read_text(encoding="utf-8")
    data, half = examples_of(text, tokenizer), steps // 2
    screen.say("text", f"{TEXT.name}: {len(data)} lines, {sum(d.model_input.length for d in data)} tokens")
    base = service.create_sampling_client(base_model=BASE_MODEL).result()

    with screen.progress("loss") as bar:
        losses = tune(client, data, 0, half, bar, "training").losses
        saved = client.save_state("halfway").result().path
        through = tune(client, data, half, steps, bar, "going on")
        resumed = service.create_training_client_from_state_with_optimizer(saved).result()
        again = tune(resumed, data, half, steps, bar, "resumed")
    losses += through.losses
    screen.curve("loss per token, by step", losses)
    compare(base, client.save_weights_and_get_sampling_client().result(), tokenizer, text, screen)
    fell = f"{losses[0]:.3f} -> {losses[-1]:.3f} in {steps} steps"
    screen.check("loss per token", fell, losses[-1] < losses[0] / 2)
    numbers = sum(len(found) // np.dtype(np.float32).itemsize for found in again.logprobs)
    same = again == through
    told = f"{len(again.losses)} losses and {numbers:,} logprobs"
    screen.check("resumed", f"{told}: {'the same bits as' if same else 'not those of'} going on", same)
    return client


def compare(
    base: tinker.SamplingClient,
    tuned: tinker.SamplingClient,
    tokenizer: Any,
    text: str,
    screen: Screen,
) -> None:
    """What the model says, and how likely the text's first line is to it, before and after."""
    before, after = (completed(sampler, tokenizer, OPENINGS) for sampler in (base, tuned))
    screen.side_by_side(("before", "after fine-tuning"), list(zip(before, after, strict=True)))
    line = text.splitlines()[0]
    was, now = (mean_logprob(sampler, tokenizer, line) for sampler in (base, tuned))
    screen.check("logprob of a line", f"{was:.3f} -> {now:.3f} per token", now > was)


def reinforce(service: tinker.ServiceClient, rounds: int, screen: Screen) -> None:
    """Reward a pattern, on a model of its own."""
    client = service.create_lora_training_client(base_model=BASE_MODEL, rank=RANK, seed=SEED).result()
    with screen.progress("mean reward") as bar:
        learning = learn(client, client.get_tokenizer(), rounds, bar)
    screen.curve("mean reward, by round: words that begin with s", learning.rewards)
    screen.side_by_side(
        ("sampled in the first round", "in the last round"),
        list(zip(learning.first, learning.last, strict=True)),
    )
    judge(learning, screen)


def judge(learning: Learning, screen: Screen) -> None:
    """Whether the reward rose, and whether training saw the numbers that sampling told."""
    was, now = float(np.mean(learning.rewards[:FEW])), float(np.mean(learning.rewards[-FEW:]))
    rounds = f"{len(learning.rewards)} rounds of {len(PROMPTS)} groups of {GROUP} samples"
    screen.check("mean reward", f"{was:.3f} -> {now:.3f} in {rounds}", now > was + 0.1)
    difference = f"logprobs differ by at most {learning.furthest}"
    screen.check("sampled, trained", difference, learning.furthest == 0)


def tidy(rest: tinker.RestClient, screen: Screen) -> None:
    """List all checkpoints, and delete them."""
    paths = [checkpoint.tinker_path for checkpoint in rest.list_user_checkpoints().result().checkpoints]
    for path in paths:
        screen.say("checkpoint", path)
        rest.delete_checkpoint_from_tinker_path(path).result()
    left = len(rest.list_user_checkpoints().result().checkpoints)
    screen.check("checkpoints", f"{len(paths)} saved, {left} left after deletion", len(paths) > left == 0)


def main(backend: str = "torch") -> int:
    """Run the demo; 0 where everything held."""
    started = time.monotonic()
    prepare_environment()
    screen = Screen()
    with running_server(backend) as url:
        screen.say("server", f"{url}, backend {backend}, SDK {tinker.__version__}")
        live(url, backend, screen)
    return 0 if screen.summary(time.monotonic() - started) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
