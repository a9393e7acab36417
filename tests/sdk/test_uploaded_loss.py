"""A loss of the user's own, run by the torch backend or at the client: the same training to the bit."""

import numpy as np
import pytest
import torch
from tinker import types

from contract import ClientConfigResponse
from fake_server.app import create_app
from fake_server.fake import Fake
from fake_server.running import LiveServer
from fake_server.settings import Settings
from reference_engine.backend import open_torch
from tests.sdk.data import PICO

pytestmark = pytest.mark.sdk


def clipped(logprobs, old, advantages):
    ratio = torch.exp(logprobs - old)
    loss = -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).sum()
    return loss, {"custom/ratio:mean": ratio.mean()}


def row(old: list[float], advantages: list[float]) -> types.Datum:
    inputs = {"old": np.array(old, np.float32), "advantages": np.array(advantages, np.float32)}
    return types.Datum(
        types.ModelInput.from_ints([84, 104, 101]), {"target_tokens": np.array([104, 101, 32]), **inputs}
    )


def told(*, at_the_server: bool) -> list[dict[str, float]]:
    """Metrics of three steps."""
    settings = Settings(client_config=ClientConfigResponse(custom_loss_server_side=at_the_server))
    with LiveServer(create_app(open_torch, settings)) as server:
        fake = Fake(server, "uploads")
        service = fake.service_client()
        training = service.create_lora_training_client(PICO, rank=4, seed=1).result()
        loss = service.create_custom_loss(
            clipped, input_ranks={"logprobs": 1, "old": 1, "advantages": 1}
        ).result()
        assert (loss.loss_id is not None) == at_the_server
        data = [row([-3, -1, -2], [1, -1, 2]), row([-4, -1, -1], [1, 1, -0.5])]
        steps = []
        for _ in range(3):
            metrics = training.forward_backward_custom(data, loss).result().metrics
            step = training.optim_step(types.AdamParams(learning_rate=1e-2)).result().metrics or {}
            steps.append({**metrics, **step})
        fake.close()
    return steps


def test_an_uploaded_loss_trains_as_the_same_loss_at_the_client():
    here, there = told(at_the_server=False), told(at_the_server=True)
    assert [step["grad_norm"] for step in there] == [step["grad_norm"] for step in here]
    for name in ("loss:sum", "custom/ratio:mean"):
        assert [step[name] for step in there] == pytest.approx([step[name] for step in here], rel=1e-6)
    assert there[-1]["loss:sum"] < there[0]["loss:sum"]
