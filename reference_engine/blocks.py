"""Rows of a vocabulary in blocks: a search looks at one number of each block, and then into one block."""

from typing import Literal

import torch

__all__ = ["BLOCK", "by_block", "cells_of"]

BLOCK = 128
"""Tokens of a block; the last may have fewer. Source: ours: near the root of common vocabularies."""


def by_block(values: torch.Tensor, reduce: Literal["sum", "amax"]) -> torch.Tensor:
    """The sum or the maximum of each block of `values` `[n, V]`, `[n, ceil(V / BLOCK)]`."""
    count, size = values.shape
    whole = size // BLOCK * BLOCK
    parts = [values[:, :whole].view(count, -1, BLOCK), values[:, whole:].unsqueeze(1)]
    of = torch.sum if reduce == "sum" else torch.amax
    found = [of(part, -1) for part in parts if part.shape[1] and part.shape[2]]
    return found[0] if len(found) == 1 else torch.cat(found, 1)


def cells_of(values: torch.Tensor, blocks: torch.Tensor, fill: float) -> torch.Tensor:
    """The cells of k blocks of each row of `values` `[n, V]`, `[n, k, BLOCK]`; `fill` past the row's end.

    Args:
        values: Any numbers.
        blocks: Which blocks, `[n, k]`.
        fill: What stands where the last block has no cell.
    """
    size = values.shape[1]
    places = blocks.unsqueeze(2) * BLOCK + torch.arange(BLOCK, device=values.device)
    if size % BLOCK == 0:
        return values.gather(1, places.flatten(1)).view_as(places)
    cells = values.gather(1, places.clamp(max=size - 1).flatten(1)).view_as(places)
    return cells.masked_fill_(places >= size, fill)
