"""AdamW on the sparse table: pairs that were never a target have gradient zero and are not there.

A pair that enters late has learned number, means and squares of zero, exactly as if it had been there with
zero gradients. Gradients are kept as (pair, derivative by the target's logprob) until the step, so the order
and the splitting of `forward_backward` calls changes nothing, not even the last bit:

    gradient(c, y) = gain (sum of derivatives at targets y in c - p(y | c) * sum of derivatives in c)
"""

from dataclasses import dataclass, replace
from math import isfinite, sqrt

import numpy as np

from contract import AdamParams, RequestFailure
from fake_server.elementary import Floats, Ints, exp, power
from fake_server.language import TOKEN_BITS, Table
from fake_server.scripted_weights import LARGEST_LOGIT, Moments, ScriptedWeights

__all__ = ["Gradients", "adamw_step"]


@dataclass(frozen=True, slots=True)
class Gradients:
    """What a forward_backward call leaves for the next step."""

    keys: Ints
    """The pair of each target whose derivative is not 0, `[M]`; pairs repeat."""
    slopes: Floats
    """The loss's derivative by the logprob of each, `[M]`."""


def adamw_step(
    weights: ScriptedWeights, table: Table, pending: list[Gradients], params: AdamParams
) -> tuple[ScriptedWeights, float]:
    """One step: new weights, and the global gradient norm before clipping.

    Args:
        weights: The model's, with moments.
        table: Its distribution at temperature 1.
        pending: What was accumulated; nothing counts as gradients of zero.
        params: Hyperparameters.

    Raises:
        RequestFailure: if the step leaves the range of numbers.
    """
    moments = weights.moments or Moments(*np.zeros((2, len(weights.pairs.keys))))
    keys = weights.pairs.keys
    if not pending and not len(keys):
        return replace(weights, moments=replace(moments, steps=moments.steps + 1)), 0.0
    columns = np.stack([weights.pairs.deltas, moments.means, moments.squares])
    gradients = np.zeros(len(keys))
    if pending:
        targets, derivatives = _sorted(pending)
        union = np.union1d(keys, targets)
        if len(union) > len(keys):
            wide = np.zeros((3, len(union)))
            wide[:, np.searchsorted(union, keys)] = columns
            gradients = np.zeros(len(union))
            keys, columns = union, wide
    with np.errstate(all="ignore"):
        if pending:
            gradients = weights.gain * _gradients(keys, targets, derivatives, table)
        norm = sqrt(float((gradients * gradients).sum()))
        if params.grad_clip_norm and norm > params.grad_clip_norm:
            gradients = gradients * (params.grad_clip_norm / norm)
        columns = _updated(columns, gradients, moments.steps + 1, params)
        fits = np.isfinite(columns).all() and (np.abs(columns[0] * weights.gain) <= LARGEST_LOGIT).all()
    if not fits or not isfinite(norm):
        raise RequestFailure(
            f"optim_step: expected finite weights, got others with learning_rate {params.learning_rate!r} "
            f"and gradient norm {norm:g}; nothing was changed"
        )
    deltas, means, squares = columns
    return (
        replace(
            weights,
            pairs=weights.pairs.with_deltas(keys, deltas),
            moments=Moments(means, squares, moments.steps + 1),
        ),
        norm,
    )


def _sorted(pending: list[Gradients]) -> tuple[Ints, Floats]:
    """All targets and derivatives in an order that does not depend on that of the calls."""
    keys = np.concatenate([part.keys for part in pending])
    slopes = np.concatenate([part.slopes for part in pending])
    order = np.lexsort((slopes, keys))
    return keys[order], slopes[order]


def _gradients(keys: Ints, targets: Ints, derivatives: Floats, table: Table) -> Floats:
    """The gradient of each pair in `keys`, without the gain."""
    contexts = keys >> TOKEN_BITS
    probabilities = exp(table.logprobs_of_pairs(keys))
    return _summed(keys, targets, derivatives) - probabilities * _summed(
        contexts, targets >> TOKEN_BITS, derivatives
    )


def _summed(wanted: Ints, labels: Ints, values: Floats) -> Floats:
    """For each wanted label, the sum of the values under it; `labels` are sorted and not empty."""
    starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
    present, sums = labels[starts], np.add.reduceat(values, starts)
    at = np.minimum(np.searchsorted(present, wanted), len(present) - 1)
    return np.where(present[at] == wanted, sums[at], 0.0)


def _updated(columns: Floats, gradients: Floats, step: int, params: AdamParams) -> Floats:
    """Learned numbers, means and squares `[3, P]` after AdamW's update number `step`."""
    deltas, means, squares = columns
    means = params.beta1 * means + (1 - params.beta1) * gradients
    squares = params.beta2 * squares + (1 - params.beta2) * gradients * gradients
    sizes = np.sqrt(squares / (1 - power(params.beta2, step))) + params.eps
    moves = np.divide(
        means / (1 - power(params.beta1, step)), sizes, out=np.zeros(len(sizes)), where=sizes > 0
    )
    shrunk = deltas * (1 - params.learning_rate * params.weight_decay)
    return np.stack([shrunk - params.learning_rate * moves, means, squares])
