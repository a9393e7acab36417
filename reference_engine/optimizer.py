"""AdamW over an adapter's flat vector, as the contract states it.

For gradients `g`, step number `t` from 1 and the parameters of that step:

    g = g * min(1, grad_clip_norm / norm(g))                        where grad_clip_norm is above 0
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    w = w * (1 - learning_rate * weight_decay)
    w = w - learning_rate * (m / (1 - beta1 ** t)) / (sqrt(v / (1 - beta2 ** t)) + eps)

The norm is that of one adapter, never of several. Numbers that never had a gradient stay as they are, to the
bit, where there is no weight decay. The bits do not depend on the number of threads.

Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 2.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.optim.adamw import adamw

from contract import AdamParams, OptimParams, RequestFailure, adam_params
from reference_engine.finite import all_finite

__all__ = ["Moments", "adamw_step"]

ROW = 8192
"""Numbers whose squares are summed at once. Source: ours: a sum of fixed pieces does not depend on how many
threads there are, and a piece is short enough for float32 (relative error below 1e-6)."""


@dataclass(frozen=True, eq=False)
class Moments:
    """AdamW's state; its tensors are never changed."""

    means: torch.Tensor
    """Running means of the gradients, `[P]` float32."""
    squares: torch.Tensor
    """Running means of their squares, `[P]` float32."""
    steps: int = 0
    """How many steps were made."""

    @classmethod
    def fresh(cls, flat: torch.Tensor) -> "Moments":
        """The state of an adapter `[P]` that has made no step."""
        return cls(torch.zeros_like(flat), torch.zeros_like(flat))


def adamw_step(
    flat: torch.Tensor, gradients: torch.Tensor | None, moments: Moments, params: OptimParams
) -> tuple[torch.Tensor, Moments, dict[str, float]]:
    """One step; the arguments stay as they are.

    Args:
        flat: The adapter's numbers, `[P]` float32.
        gradients: Of the same shape and type; None counts as gradients of zero, so that the means decay and
            the weights coast on them.
        moments: Of the same shape.
        params: AdamW's. A learning rate of 0 leaves the weights as they are, to the bit, and the moments
            advance.

    Returns:
        The new numbers (the same tensor where the learning rate is 0), the new moments, and the metrics:
        `grad_norm`, the global norm before clipping.

    Raises:
        RequestFailure: for parameters out of range, gradients that are not finite or so large that their
            squares are not, or a step to weights that are not; nothing is changed.
    """
    adam = adam_params(params)
    if gradients is None:
        norm, gradients = 0.0, torch.zeros_like(flat)
    else:
        norm = _norm(gradients)
        if not np.isfinite(norm):
            raise _unusable(gradients)
    if 0 < adam.grad_clip_norm < norm:
        gradients = gradients * (adam.grad_clip_norm / norm)
    moved, after = _updated(flat, gradients, moments, adam)
    if not all_finite(moved):
        raise RequestFailure(
            f"optim_step: expected finite weights, got others with learning_rate {adam.learning_rate!r} "
            f"and gradient norm {norm:g}; nothing was changed"
        )
    return moved, after, {"grad_norm": norm}


def _updated(
    flat: torch.Tensor, gradients: torch.Tensor, moments: Moments, params: AdamParams
) -> tuple[torch.Tensor, Moments]:
    moved, means, squares = flat.clone(), moments.means.clone(), moments.squares.clone()
    adamw(
        [moved],
        [gradients],
        [means],
        [squares],
        max_exp_avg_sqs=[],
        state_steps=[torch.tensor(float(moments.steps), device=flat.device)],
        fused=True,
        amsgrad=False,
        beta1=params.beta1,
        beta2=params.beta2,
        lr=params.learning_rate,
        weight_decay=params.weight_decay,
        eps=params.eps,
        maximize=False,
    )
    return _settled(moved, flat, squares, params), Moments(means, squares, moments.steps + 1)


def _settled(
    moved: torch.Tensor, flat: torch.Tensor, squares: torch.Tensor, params: AdamParams
) -> torch.Tensor:
    """The new numbers, where the quotient of the step is of zeros or its factor is zero."""
    if params.learning_rate == 0:
        return flat
    if np.float32(params.eps) == 0:
        still = flat * (1 - params.learning_rate * params.weight_decay)
        return torch.where(squares == 0, still, moved)
    return moved


def _norm(gradients: torch.Tensor) -> float:
    """The Euclidean norm of `[P]`: float32 within pieces of fixed length, float64 over them."""
    whole = gradients.numel() // ROW * ROW
    pieces = torch.cat(
        [
            torch.linalg.vector_norm(gradients[:whole].view(-1, ROW), dim=1),
            torch.linalg.vector_norm(gradients[whole:].view(1, -1), dim=1),
        ]
    )
    return float(np.sqrt(np.square(pieces.cpu().numpy().astype(np.float64)).sum()))


def _unusable(gradients: torch.Tensor) -> RequestFailure:
    broken = int(gradients.numel() - gradients.isfinite().sum())
    got = (
        f"{broken} of {gradients.numel()} that are not"
        if broken
        else f"some as large as {float(gradients.abs().max()):g}, whose squares are not"
    )
    return RequestFailure(
        f"optim_step: expected finite gradients, got {got}; nothing was changed: they stay until weights are "
        "loaded; look at the losses and the inputs of the forward_backward calls since the last step"
    )
