"""Rotary positions.

Source: arXiv 2104.09864; Llama 3's stretch: transformers 5.23.0 modeling_rope_utils.py.
"""

from math import pi

import torch

from reference_engine.config import ModelConfig, RopeScaling

__all__ = ["Rope", "rotate", "rotate_back"]

FIRST_POSITIONS = 512
"""Ours: the table starts with that many rows and doubles when needed."""


class Rope:
    """Cosines and sines of every position."""

    def __init__(self, config: ModelConfig, device: torch.device, dtype: torch.dtype) -> None:
        steps = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float()
        frequencies = 1.0 / (config.rope_theta ** (steps / config.head_dim))
        if config.rope_scaling is not None:
            frequencies = _stretched(frequencies, config.rope_scaling)
        self._frequencies = frequencies
        self._device, self._dtype = device, dtype
        self._cos = self._sin = torch.empty(0, 1, config.head_dim, device=device, dtype=dtype)

    def at(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines for `positions` `[T]`, each `[T, 1, head_dim]`."""
        last = int(positions.max()) if positions.numel() else 0
        if last >= self._cos.shape[0]:
            self._grow(last + 1)
        return self._cos.index_select(0, positions), self._sin.index_select(0, positions)

    def _grow(self, least: int) -> None:
        size = FIRST_POSITIONS
        while size < least:
            size *= 2
        angles = torch.outer(torch.arange(size).float(), self._frequencies)
        both = torch.cat((angles, angles), dim=-1).unsqueeze(1)
        self._cos = both.cos().to(self._device, self._dtype)
        self._sin = both.sin().to(self._device, self._dtype)


def _stretched(frequencies: torch.Tensor, scaling: RopeScaling) -> torch.Tensor:
    """Low frequencies divided by the factor, high ones as they are, a ramp between."""
    waves = 2 * pi / frequencies
    low = scaling.original_context / scaling.low_freq_factor
    high = scaling.original_context / scaling.high_freq_factor
    ramp = (scaling.original_context / waves - scaling.low_freq_factor) / (
        scaling.high_freq_factor - scaling.low_freq_factor
    )
    slow = frequencies / scaling.factor
    between = (1 - ramp) * slow + ramp * frequencies
    stretched = torch.where(waves > low, slow, frequencies)
    return torch.where((waves <= low) & (waves >= high), between, stretched)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn each head's halves: `x` `[T, heads, head_dim]`, a new tensor."""
    half = x.shape[-1] // 2
    turned = torch.cat((x[..., half:].neg(), x[..., :half]), dim=-1)
    return turned.mul_(sin).add_(x * cos)


def rotate_back(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """The transpose of `rotate`, for gradients."""
    half = x.shape[-1] // 2
    turned = torch.cat((x[..., half:], x[..., :half].neg()), dim=-1)
    return turned.mul_(sin).add_(x * cos)
