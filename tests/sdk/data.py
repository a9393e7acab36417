"""Prompts, datums, a few steps of training, and requests without the SDK."""

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import tinker
from tinker import types

from fake_server.fake import Fake

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


def post(fake: Fake, path: str, body: object) -> tuple[int, str]:
    """Status and body of a request that the SDK sends only after a while, or that it does not send."""
    headers = {"content-type": "application/json", "x-api-key": fake.api_key}
    try:
        with urlopen(Request(fake.url + path, json.dumps(body).encode(), headers)) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def without_torch(folder: Path) -> str:
    """The folder; on the path of a process it hides torch: the SDK does without, and starts in a third."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "torch.py").write_text('raise ImportError("hidden by a test")\n')
    return str(folder)
