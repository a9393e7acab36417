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
from fake_server.language import TOKEN_BITS, Table, find, run_starts
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
    columns = np.array([weights.pairs.deltas, moments.means, moments.squares])
    gradients = np.zeros(len(keys))
    with np.errstate(all="ignore"):
        if pending:
            targets, derivatives = _sorted(pending)
            of_targets = Sums.of(targets, derivatives)
            keys, columns, places = _widened(keys, columns, of_targets.labels)
            of_contexts = Sums.of(targets >> TOKEN_BITS, derivatives)
            probabilities = exp(table.logprobs_of_pairs(keys))
            expected = probabilities * of_contexts.under(keys >> TOKEN_BITS)
            gradients = np.zeros(len(keys))
            gradients[places] = of_targets.sums
            gradients = weights.gain * (gradients - expected)
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


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of numbers by label."""

    labels: Ints
    """Each label once, rising, `[L]`, at least one."""
    sums: Floats

    @classmethod
    def of(cls, labels: Ints, values: Floats) -> "Sums":
        """The sums of `values` under `labels`, which are sorted and not empty."""
        starts = run_starts(labels)
        return cls(labels[starts], np.add.reduceat(values, starts))

    def under(self, wanted: Ints) -> Floats:
        """The sum under each wanted label, 0 where there is none."""
        at, hit = find(self.labels, wanted)
        return np.where(hit, self.sums[at], 0.0)


def _widened(keys: Ints, columns: Floats, targets: Ints) -> tuple[Ints, Floats, Ints]:
    """Pairs and their numbers `[3, P]` with those of `targets` that are new, and where the targets are.

    The numbers of new pairs are 0. Pairs and targets are rising.
    """
    new = targets
    if len(keys):
        places, hit = find(keys, targets)
        if hit.all():
            return keys, columns, places
        new = targets[~hit]
    union = np.sort(np.append(keys, new))
    wide = np.zeros((3, len(union)))
    wide[:, union.searchsorted(keys)] = columns
    return union, wide, union.searchsorted(targets)


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
    return np.array([shrunk - params.learning_rate * moves, means, squares])
