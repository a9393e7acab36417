"""The loss of a batch: its value, its derivative by each target's logprob, and metrics.

The formulas are in `reference_engine.loss_terms`. They are computed on the host: logprobs go there anyway, to
be answered, and the arithmetic of a batch takes less time than starting as many kernels on a device would.

Metrics are `loss:sum`, `tokens:sum` (input tokens), those of an uploaded loss, and of losses that compare
with the sampler also these, over the tokens that count (weight times advantage is not 0); a mean is over
datums, of the mean over the datum's tokens, so that it stays exact when the client combines chunks; a datum
without any counts as r = 1:

    ratio:mean, ratio:max  r (gspo: s), within e^-20 and e^20
    kl:mean                -log r, which estimates the divergence of the learner from the sampler
    clip_fraction:mean     share with r outside the thresholds, of losses that have them
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from contract import Datum, ForwardBackwardInput, RequestFailure, check_data, loss_settings
from reference_engine.custom_loss import CompiledLoss
from reference_engine.loss_terms import Cells, Floats, Ratios, cross_entropy, ratio_terms, thresholds
from reference_engine.provenance import check_spans

__all__ = ["BatchLoss", "batch_loss", "check_batch"]

FARTHEST_RATIO = float(np.exp(20.0))
"""Bound of the ratios in metrics, and of their inverses. Source: ours: keeps them finite; it says enough."""


@dataclass(frozen=True, slots=True)
class BatchLoss:
    """What a loss says about a batch."""

    value: float
    """The sum of all terms."""
    slopes: Tensor
    """Derivative of `value` by each cell's logprob, `[C]`; dtype and device of the logprobs."""
    metrics: dict[str, float]
    """Finite numbers by `name:reduction`; always `loss:sum` and `tokens:sum`."""


def check_batch(
    batch: ForwardBackwardInput, *, custom: CompiledLoss | None = None, strict: bool = False
) -> None:
    """Refuse what the loss could not use, before anything is computed.

    Args:
        batch: Data, loss and settings as the client sent them.
        custom: The uploaded loss that the settings name, for the loss `custom`.
        strict: Whether losses without a published formula are refused.

    Raises:
        RequestFailure: naming the field, and the datum's number from 1.
    """
    settings = loss_settings(batch.loss_fn, batch.loss_fn_config)
    if strict and batch.loss_fn == "stable_reinforce":
        raise RequestFailure(
            "loss_fn: expected a loss with a published formula, got 'stable_reinforce'; this server runs "
            "with --strict-losses: start it without, for a formula of ours, or use importance_sampling"
        )
    check_data(batch.loss_fn, batch.data)
    if batch.loss_fn == "custom":
        _uploaded(batch, custom).check(batch.data)
    defaults = thresholds(batch.loss_fn, settings)
    for number, datum in enumerate(batch.data, 1):
        where = f"(datum {number} of {len(batch.data)})"
        _check_thresholds(datum, defaults, where)
        if batch.loss_fn == "stable_reinforce":
            check_spans(datum, where)


def _check_thresholds(datum: Datum, defaults: Mapping[str, float], where: str) -> None:
    if not defaults:
        return
    given = datum.loss_fn_inputs
    low, high = (given[k].values if k in given else np.float64(default) for k, default in defaults.items())
    if np.any(low > high):
        total = datum.model_input.length
        crossed = np.broadcast_to(low > high, total).sum()
        raise RequestFailure(
            f"clip_low_threshold: expected at most clip_high_threshold, got more for {crossed} of {total} "
            f"tokens {where}"
        )


def _uploaded(batch: ForwardBackwardInput, custom: CompiledLoss | None) -> CompiledLoss:
    if custom is None:
        named = (batch.loss_fn_config or {}).get("loss_id")
        raise RequestFailure(
            f"loss_fn_config['loss_id']: expected an uploaded loss of this session, got {named!r}; "
            "create it with create_custom_loss"
        )
    return custom


def batch_loss(
    batch: ForwardBackwardInput, logprobs: Tensor, *, custom: CompiledLoss | None = None
) -> BatchLoss:
    """The loss of a batch that `check_batch` passed.

    Args:
        batch: Data, loss and settings.
        logprobs: The learner's logprobs of all target cells, `[C]`, floating point, datum after datum and
            each in row-major order; cells that sparse targets do not list are there, as token 0. No gradient
            is recorded through them.
        custom: The uploaded loss, for the loss `custom`.

    Raises:
        RequestFailure: if a logprob, a term or a derivative is not finite, or an uploaded loss fails.
    """
    settings = loss_settings(batch.loss_fn, batch.loss_fn_config)
    cells = Cells.of(batch.data, logprobs.detach().to("cpu", torch.float64).numpy())
    if not np.isfinite(cells.logprobs).all():
        raise _diverged(batch.loss_fn, cells.logprobs)
    metrics = {"tokens:sum": float(sum(datum.model_input.length for datum in batch.data))}
    if batch.loss_fn == "custom":
        found = _uploaded(batch, custom).run(batch.data, logprobs)
        return BatchLoss(found.value, found.slopes, {"loss:sum": found.value, **metrics, **found.metrics})
    with np.errstate(over="ignore", invalid="ignore"):
        if batch.loss_fn == "cross_entropy":
            terms = cross_entropy(cells)
        else:
            given = Ratios.of(batch.loss_fn, cells, settings)
            terms = ratio_terms(batch.loss_fn, given)
            metrics |= _ratio_metrics(given, terms.ratio, clips=bool(thresholds(batch.loss_fn, settings)))
        value = float(terms.values.sum())
        slopes = torch.from_numpy(terms.slopes).to(logprobs.dtype)
    if not (isfinite(value) and slopes.isfinite().all()):
        raise _not_finite(batch.loss_fn, cells, terms.values, slopes)
    if batch.loss_fn == "stable_reinforce":
        metrics["stable_reinforce_is_ours:max"] = 1.0
    return BatchLoss(value, slopes.to(logprobs.device), {"loss:sum": value, **metrics})


def _diverged(loss: str, logprobs: Floats) -> RequestFailure:
    broken = int((~np.isfinite(logprobs)).sum())
    return RequestFailure(
        f"{loss}: expected finite logprobs of the targets, got {broken} of {len(logprobs)} that are not; "
        "the model has diverged: load an earlier state, train at a lower learning rate"
    )


def _not_finite(loss: str, cells: Cells, values: Floats, slopes: Tensor) -> RequestFailure:
    broken = cells.owners[~(np.isfinite(values) & slopes.isfinite().numpy())]
    if not len(broken):
        return RequestFailure(f"{loss}: expected a finite sum, got one beyond the range of float64")
    number = int(broken[0])
    count = int((broken == number).sum())
    return RequestFailure(
        f"{loss}: expected finite loss terms, got {count} of {cells.sizes[number]} that are not "
        f"(datum {number + 1} of {len(cells.sizes)}); "
        "check logprobs, advantages and weights for extreme values"
    )


def _ratio_metrics(given: Ratios, ratio: Floats, *, clips: bool) -> dict[str, float]:
    """The metrics of the module's docstring."""
    counts = given.counts
    bounded = np.clip(ratio, 1 / FARTHEST_RATIO, FARTHEST_RATIO)
    numbers = np.maximum(given.cells.totals(counts), 1.0)

    def mean(values: npt.NDArray[Any]) -> float:
        return float((given.cells.totals(np.where(counts, values, 0.0)) / numbers).mean())

    metrics = {
        "ratio:mean": 1 + mean(bounded - 1),
        "ratio:max": float(bounded[counts].max(initial=0.0)) or 1.0,
        "kl:mean": -mean(np.log(bounded)),
    }
    if clips:
        metrics["clip_fraction:mean"] = mean(((ratio < given.low) | (ratio > given.high)) * 1.0)
    return metrics
