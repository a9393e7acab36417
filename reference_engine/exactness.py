"""Whether a row's bits depend on the rows beside it: measured on this machine, not assumed.

The exact mode rests on properties of the matrix kernels that nobody promises. `row_quantum` finds how row
counts have to be filled up so that they hold; `largest_difference` tells what is left where they do not.
"""

import logging
from functools import cache

import torch
import torch.nn.functional as F

__all__ = ["largest_difference", "row_quantum"]

log = logging.getLogger("tinkerproof.engine")
QUANTA = (4, 16)
"""Row counts that were enough: 4 with MKL on AVX2 and AVX-512. Source: ours: measured."""
SHAPES = ((64, 192), (192, 64), (128, 260), (256, 512), (24, 96), (8, 64), (16, 64))
"""Inner and outer widths to try: projections, heads, adapters."""
MOST_ROWS = 200


@cache
def row_quantum() -> int:
    """The least row count whose multiples give every row the same bits.

    Where there is none, 16, and a warning with the difference that is left.
    """
    for quantum in QUANTA:
        if largest_difference(quantum) == 0.0:
            return quantum
    log.warning(
        "exact mode: on this machine a row's numbers depend on the rows beside it, by up to %.1e; "
        "sampled and trained logprobs may differ by as much",
        largest_difference(QUANTA[-1]),
    )
    return QUANTA[-1]


def largest_difference(quantum: int) -> float:
    """How far the results of the same rows are apart, over row counts that are filled up to `quantum`."""
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    counts = [*range(quantum, 16, quantum), 16, 17, 31, 33, 64, 96, 129]
    for inner, outer in SHAPES:
        x = torch.randn(MOST_ROWS, inner, generator=generator)
        w = torch.randn(outer, inner, generator=generator)
        whole = F.linear(x, w)
        batched = torch.bmm(x.unsqueeze(0), w.t().unsqueeze(0))[0]
        for count in counts:
            part = x[:count].contiguous()
            product = torch.bmm(part.expand(3, -1, -1), w.t().expand(3, -1, -1))
            worst = max(
                worst,
                float((F.linear(part, w) - whole[:count]).abs().max()),
                float((product - batched[:count]).abs().max()),
            )
    return worst
