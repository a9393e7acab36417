"""One row per loss: what it reads, and its settings with their defaults and sources.

The formulas are sums over tokens, minimised. `lp` is the learner's logprob of a target token, `q` the
sampler's (`loss_fn_inputs["logprobs"]`), `A` the advantage, `w` the weight, and `r = exp(lp - q)`. `s` of
GSPO-token has the value of exp(mean of lp - q over the tokens whose `sequence_ratio_mask` is not 0), the same
for all tokens of a datum, and its derivative by each token's own lp is s. Where a clamp decides, it is 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import isfinite, prod
from typing import Literal, get_args

import numpy as np

from contract.errors import RequestFailure
from contract.inputs import Datum, LossFnInputs
from contract.tensors import TensorData

__all__ = ["LOSSES", "Loss", "LossFnType", "check_data", "loss_settings"]

LossFnType = Literal[
    "cross_entropy",
    "importance_sampling",
    "ppo",
    "cispo",
    "dro",
    "gspo",
    "stable_reinforce",
    "custom",
]


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of `loss_fn_config`."""

    default: float | str | None
    """None means the key must be given."""
    source: str


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss as the contract knows it."""

    name: LossFnType
    formula: str
    """What is minimised; empty where it is not published."""
    required: tuple[str, ...]
    """Keys of `loss_fn_inputs` that every datum must have."""
    optional: tuple[str, ...] = ()
    """Keys that a datum may have; others are refused."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    spans: bool = False
    """Whether every datum must carry provenance spans."""
    source: str = ""
    since: str = "0.1.0"
    """The first SDK release that has it."""


MOST_TARGETS = 2**20
"""Cells of one datum's targets, listed or not. Source: ours: 32,768 tokens of 32 targets."""
_RATIO_INPUTS = ("target_tokens", "logprobs", "advantages")
_CLIPS = ("clip_low_threshold", "clip_high_threshold")
_DOCS = "Tinker docs, losses, 2026-03"
_TUTORIAL = "tinker-cookbook tutorials/202_loss_functions.py, 2026-08"

LOSSES: Mapping[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            name="cross_entropy",
            formula="-(w * lp)",
            required=("target_tokens",),
            optional=("weights",),
            source=_DOCS,
        ),
        Loss(
            name="importance_sampling",
            formula="-(r * A)",
            required=_RATIO_INPUTS,
            optional=("weights",),
            source=_DOCS,
        ),
        Loss(
            name="ppo",
            formula="-min(r * A, clamp(r, clip_low_threshold, clip_high_threshold) * A)",
            required=_RATIO_INPUTS,
            optional=("weights", *_CLIPS),
            settings={
                "clip_low_threshold": Setting(0.8, _DOCS),
                "clip_high_threshold": Setting(1.2, _DOCS),
            },
            source=_DOCS,
        ),
        Loss(
            name="cispo",
            formula="-(clamp(r, clip_low_threshold, clip_high_threshold) held constant * lp * A)",
            required=_RATIO_INPUTS,
            optional=("weights", *_CLIPS),
            settings={
                "clip_low_threshold": Setting(0.0, _TUTORIAL),
                "clip_high_threshold": Setting(4.0, _TUTORIAL),
            },
            source=_DOCS,
            since="0.6.0",
        ),
        Loss(
            name="dro",
            formula="-(lp * A - beta / 2 * (lp - q) ** 2)",
            required=_RATIO_INPUTS,
            optional=("weights",),
            settings={"beta": Setting(0.05, "ours: the example value of the Tinker docs, 2026-03")},
            source=_DOCS,
            since="0.6.0",
        ),
        Loss(
            name="gspo",
            formula="-min(s * A, clamp(s, clip_low_threshold, clip_high_threshold) * A)",
            required=_RATIO_INPUTS,
            optional=("weights", "sequence_ratio_mask", *_CLIPS),
            settings={
                "clip_low_threshold": Setting(0.8, "ours: as ppo"),
                "clip_high_threshold": Setting(1.2, "ours: as ppo"),
            },
            source="Tinker docs, losses/gspo; GSPO-token of Zheng et al., arXiv:2507.18071",
            since="0.34.0",
        ),
        Loss(
            name="stable_reinforce",
            formula="",
            required=_RATIO_INPUTS,
            optional=("weights", "sequence_ratio_mask", *_CLIPS),
            settings={"kl_coeff": Setting(0.0, "ours: the key is named in the SDK, its default is not")},
            spans=True,
            source="sdk 0.38.0 types/loss_fn_type.py; the formula is not published",
            since="0.35.0",
        ),
        Loss(
            name="custom",
            formula="the uploaded graph",
            required=("target_tokens",),
            settings={"loss_id": Setting(None, "sdk 0.38.0 lib/public_interfaces/training_client.py")},
            source="sdk 0.38.0 types/create_custom_loss_request.py",
            since="0.36.0",
        ),
    )
}
assert set(LOSSES) == set(get_args(LossFnType))


def loss_settings(name: str, config: Mapping[str, float | str] | None) -> dict[str, float | str]:
    """The settings in force: the defaults of loss `name`, overridden by `config`.

    Raises:
        RequestFailure: for an unknown loss or key, a missing one, or a number that is not finite.
    """
    loss = _known(name)
    given = config or {}
    for key, value in given.items():
        if key not in loss.settings:
            raise RequestFailure(
                f"loss_fn_config[{key!r}]: expected a setting of {name} "
                f"({', '.join(loss.settings) or 'it has none'}), got {value!r}"
            )
        wants_number = isinstance(loss.settings[key].default, float)
        if wants_number and (isinstance(value, str) or not isfinite(value)):
            raise RequestFailure(f"loss_fn_config[{key!r}]: expected a finite number, got {value!r}")
    settings: dict[str, float | str] = {}
    for key, setting in loss.settings.items():
        chosen = given.get(key, setting.default)
        if chosen is None:
            raise RequestFailure(f"loss_fn_config[{key!r}]: expected a value, got none for loss {name}")
        settings[key] = chosen
    return settings


def _known(name: str) -> Loss:
    if name not in LOSSES:
        raise RequestFailure(f"loss_fn: expected one of {', '.join(LOSSES)}, got {name!r}")
    return LOSSES[name]


def check_data(name: str, data: list[Datum]) -> None:
    """Check every datum against loss `name`: keys, shapes, finite numbers, spans.

    Tensors are `[N]` for N input tokens, or `[N, K]` for a cross entropy over K targets a position.

    Raises:
        RequestFailure: naming the key, both counts and the datum's number from 1.
    """
    loss = _known(name)
    if not data:
        raise RequestFailure("data: expected at least one datum, got none")
    _check_each(data, partial(_check_layout, loss))
    floats = [
        tensor.values
        for datum in data
        for tensor in datum.loss_fn_inputs.values()
        if tensor.dtype == "float32" and name != "custom"
    ]
    if floats and not np.isfinite(np.concatenate(floats)).all():
        _check_each(data, _check_finite)


def _check_each(data: list[Datum], check: Callable[[Datum], None]) -> None:
    for number, datum in enumerate(data, 1):
        try:
            check(datum)
        except ValueError as error:
            raise RequestFailure(f"{error} (datum {number} of {len(data)})") from None


def _check_layout(loss: Loss, datum: Datum) -> None:
    """Refuse keys, shapes and spans that do not fit, in a `ValueError` that does not name the datum."""
    inputs = datum.loss_fn_inputs
    missing = [key for key in loss.required if key not in inputs]
    if missing:
        raise ValueError(
            f"loss_fn_inputs: expected {', '.join(loss.required)} for {loss.name}, "
            f"got no {' and no '.join(missing)}"
        )
    shape = inputs["target_tokens"].dimensions
    if loss.name != "custom":
        _check_known(loss, inputs)
    _check_targets(loss, inputs["target_tokens"], shape)
    try:
        length = datum.model_input.length
    except ValueError as error:
        raise ValueError(f"model_input: {error}") from None
    if shape[0] != length:
        raise ValueError(
            f"loss_fn_inputs['target_tokens']: expected {length} values, one per input token, got {shape[0]}"
        )
    if loss.name != "custom":
        for key, tensor in inputs.items():
            _check_shape(key, tensor.dimensions, shape)
    if loss.spans and datum.model_input_spans is None:
        raise ValueError(f"model_input_spans: expected provenance spans for {loss.name}, got none")


def _check_known(loss: Loss, inputs: LossFnInputs) -> None:
    unknown = [key for key in inputs if key not in loss.required and key not in loss.optional]
    if unknown:
        raise ValueError(
            f"loss_fn_inputs: expected only {', '.join((*loss.required, *loss.optional))} "
            f"for {loss.name}, got {', '.join(map(repr, sorted(unknown)))}"
        )


def _check_targets(loss: Loss, targets: TensorData, shape: tuple[int, ...]) -> None:
    ranks = (1, 2) if loss.name in ("cross_entropy", "custom") else (1,)
    if len(shape) not in ranks or targets.dtype != "int64":
        raise ValueError(
            f"loss_fn_inputs['target_tokens']: expected int64 of shape [N]"
            f"{' or [N, K]' if 2 in ranks else ''}, got {targets.dtype} {list(shape)}"
        )
    if prod(shape) > MOST_TARGETS:
        raise ValueError(
            f"loss_fn_inputs['target_tokens']: expected at most {MOST_TARGETS} cells, got {prod(shape)}"
        )


def _check_shape(key: str, got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if got != expected:
        counts = (expected[0], got[0]) if len(got) == len(expected) == 1 else (list(expected), list(got))
        raise ValueError(
            f"loss_fn_inputs[{key!r}]: expected {counts[0]} values, one per target token, got {counts[1]}"
        )


def _check_finite(datum: Datum) -> None:
    for key, tensor in datum.loss_fn_inputs.items():
        finite = np.isfinite(tensor.values)
        if not finite.all():
            raise ValueError(
                f"loss_fn_inputs[{key!r}]: expected finite numbers, "
                f"got {int(finite.size - finite.sum())} that are not"
            )
