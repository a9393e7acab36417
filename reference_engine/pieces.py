"""The element-wise parts of a forward pass: one operation after the other, or each compiled to one kernel.

What lies between them, matrix products and attention, are kernels of libraries either way. A piece takes
tensors alone, so that one compilation serves every layer, batch and adapter. Compiled pieces round otherwise:
not for the exact mode.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from reference_engine.norm import rms_norm
from reference_engine.rope import rotate

__all__ = ["Pieces", "compiled_pieces", "swiglu"]

MOST_KINDS = 64
"""Ranks, strides and types that a piece is compiled for, of all models. Source: ours: a model has about 8."""


def swiglu(both: torch.Tensor) -> torch.Tensor:
    """From gates and values in a row, `[T, 2 * inner]`, to `[T, inner]`. Source: arXiv 2002.05202."""
    gate, up = both.chunk(2, -1)
    return F.silu(gate) * up


@dataclass(frozen=True, slots=True)
class Pieces:
    """The parts, plain unless others are given."""

    norm: Callable[[torch.Tensor, torch.Tensor, float], tuple[torch.Tensor, torch.Tensor]] = rms_norm
    rotate: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor] = rotate
    swiglu: Callable[[torch.Tensor], torch.Tensor] = swiglu


def compiled_pieces(device: torch.device, backend: str | Callable[..., Any] = "inductor") -> Pieces:
    """The parts compiled, and tried once on a device.

    Args:
        device: Where they shall run.
        backend: One of torch.compile's.

    Raises:
        ValueError: if they cannot be compiled here.
    """
    how: dict[str, Any] = {"dynamic": True, "backend": backend, "recompile_limit": MOST_KINDS}
    pieces = Pieces(
        torch.compile(rms_norm, **how), torch.compile(rotate, **how), torch.compile(swiglu, **how)
    )
    x = torch.ones(3, 2, 4, device=device)
    try:
        with torch.inference_mode():
            pieces.norm(x, x[0, 0], 1e-6)
            pieces.rotate(x, x[:, :1], x[:, :1])
            pieces.swiglu(x[:, 0])
    except (RuntimeError, ImportError) as error:
        told = " ".join(str(error).splitlines()[:2])  # the compiler's name, then what it says
        raise ValueError(
            f"--compile: expected a compiler that works, got {told}; install what torch.compile needs on "
            "this machine (triton and a C compiler), or leave the option out"
        ) from None
    return pieces
