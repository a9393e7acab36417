"""RMS norms, forward and backward.

Source: arXiv 1910.07467; the order of operations: transformers 5.23.0 LlamaRMSNorm.
"""

import torch

__all__ = ["rms_norm", "rms_norm_backward"]


def rms_norm(x: torch.Tensor, gain: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalise the last dimension of `x` `[..., H]`.

    Returns:
        `x / rms(x) * gain` `[..., H]`, and `1 / rms(x)` `[..., 1]` in float32 for the backward pass.
    """
    wide = x.float()
    inverse = (wide * wide).mean(-1, keepdim=True).add_(eps).rsqrt_()
    return (wide * inverse).to(x.dtype).mul_(gain), inverse


def rms_norm_backward(
    dy: torch.Tensor, x: torch.Tensor, gain: torch.Tensor, inverse: torch.Tensor
) -> torch.Tensor:
    """The gradient of `x` `[..., H]`; the gain is frozen."""
    wide, slope = x.float(), (dy * gain).float()
    mean = (slope * wide).mean(-1, keepdim=True).mul_(inverse * inverse * inverse)
    return slope.mul_(inverse).sub_(wide * mean).to(x.dtype)
