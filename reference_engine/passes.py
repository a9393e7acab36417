"""Passes over a flat batch: logprobs of the targets, and an adapter's gradients from the loss's slopes.

The head is done a few rows at a time: the scores of all tokens are the largest tensor of a small model.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from reference_engine.attention import CausalAttention
from reference_engine.batching import Cells, Packed
from reference_engine.deltas import Delta, OneDelta
from reference_engine.model import Tape, Transformer

__all__ = ["ForwardPass", "backward", "forward", "logprobs_of"]

KEPT_SCORES = 1 << 25
"""Logprobs of all tokens kept for the backward pass; more are computed again. Source: ours: 128 MB."""
CHUNK_SCORES = 1 << 24
"""Scores at once. Source: ours: 64 MB."""
FEWEST_ROWS = 64


@dataclass(slots=True)
class ForwardPass:
    """What one forward pass found."""

    logprobs: torch.Tensor
    """Of the cells, `[C]`, float32."""
    attention: CausalAttention
    hidden: torch.Tensor
    tape: Tape | None
    kept: list[tuple[torch.Tensor, torch.Tensor | None]] | None
    """Each chunk's logprobs of all tokens and the head's narrow product."""


def chunks(rows: int, vocab_size: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose scores fit."""
    step = max(FEWEST_ROWS, CHUNK_SCORES // vocab_size)
    for start in range(0, rows, step):
        yield start, min(start + step, rows)


def logprobs_of(
    model: Transformer, hidden: torch.Tensor, delta: Delta
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Logprobs of all tokens `[T, V]`: the one place where scores become logprobs."""
    scores, narrow = model.logits(hidden, delta)
    return torch.log_softmax(scores, -1), narrow


def forward(model: Transformer, packed: Packed, delta: Delta, *, tape: bool) -> ForwardPass:
    """The cells' logprobs; with `tape`, what `backward` needs is kept."""
    attention = CausalAttention(model.config, packed.spans, model.rows)
    hidden, kept_tape = model.forward(packed.tokens, packed.positions, attention, delta, tape=tape)
    total, vocab_size = hidden.shape[0], model.config.vocab_size
    keep = tape and total * vocab_size <= KEPT_SCORES
    kept: list[tuple[torch.Tensor, torch.Tensor | None]] = []
    found = []
    for start, end in chunks(total, vocab_size):
        logprobs, narrow = logprobs_of(model, hidden[start:end], delta)
        rows, tokens = _cells_between(packed.cells, start, end)
        if packed.cells.one_per_row:
            found.append(logprobs.gather(1, tokens.unsqueeze(1)).squeeze(1))
        else:
            found.append(logprobs[rows, tokens])
        if keep:
            kept.append((logprobs, narrow))
    return ForwardPass(torch.cat(found), attention, hidden, kept_tape, kept if keep else None)


def backward(
    model: Transformer, packed: Packed, found: ForwardPass, slopes: torch.Tensor, delta: OneDelta
) -> None:
    """Add the adapter's gradients, from the loss's slope by each cell's logprob, `[C]`."""
    assert found.tape is not None
    dhidden = torch.empty_like(found.hidden)
    first = 0
    for number, (start, end) in enumerate(chunks(found.hidden.shape[0], model.config.vocab_size)):
        hidden = found.hidden[start:end]
        logprobs, narrow = found.kept[number] if found.kept else logprobs_of(model, hidden, delta)
        rows, tokens = _cells_between(packed.cells, start, end)
        mine = slopes[first : first + len(tokens)]
        first += len(tokens)
        dlogits = _score_slopes(logprobs, rows, tokens, mine, one_per_row=packed.cells.one_per_row)
        dhidden[start:end] = model.head_backward(dlogits, hidden, narrow, delta)
    model.backward(dhidden, found.tape, found.attention, delta)


def _cells_between(cells: Cells, start: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The cells of a range of rows, rows counted from its start."""
    if cells.one_per_row:
        return cells.rows[start:end] - start, cells.tokens[start:end]
    first, last = torch.searchsorted(
        cells.rows, torch.tensor([start, end], device=cells.rows.device)
    ).tolist()
    return cells.rows[first:last] - start, cells.tokens[first:last]


def _score_slopes(
    logprobs: torch.Tensor,
    rows: torch.Tensor,
    tokens: torch.Tensor,
    slopes: torch.Tensor,
    *,
    one_per_row: bool,
) -> torch.Tensor:
    """The loss's slope by every score, `[T, V]`; overwrites `logprobs`.

    A cell's logprob has slope 1 by its own score and minus the probability by every score of its row.
    """
    if one_per_row:
        dlogits = logprobs.exp_().mul_(slopes.neg().unsqueeze(1))
        return dlogits.scatter_add_(1, tokens.unsqueeze(1), slopes.unsqueeze(1))
    by_row = torch.zeros(logprobs.shape[0], device=slopes.device).index_add_(0, rows, slopes)
    dlogits = logprobs.exp_().mul_(by_row.neg().unsqueeze(1))
    return dlogits.index_put_((rows, tokens), slopes, accumulate=True)
