"""The losses in closed form: each target cell's term, and its derivative by the cell's logprob.

The formulas are those of `contract.losses`, summed over the target cells. `lp` is the learner's logprob, `q`
the sampler's, `A` the advantage, `r = exp(lp - q)`; a `weights` tensor, w, multiplies the terms of every loss
and is 1 where a datum has none. Thresholds per token override those of the loss's settings. The derivatives:

    cross_entropy        -w
    importance_sampling  -w r A
    ppo                  -w r A, or 0 where the clamp decides
    cispo                -w clamp(r) A
    dro                  -w (A - beta (lp - q))
    gspo                 -w s A, or 0 where the clamp decides; s = exp(mean of lp - q over the datum's tokens
                         whose `sequence_ratio_mask` is not 0; absent: over all), 1 where it marks none

The formula of `stable_reinforce` is not published. OURS, the one that the scripted backend also has: where
the target was sampled (its provenance span says so) and its `sequence_ratio_mask` is not 0, the term
`-w (clamp(r, low, high) held constant * lp * A - kl_coeff / 2 (lp - q)^2)`, a policy gradient under a
truncated importance weight, with thresholds 0 and 4 unless the datum has its own. Because it needs nothing
of other datums, it does not depend on how a client splits a batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from contract import Datum
from reference_engine.provenance import sampled_targets

__all__ = ["Cells", "Floats", "Ratios", "Terms", "cross_entropy", "ratio_terms", "thresholds"]

CLIPS, MARKS = ("clip_low_threshold", "clip_high_threshold"), "sequence_ratio_mask"
STABLE_CLIPS: Mapping[str, float] = {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0}
"""Thresholds of stable_reinforce. Source: ours: as cispo, which truncates the same ratio."""

Settings = Mapping[str, float | str]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """The target cells of a batch in one row."""

    data: list[Datum]
    sizes: list[int]
    """Cells of each datum, `[D]`."""
    owners: Indices
    """The datum that each cell belongs to, from 0, `[C]`."""
    logprobs: Floats
    """`[C]`."""

    @classmethod
    def of(cls, data: list[Datum], logprobs: Floats) -> "Cells":
        """The cells of `data`, scored by `logprobs`."""
        sizes = [prod(datum.target_shape or ()) for datum in data]
        return cls(data, sizes, np.repeat(np.arange(len(sizes)), sizes), logprobs)

    def column(self, key: str, default: float) -> Floats:
        """The loss inputs under `key`, `[C]`; the default where a datum has none."""
        parts = [datum.loss_fn_inputs.get(key) for datum in self.data]
        if all(part is None for part in parts):
            return np.full(len(self.logprobs), default)
        arrays = [
            np.full(size, default) if part is None else part.values
            for part, size in zip(parts, self.sizes, strict=True)
        ]
        return np.concatenate(arrays).astype(np.float64)

    def totals(self, values: Floats | Flags) -> Floats:
        """Sums of `values`, `[C]`, over the cells of each datum, `[D]`."""
        return np.bincount(self.owners, values, len(self.sizes)).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """A loss cell by cell, each `[C]`."""

    values: Floats
    slopes: Floats
    ratio: Floats
    """What the metrics call r; 1 where it does not count."""


def cross_entropy(cells: Cells) -> Terms:
    """The terms of a cross entropy over any number of targets a position."""
    weights = np.concatenate([_target_weights(datum) for datum in cells.data]).astype(np.float64)
    return Terms(-(weights * cells.logprobs), -weights, np.ones_like(weights))


def _target_weights(datum: Datum) -> npt.NDArray[np.float32]:
    """The weights of a datum, flat: absent ones are 1, and 0 where sparse targets list nothing."""
    weights, targets = datum.loss_fn_inputs.get("weights"), datum.loss_fn_inputs["target_tokens"]
    if weights is not None:
        return weights.to_numpy().ravel() if weights.is_sparse else weights.values
    if targets.is_sparse:
        return (targets.to_numpy(pad_value=-1) >= 0).astype(np.float32).ravel()
    return np.ones(len(targets.values), np.float32)


def thresholds(loss: str, settings: Settings) -> dict[str, float]:
    """The ratio thresholds of a loss where a datum has none, lower first; empty for a loss without."""
    given = STABLE_CLIPS if loss == "stable_reinforce" else settings
    return {key: float(given[key]) for key in CLIPS if key in given}


@dataclass(frozen=True, slots=True)
class Ratios:
    """The inputs of a loss that compares the learner with the sampler, each `[C]`."""

    cells: Cells
    gap: Floats
    """lp - q."""
    advantages: Floats
    weights: Floats
    """The datum's, and 0 where the loss leaves a cell out."""
    low: Floats
    high: Floats
    """Thresholds of the ratio."""
    coefficient: float
    """`beta` of dro, `kl_coeff` of stable_reinforce."""
    counts: Flags
    """Where weight and advantage are not 0, so that the ratio matters."""

    @classmethod
    def of(cls, loss: str, cells: Cells, settings: Settings) -> "Ratios":
        """What `loss` reads of a batch, with its settings where a datum has nothing of its own."""
        defaults = thresholds(loss, settings)
        low, high = (cells.column(key, defaults.get(key, 1.0)) for key in CLIPS)
        weights, advantages = cells.column("weights", 1.0), cells.column("advantages", 0.0)
        if loss == "stable_reinforce":
            weights *= sampled_targets(cells.data) & (cells.column(MARKS, 1.0) != 0)
        return cls(
            cells=cells,
            gap=cells.logprobs - cells.column("logprobs", 0.0),
            advantages=advantages,
            weights=weights,
            low=low,
            high=high,
            coefficient=float(settings.get("beta", settings.get("kl_coeff", 0.0))),
            counts=(weights != 0) & (advantages != 0),
        )

    def ratio(self, log_ratio: Floats) -> Floats:
        """Its exponential where it counts, else 1, so that no placeholder of the sampler's overflows."""
        return np.exp(np.where(self.counts, log_ratio, 0.0))

    def clamped(self, ratio: Floats) -> Floats:
        """The ratio within its thresholds."""
        return np.minimum(np.maximum(ratio, self.low), self.high)


def ratio_terms(loss: str, given: Ratios) -> Terms:
    """The terms of `loss`, a key of `RATIO_TERMS`."""
    return RATIO_TERMS[loss](given)


def _importance_sampling(given: Ratios) -> Terms:
    ratio = given.ratio(given.gap)
    values = -(given.weights * given.advantages * ratio)
    return Terms(values, values, ratio)


def _ppo(given: Ratios) -> Terms:
    return _clipped(given, given.ratio(given.gap))


def _clipped(given: Ratios, ratio: Floats) -> Terms:
    """Terms of -w min(r A, clamp(r) A); the derivative by log r is that of the smaller side."""
    free, held = ratio * given.advantages, given.clamped(ratio) * given.advantages
    values = -(given.weights * np.minimum(free, held))
    return Terms(values, np.where(free <= held, values, 0.0), ratio)


def _cispo(given: Ratios) -> Terms:
    ratio = given.ratio(given.gap)
    slopes = -(given.weights * given.advantages * given.clamped(ratio))
    return Terms(slopes * given.cells.logprobs, slopes, ratio)


def _dro(given: Ratios) -> Terms:
    return _pulled_back(given, given.advantages, given.ratio(given.gap))


def _pulled_back(given: Ratios, factor: Floats, ratio: Floats) -> Terms:
    """Terms of -w (factor lp - coefficient / 2 (lp - q)^2), the factor held constant."""
    objective = factor * given.cells.logprobs - given.coefficient / 2 * given.gap * given.gap
    slopes = factor - given.coefficient * given.gap
    return Terms(-(given.weights * objective), -(given.weights * slopes), ratio)


def _gspo(given: Ratios) -> Terms:
    cells = given.cells
    marked = cells.column(MARKS, 1.0) != 0
    means = cells.totals(np.where(marked, given.gap, 0.0)) / np.maximum(cells.totals(marked), 1.0)
    return _clipped(given, given.ratio(means[cells.owners]))


def _stable_reinforce(given: Ratios) -> Terms:
    ratio = given.ratio(given.gap)
    return _pulled_back(given, given.advantages * given.clamped(ratio), ratio)


RATIO_TERMS: Mapping[str, Callable[[Ratios], Terms]] = {
    "importance_sampling": _importance_sampling,
    "ppo": _ppo,
    "cispo": _cispo,
    "dro": _dro,
    "gspo": _gspo,
    "stable_reinforce": _stable_reinforce,
}
