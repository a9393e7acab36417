"""Whether numbers are finite, for vectors so long that memory counts."""

import torch

__all__ = ["all_finite"]


def all_finite(numbers: torch.Tensor) -> bool:
    """Whether none of them, one or more, is infinite or NaN; unlike `isfinite` it needs no memory."""
    lowest, highest = torch.aminmax(numbers)  # NaN shows in both
    return bool(lowest.isfinite() and highest.isfinite())
