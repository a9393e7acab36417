"""`FrozenLinear`: one matrix of the base model, which is never trained.

A row's result must not depend on how many rows come with it, or sampling one token at a time would differ
from training on the whole text. Matrix products of fewer than 4 rows take other kernels, and so do, with
several threads, row counts below 12 that are not multiples of 4 (measured with MKL on AVX2 and AVX-512). So
in exact mode few rows are filled up with zeros. `exactness` measures whether that holds on this machine.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

__all__ = ["FrozenLinear", "Rows"]

SAFE_ROWS = 16
"""From here on every row count gives the same bits. Source: ours: measured; 12 was the least seen."""
SMALL_PRODUCT = 400
"""Batched products of fewer multiplications take a plain loop. Source: torch 2.13.0 LinearAlgebra.cpp."""
PACKED_CELLS = 1 << 20
"""Matrices from here on are also kept in oneDNN's layout.

Source: ours: below it the call costs more (20 µs).
"""


class Rows:
    """How row counts are filled up before a product."""

    __slots__ = ("exact", "quantum")

    def __init__(self, *, exact: bool, quantum: int = 4) -> None:
        self.exact = exact
        self.quantum = quantum
        """Row counts below `SAFE_ROWS` are rounded up to a multiple of it."""

    def padded(self, count: int, cells: int = SMALL_PRODUCT) -> int:
        """The rows to compute for `count` of them, in a product of `cells` multiplications a row."""
        if not self.exact:
            return count
        least = max(count, -(-SMALL_PRODUCT // cells))
        return count if count == least >= SAFE_ROWS else -(-least // self.quantum) * self.quantum

    def fill(self, x: torch.Tensor, cells: int = SMALL_PRODUCT) -> torch.Tensor:
        """`x` `[..., M, K]` with zero rows added, `[..., padded(M), K]`."""
        missing = self.padded(x.shape[-2], cells) - x.shape[-2]
        return F.pad(x, (0, 0, 0, missing)) if missing else x


class FrozenLinear:
    """`y = x W^T + b` with constant `W` `[out, in]` and `b` `[out]`."""

    __slots__ = ("_packed", "_rows", "bias", "weight")

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, rows: Rows) -> None:
        self.weight = weight
        self.bias = bias
        self._rows = rows
        self._packed: torch.Tensor | None = None
        if weight.device.type == "cpu" and weight.dtype == torch.float32:
            if weight.numel() >= PACKED_CELLS:
                self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)
            elif not rows.exact:  # by columns, few rows are up to twice as fast, many as fast
                self.weight = weight.t().contiguous().t()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` `[M, in]` to `[M, out]`, a new tensor."""
        count = x.shape[0]
        filled = self._rows.fill(x)
        if self._packed is None:
            y = F.linear(filled, self.weight, self.bias)
        else:
            y = torch.ops.mkldnn._linear_pointwise.default(filled, self._packed, self.bias, "none", [], "")
        return y[:count]

    def merged(self, a: torch.Tensor, b: Sequence[torch.Tensor], scale: float) -> "FrozenLinear":
        """With an adapter's product added to the weights: `a` `[k * rank, in]`, k of `[out, rank]`."""
        own, start = self.weight.t().clone(), 0
        for piece, factor in zip(b, a.chunk(len(b)), strict=True):
            end = start + piece.shape[0]
            own[:, start:end].addmm_(factor.t(), piece.t(), alpha=scale)
            start = end
        return FrozenLinear(own.t(), self.bias, self._rows)

    def backward(self, dy: torch.Tensor) -> torch.Tensor:
        """The gradient of `x` `[M, in]` from that of `y` `[M, out]`, a new tensor."""
        return dy @ self.weight
