"""Small batches for tests of losses, and the slopes' check against finite differences."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from contract import (
    Datum,
    ForwardBackwardInput,
    ModelInput,
    PromptProvenanceSpan,
    SampledProvenanceSpan,
    TensorData,
)
from reference_engine.losses import batch_loss

RATIO_LOSSES = ["importance_sampling", "ppo", "cispo", "dro", "gspo", "stable_reinforce"]


def floats(*values: float) -> TensorData:
    return TensorData.from_numpy(np.array(values, np.float32))


def row(*values: float, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(values, dtype=dtype)


def parts(given: ForwardBackwardInput, cells: Tensor) -> list[Tensor]:
    return list(cells.split([d.model_input.length for d in given.data]))


def datum(tokens: int = 4, sampled: int | None = None, name: str = "s", **inputs: TensorData) -> Datum:
    """A datum of `tokens` inputs, its last `sampled` targets sampled."""
    count = tokens if sampled is None else sampled
    prompt = tokens - count
    return Datum(
        model_input=ModelInput.from_ints(list(range(1, tokens + 1))),
        loss_fn_inputs={"target_tokens": np.arange(2, tokens + 2), **inputs},
        model_input_spans=[
            PromptProvenanceSpan(sequence_id=name, length=prompt + 1),
            SampledProvenanceSpan(sequence_id=name, length=count - 1),
        ],
        loss_fn_input_spans=[
            PromptProvenanceSpan(sequence_id=name, offset=1, length=prompt),
            SampledProvenanceSpan(sequence_id=name, length=count),
        ],
    )


def batch(*data: Datum, loss: str = "cross_entropy", **config: float) -> ForwardBackwardInput:
    return ForwardBackwardInput(data=list(data), loss_fn=loss, loss_fn_config=config or None)


def random_ratios(seed: int, loss: str, sizes: tuple[int, ...] = (4, 1, 7), **config: float):
    """A batch with every input of a ratio loss, and the learner's logprobs, float64 `[C]`."""
    random = np.random.default_rng(seed)

    def one(size: int) -> Datum:
        columns = {
            "logprobs": -random.exponential(1, size),
            "advantages": random.normal(0, 2, size),
            "weights": random.choice([0.0, 0.5, 1.0, -2.0], size),
        }
        if loss in ("gspo", "stable_reinforce"):
            columns["sequence_ratio_mask"] = random.choice([0.0, 1.0, 1.0], size)
        if loss in ("ppo", "cispo", "gspo", "stable_reinforce") and random.random() < 0.5:
            columns["clip_low_threshold"] = random.uniform(0, 0.9, size)
            columns["clip_high_threshold"] = random.uniform(1.1, 3, size)
        inputs = {key: TensorData.from_numpy(column) for key, column in columns.items()}
        return datum(size, sampled=(size + 1) // 2, name=f"s{size}", **inputs)

    given = batch(*map(one, sizes), loss=loss, **config)
    sampler = np.concatenate([d.loss_fn_inputs["logprobs"].values for d in given.data])
    return given, torch.from_numpy(sampler + random.normal(0, 0.4, len(sampler)))


class Analytic(torch.autograd.Function):
    """A loss as an operation whose backward pass is the slopes, for `gradcheck`."""

    @staticmethod
    def forward(ctx, logprobs: Tensor, given: ForwardBackwardInput) -> Tensor:
        found = batch_loss(given, logprobs)
        ctx.save_for_backward(found.slopes)
        return logprobs.new_tensor(found.value)

    @staticmethod
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None]:
        return upstream * ctx.saved_tensors[0], None


def surrogate_slopes(surrogate: Callable[[Tensor], Tensor], logprobs: Tensor) -> Tensor:
    """The slopes by autograd of a loss written out in torch, itself checked by finite differences."""
    leaf = logprobs.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(surrogate(leaf), leaf)
    return slopes
