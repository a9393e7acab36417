"""Optimizers' parameters: which there are, and their ranges."""

from math import isfinite

from contract.errors import RequestFailure
from contract.training import AdamParams, OptimParams

__all__ = ["adam_params"]


def adam_params(params: OptimParams) -> AdamParams:
    """`params`, if they are AdamW's and make sense.

    Raises:
        RequestFailure: naming the family, or the field and its range.
    """
    if not isinstance(params, AdamParams):
        raise RequestFailure(
            "optim_step: expected `adam_params`, where the parameters of the model's optimizer (adamw) go, "
            f"got `optimizer_params` of the type {params.type!r}"
        )
    for name in ("learning_rate", "eps", "weight_decay", "grad_clip_norm"):
        value = getattr(params, name)
        if not (value >= 0 and isfinite(value)):
            raise RequestFailure(f"adam_params.{name}: expected a finite number of at least 0, got {value!r}")
    for name in ("beta1", "beta2"):
        value = getattr(params, name)
        if not 0 <= value < 1:
            raise RequestFailure(f"adam_params.{name}: expected a number from 0 to below 1, got {value!r}")
    return params
