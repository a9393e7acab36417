"""The losses in closed form: the value of each token's term, and its derivative by the token's logprob.

The formulas are those of `contract.losses`; a `weights` tensor multiplies the terms of every loss. A datum
without `sequence_ratio_mask` counts every token in its ratio, and the ratio of none is 1. One loss has no
published formula, and is computed by this one of ours:

    stable_reinforce   where the target was sampled (its provenance span says so) and its mask is not 0:
                       -w (clamp(r, low, high) held constant * lp * A - kl_coeff / 2 (lp - q)^2)
                       with low 0 and high 4 unless the datum has clip tensors
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import Datum, RequestFailure, SampledProvenanceSpan
from fake_server.elementary import Floats, exp
from fake_server.scripted_batch import Layout, flat

__all__ = ["TokenTerms", "token_terms"]

STABLE_CLIPS = {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0}
"""Source: ours: as cispo, which truncates the same ratio."""

Settings = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """What each target of a batch adds to a loss, `[M]` both."""

    values: Floats
    """The term of each target; their sum is the loss."""
    slopes: Floats
    """Derivative of the loss by each target's logprob."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """The inputs of a loss that compares the learner with the sampler, `[M]` each, all datums end to end."""

    layout: Layout
    learner: Floats
    sampler: Floats
    advantages: Floats
    weights: Floats
    low: Floats
    high: Floats
    counted: Floats
    """1 where the token counts in its sequence's ratio, else 0."""
    sampled: Floats
    """1 where provenance says that the token was sampled, else 0; of no length where there is none."""
    coefficient: float
    """`beta` of dro, `kl_coeff` of stable_reinforce."""

    @property
    def ratio(self) -> Floats:
        """r, the learner's probability over the sampler's."""
        return exp(self.learner - self.sampler)


def token_terms(
    loss: str, data: list[Datum], logprobs: Floats, layout: Layout, settings: Settings
) -> TokenTerms:
    """The terms of data that `contract.check_data` passed.

    Args:
        loss: Name of the loss, a key of `TERMS` or `cross_entropy`.
        data: The inputs.
        logprobs: The learner's logprobs of all targets, end to end, `[M]`.
        layout: How they lie there.
        settings: The loss's settings in force.

    Raises:
        RequestFailure: if a term is not finite, or the inputs make no sense together.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if loss == "cross_entropy":
            weights = _cross_entropy_weights(data, layout)
            terms = TokenTerms(-(weights * logprobs), -weights)
        else:
            terms = TERMS[loss](_ratios(data, logprobs, layout, settings))
    if broken := layout.fault(~(np.isfinite(terms.values) & np.isfinite(terms.slopes))):
        raise RequestFailure(
            f"{loss}: expected finite loss terms, got {broken.wrong} of {broken.size} that are not"
            f"{broken.where}; check logprobs, advantages and weights for extreme values"
        )
    return terms


def _cross_entropy_weights(data: list[Datum], layout: Layout) -> Floats:
    """The weight of every target: 1 by default, and 0 where sparse targets list nothing."""
    parts: list[npt.NDArray[Any]] = []
    for datum, size in zip(data, layout.sizes, strict=True):
        weights, targets = datum.loss_fn_inputs.get("weights"), datum.loss_fn_inputs["target_tokens"]
        if weights is not None:
            parts.append(flat(weights))
        elif targets.is_sparse:
            parts.append((targets.to_numpy(pad_value=-1) >= 0).reshape(-1))
        else:
            parts.append(np.ones(size))
    return np.concatenate(parts, dtype=np.float64)


def _ratios(data: list[Datum], logprobs: Floats, layout: Layout, settings: Settings) -> Ratios:
    def column(key: str, default: float) -> Floats:
        given = [datum.loss_fn_inputs.get(key) for datum in data]
        parts = [
            np.full(size, default) if tensor is None else tensor.values
            for tensor, size in zip(given, layout.sizes, strict=True)
        ]
        return np.concatenate(parts, dtype=np.float64)

    low, high = (column(key, _number(settings, key, value)) for key, value in STABLE_CLIPS.items())
    if crossed := layout.fault(low > high):
        raise RequestFailure(
            f"clip_low_threshold: expected at most clip_high_threshold, got more for {crossed.wrong} of "
            f"{crossed.size} tokens{crossed.where}"
        )
    spans = [span for datum in data for span in datum.loss_fn_input_spans or ()]
    sampled = [float(isinstance(span, SampledProvenanceSpan)) for span in spans]
    return Ratios(
        layout=layout,
        learner=logprobs,
        sampler=column("logprobs", 0.0),
        advantages=column("advantages", 0.0),
        weights=column("weights", 1.0),
        low=low,
        high=high,
        counted=(column("sequence_ratio_mask", 1.0) != 0).astype(np.float64),
        sampled=np.repeat(np.array(sampled, np.float64), np.array([span.length for span in spans], np.int64)),
        coefficient=_number(settings, "kl_coeff", _number(settings, "beta", 0.0)),
    )


def _number(settings: Settings, key: str, default: float) -> float:
    return float(settings.get(key, default))


def _importance_sampling(given: Ratios) -> TokenTerms:
    values = -(given.weights * given.ratio * given.advantages)
    return TokenTerms(values, values)


def _clipped(ratio: Floats, given: Ratios) -> tuple[Floats, Floats]:
    """min(r A, clamp(r) A), and its derivative by log r: r A, or 0 where the clamp decides."""
    free = ratio * given.advantages
    held = np.minimum(np.maximum(ratio, given.low), given.high) * given.advantages
    return np.minimum(free, held), np.where(free <= held, free, 0.0)


def _ppo(given: Ratios) -> TokenTerms:
    objective, slope = _clipped(given.ratio, given)
    return TokenTerms(-(given.weights * objective), -(given.weights * slope))


def _cispo(given: Ratios) -> TokenTerms:
    factor = given.weights * given.advantages * np.minimum(np.maximum(given.ratio, given.low), given.high)
    return TokenTerms(-(factor * given.learner), -factor)


def _dro(given: Ratios) -> TokenTerms:
    gap = given.learner - given.sampler
    objective = given.learner * given.advantages - given.coefficient / 2 * gap * gap
    slope = given.advantages - given.coefficient * gap
    return TokenTerms(-(given.weights * objective), -(given.weights * slope))


def _gspo(given: Ratios) -> TokenTerms:
    counts = np.maximum(given.layout.sums(given.counted), 1.0)
    means = given.layout.sums(given.counted * (given.learner - given.sampler)) / counts
    objective, slope = _clipped(given.layout.spread(exp(means)), given)
    return TokenTerms(-(given.weights * objective), -(given.weights * slope))


def _stable_reinforce(given: Ratios) -> TokenTerms:
    gap = given.learner - given.sampler
    factor = given.advantages * np.minimum(np.maximum(given.ratio, given.low), given.high)
    chosen = given.weights * given.sampled * given.counted
    objective = factor * given.learner - given.coefficient / 2 * gap * gap
    return TokenTerms(-(chosen * objective), -(chosen * (factor - given.coefficient * gap)))


TERMS: Mapping[str, Callable[[Ratios], TokenTerms]] = {
    "importance_sampling": _importance_sampling,
    "ppo": _ppo,
    "cispo": _cispo,
    "dro": _dro,
    "gspo": _gspo,
    "stable_reinforce": _stable_reinforce,
}
