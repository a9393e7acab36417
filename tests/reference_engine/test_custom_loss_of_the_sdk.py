"""Losses traced by the published SDK: here and at the client they are the same."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tinker import types
from tinker.lib.public_interfaces.custom_loss import LossHandle, encode_graph, run_loss_handle, trace_loss
from torch.fx.node import _get_qualified_name

from contract import CreateCustomLossRequest, Datum, ModelInput, TensorData
from reference_engine.custom_loss import CompiledLoss, compile_loss
from reference_engine.loss_operations import FUNCTIONS

pytestmark = pytest.mark.sdk

SIZES = (5, 1, 9)


def ppo(logprobs, old, advantages):
    ratio = torch.exp(logprobs - old)
    clipped = torch.clamp(ratio, 0.8, 1.2)
    loss = -torch.minimum(ratio * advantages, clipped * advantages).sum()
    share = ((ratio - clipped).abs() > 1e-6).float().mean()
    return loss, {"custom/clipped:mean": share, "custom/loss:sum": loss}


def kl_penalty(logprobs, old, advantages):
    gap = old - logprobs
    k3 = gap.exp() - 1 - gap
    return (0.1 * k3 - logprobs * advantages).sum(), {"custom/kl:mean": k3.mean()}


def sequence_mean(logprobs, old, advantages):
    s = ((logprobs - old).sum() / logprobs.shape[0]).exp()
    held = (s.detach() * (logprobs - logprobs.detach()).exp()).clamp(max=4.0)
    return -(held * advantages).mean() * math.sqrt(logprobs.shape[0]), {"custom/s:mean": s}


def masked(logprobs, old, advantages):
    keep = (advantages > 0) & ~(old < -3)
    zeros = torch.zeros_like(logprobs)
    loss = -torch.where(keep, logprobs, zeros).sum() + logprobs[old > -100].pow(2).sum()
    return loss, {"custom/kept:sum": keep.sum(), "custom/top:mean": logprobs.max(dim=0).values}


def discounted(logprobs, old, advantages):
    steps = torch.arange(logprobs.shape[0], dtype=torch.float32, device=logprobs.device)
    returns = torch.flip(torch.cumsum(torch.flip(advantages, [0]), 0), [0])
    return -(logprobs * returns * 0.99**steps).sum(), {"custom/first:mean": returns[0]}


def entropy(logprobs, old, advantages):
    p = logprobs.exp()
    loss = (p * logprobs).sum() - 0.01 * torch.special.entr(p).mean() + F.softplus(-logprobs).sum()
    return loss + F.logsigmoid(advantages * logprobs).sum(), {}


def normalised(logprobs, old, advantages):
    centred = (advantages - advantages.mean()) / (advantages.std(unbiased=False) + 1e-4)
    return -(logprobs * centred)[..., None].squeeze(-1).sum() + F.mse_loss(logprobs, old), {}


def pairwise(logprobs, old, advantages):
    gaps = advantages[:, None] - advantages[None, :]
    both = logprobs.unsqueeze(1) - logprobs.unsqueeze(0)
    loss = F.relu(1 - gaps.sign() * both).sum() + (torch.outer(logprobs, old) @ logprobs).sum() * 1e-3
    return loss, {"custom/pairs:sum": torch.count_nonzero(gaps)}


def sliced(logprobs, old, advantages):
    joined = torch.cat([logprobs[1:], logprobs[:1] * 2.0], dim=0)
    stacked = torch.stack((joined, logprobs)).view(2, -1).T
    left, right = stacked.unbind(-1)
    infinite = torch.full_like(logprobs, float("inf"))
    return (left * right).sum() + torch.minimum(infinite, logprobs.abs()).sum(), {}


FLAT = [ppo, kl_penalty, sequence_mean, masked, discounted, entropy, normalised, pairwise, sliced]


def distillation(logprobs, teacher, weights):
    p = torch.softmax(teacher, dim=-1)
    loss = -(p * logprobs).sum(dim=-1) * weights
    return loss.sum(), {"custom/agree:mean": (logprobs.argmax(-1) == teacher.argmax(-1)).float().mean()}


def contrast(logprobs, teacher, weights):
    scale = logprobs.logsumexp(1, keepdim=True) - teacher.log_softmax(-1)[:, :1]
    picked = logprobs.gather(1, teacher.topk(2, dim=1).indices)
    return (picked - scale).mean() + (logprobs.to(torch.float64).var() * weights.sum()).float(), {}


def scaled(logprobs, scale, target_tokens):
    return -(logprobs * scale).sum() + (logprobs[target_tokens % 2 == 0] ** 2).sum(), {"custom/s:mean": scale}


def float_columns(random: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    return {
        "old": -random.exponential(1, size),
        "advantages": random.normal(0, 2, size),
        "teacher": random.normal(0, 1, (size, 3)),
        "weights": random.normal(0, 1, size),
        "scale": random.normal(0, 1, ()),
    }


def uploaded(handle: LossHandle) -> CompiledLoss:
    """The loss as it arrives: what the SDK sends, as JSON and back."""
    request = types.CreateCustomLossRequest(
        session_id="s",
        custom_loss_seq_id=0,
        name=handle.name,
        inputs=list(handle.inputs),
        graph=encode_graph(handle),
    )
    return compile_loss(CreateCustomLossRequest.model_validate_json(request.model_dump_json()))


def compare(fn: Callable, ranks: dict[str, int], columns: int | None = None) -> None:
    handle = trace_loss(fn, ranks, "s")
    random = np.random.default_rng(3)
    mine, theirs, logprobs = [], [], []
    for size in SIZES:
        shape = (size,) if columns is None else (size, columns)
        inputs = {k: v.astype(np.float32) for k, v in float_columns(random, size).items() if k in ranks}
        inputs["target_tokens"] = random.integers(0, 9, shape)
        theirs.append(types.Datum(types.ModelInput.from_ints([1] * size), inputs))
        tensors = {k: TensorData.from_numpy(v) for k, v in inputs.items()}
        mine.append(Datum(model_input=ModelInput.from_ints([1] * size), loss_fn_inputs=tensors))
        logprobs.append(torch.from_numpy(-random.exponential(1, shape).astype(np.float32)))
    leaves = [row.clone().requires_grad_() for row in logprobs]
    total, metrics = run_loss_handle(handle, theirs, leaves)
    total.backward()
    value = float(total.detach())
    compiled = uploaded(handle)
    compiled.check(mine)
    found = compiled.run(mine, torch.cat([row.flatten() for row in logprobs]))
    assert found.value == pytest.approx(value, rel=1e-6)
    torch.testing.assert_close(
        found.slopes, torch.cat([leaf.grad.flatten() for leaf in leaves]), rtol=1e-6, atol=1e-7
    )
    assert found.metrics == pytest.approx(metrics, rel=1e-6)


@pytest.mark.parametrize("fn", FLAT, ids=lambda fn: fn.__name__)
def test_a_loss_on_one_target_a_position_is_the_clients(fn):
    compare(fn, {"logprobs": 1, "old": 1, "advantages": 1})


@pytest.mark.parametrize("fn", [distillation, contrast], ids=lambda fn: fn.__name__)
def test_a_loss_on_several_targets_a_position_is_the_clients(fn):
    compare(fn, {"logprobs": 2, "teacher": 2, "weights": 1}, columns=3)


def test_a_loss_may_read_a_scalar_and_the_targets():
    compare(scaled, {"logprobs": 1, "scale": 0, "target_tokens": 1})


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_an_operation_has_the_name_that_the_sdk_sends(name):
    sent = "getattr" if name == "getattr" else _get_qualified_name(FUNCTIONS[name].function)
    assert sent.replace("_operator.", "operator.") == name
