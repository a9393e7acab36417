"""What the scripted backend does otherwise than the torch backend, as programs show; and why."""

from collections.abc import Mapping
from typing import Any

from contract.programs.comparison import Difference, KnownDifference

__all__ = ["KNOWN_DIFFERENCES"]

RATIO_METRICS = frozenset({"ratio:mean", "ratio:max", "kl:mean", "clip_fraction:mean"})


def _without_ratio_metrics(shape: Any) -> Any:
    """The shape of a pass, at whatever depth, as a backend without these metrics has it."""
    if isinstance(shape, Mapping):
        return {
            key: [name for name in value if name not in RATIO_METRICS]
            if key == "metrics"
            else _without_ratio_metrics(value)
            for key, value in shape.items()
        }
    return shape


def _ratio_metrics(difference: Difference) -> bool:
    one, other = difference.one, difference.other
    if difference.field != "shape" or one is None or other is None:
        return False
    return bool(_without_ratio_metrics(one.shape) == _without_ratio_metrics(other.shape))


KNOWN_DIFFERENCES: Mapping[str, KnownDifference] = {
    known.name: known
    for known in (
        KnownDifference(
            "metrics of ratios",
            "losses that compare with the sampler have metrics of ratio, divergence and clipping on "
            "torch only; their names are ours, and the scripted backend computes no more than the loss",
            _ratio_metrics,
        ),
    )
}
"""Between the scripted backend and the torch backend. Whatever else differs is a bug of one of them."""
