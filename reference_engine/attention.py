"""Causal attention with grouped queries: over whole texts for training, over a cache for sampling.

Both go through `attend`, whose bits depend neither on how many queries there are nor on how far the keys
are filled up: keys come in blocks of 128, added in order, and a masked key adds an exact zero.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from reference_engine.config import ModelConfig
from reference_engine.linear import Rows

__all__ = ["KEY_BLOCK", "CausalAttention", "Span", "attend", "key_room", "mix"]

KEY_BLOCK = 128
"""Longest sum of one matrix product; MKL splits longer ones in ways that depend on the length.

Source: measured.
"""
KEY_STEP = 16
"""Up to one block, keys are filled up to a multiple of it, so that rows are whole vectors."""
FUSED_QUERIES = 32
"""From here on the fused kernel is the faster one. Source: ours: measured on the CPU."""
KEPT_SCORES = 1 << 22
"""Probabilities kept for the backward pass; more are computed again. Source: ours: 16 MB a layer."""
MOST_SCORES = 1 << 25
"""Scores held at once: longer batches are done in parts. Source: ours: 128 MB."""


def key_room(length: int, *, exact: bool) -> int:
    """How many keys to compute with for `length` of them."""
    if not exact:
        return length
    step = KEY_STEP if length <= KEY_BLOCK else KEY_BLOCK
    return -(-length // step) * step


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, scale: float, *, exact: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax attention.

    Args:
        q: queries `[N, M, D]`.
        k: keys `[N, L, D]`.
        v: values `[N, L, D]`; finite where masked.
        mask: 0 or -inf, broadcast to `[N, M, L]`.
        scale: what scores are multiplied by.
        exact: whether to add key blocks in order.

    Returns:
        The mixed values `[N, M, D]` and the probabilities `[N, M, L]`.
    """
    scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=scale)
    p = torch.softmax(scores, -1, dtype=torch.float32).to(q.dtype)
    keys = p.shape[-1]
    if not exact or keys <= KEY_BLOCK:
        return torch.bmm(p, v), p
    mixed = torch.bmm(p[..., :KEY_BLOCK], v[:, :KEY_BLOCK])
    for start in range(KEY_BLOCK, keys, KEY_BLOCK):
        block = slice(start, start + KEY_BLOCK)
        mixed.add_(torch.bmm(p[..., block], v[:, block]))
    return mixed, p


def mix(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, scale: float, *, exact: bool
) -> torch.Tensor:
    """As `attend`, without the probabilities: the fast mode takes torch's fused kernel for many queries."""
    if exact or q.shape[1] < FUSED_QUERIES:
        return attend(q, k, v, mask, scale, exact=exact)[0]
    mixed: torch.Tensor = F.scaled_dot_product_attention(
        q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), attn_mask=mask.unsqueeze(0), scale=scale
    ).squeeze(0)
    return mixed


@dataclass(frozen=True, slots=True)
class Span:
    """Texts of about one length that lie one after the other in a flat batch."""

    first: int
    """The row of the first text's first token."""
    lengths: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How many tokens they have together."""
        return sum(self.lengths)

    @property
    def longest(self) -> int:
        """The length of the longest."""
        return max(self.lengths)


@dataclass(slots=True)
class Kept:
    """What one span's backward pass needs."""

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    p: torch.Tensor | None


@dataclass(slots=True)
class CausalAttention:
    """Attention over a flat batch of whole texts."""

    config: ModelConfig
    spans: list[Span]
    rows: Rows
    _masks: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)
    _places: dict[int, torch.Tensor] = field(default_factory=dict)

    @property
    def scale(self) -> float:
        """One over the square root of the head's width."""
        return float(self.config.head_dim**-0.5)

    def forward(
        self, _layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, list[Kept]]:
        """`q` `[T, heads, D]`, `k` and `v` `[T, kv_heads, D]` to `[T, heads * D]`."""
        out = q.new_empty(q.shape[0], self.config.num_heads * self.config.head_dim)
        kept: list[Kept] = []
        for number, span in enumerate(self.spans):
            room = self._room(span)
            rows = slice(span.first, span.first + span.rows)
            part = Kept(
                self._queries(number, span, q[rows], room),
                self._keys(number, span, k[rows], room),
                self._keys(number, span, v[rows], room),
                None,
            )
            mixed, part.p = self._attend(part, self._mask(room, q))
            kept.append(part)
            out[rows] = self._flat(number, span, mixed, room)
        return out, kept

    def backward(self, do: torch.Tensor, kept: list[Kept]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The gradients of `q`, `k` and `v` from that of the output `[T, heads * D]`."""
        config, total = self.config, do.shape[0]
        dq = do.new_zeros(total, config.num_heads, config.head_dim)
        dk = do.new_zeros(total, config.num_kv_heads, config.head_dim)
        dv = torch.zeros_like(dk)
        for number, (span, part) in enumerate(zip(self.spans, kept, strict=True)):
            room = self._room(span)
            rows = slice(span.first, span.first + span.rows)
            slope = self._queries(number, span, do[rows].view(span.rows, config.num_heads, -1), room)
            parts = self._slopes(part, slope, self._mask(room, do))
            dq[rows] = self._flat(number, span, parts[0], room).view(span.rows, config.num_heads, -1)
            dk[rows] = self._flat_keys(number, span, parts[1], room)
            dv[rows] = self._flat_keys(number, span, parts[2], room)
        return dq, dk, dv

    def _room(self, span: Span) -> int:
        """Queries for one text of a span, filled up: `[room * group]` rows are safe, whatever the group."""
        return -(-span.longest // KEY_STEP) * KEY_STEP if self.rows.exact else span.longest

    def _attend(self, part: Kept, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        count, queries, keys = part.q.shape[0], part.q.shape[1], part.k.shape[1]
        if count * queries * keys <= KEPT_SCORES:
            return attend(part.q, part.k, part.v, mask, self.scale, exact=self.rows.exact)
        step = max(1, MOST_SCORES // (queries * keys))
        mixed = [
            mix(q, k, v, mask, self.scale, exact=self.rows.exact)
            for q, k, v in zip(
                *(torch.split(tensor, step) for tensor in (part.q, part.k, part.v)), strict=True
            )
        ]
        return torch.cat(mixed), None

    def _slopes(
        self, part: Kept, do: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if part.p is not None:
            return _slopes(part.q, part.k, part.v, part.p, do, self.scale)
        step = max(1, MOST_SCORES // (part.q.shape[1] * part.k.shape[1]))
        found = []
        parts = (torch.split(tensor, step) for tensor in (part.q, part.k, part.v, do))
        for q, k, v, slope in zip(*parts, strict=True):
            p = attend(q, k, v, mask, self.scale, exact=self.rows.exact)[1]
            found.append(_slopes(q, k, v, p, slope, self.scale))
        dq, dk, dv = zip(*found, strict=True)
        return torch.cat(dq), torch.cat(dk), torch.cat(dv)

    def _mask(self, room: int, like: torch.Tensor) -> torch.Tensor:
        """0 where a query may look, else -inf: `[1, group * room, keys]`."""
        keys = key_room(room, exact=self.rows.exact)
        if (room, keys) not in self._masks:
            group = self.config.num_heads // self.config.num_kv_heads
            mask = like.new_full((room, keys), float("-inf")).triu_(1)
            self._masks[room, keys] = mask.repeat(group, 1).unsqueeze(0)
        return self._masks[room, keys]

    def _place(self, number: int, span: Span, room: int, like: torch.Tensor) -> torch.Tensor | None:
        """Where each of the span's rows lies among `[texts * room]`; None where they lie as they are."""
        if all(length == room for length in span.lengths):
            return None
        if number not in self._places:
            places = [torch.arange(n) + room * text for text, n in enumerate(span.lengths)]
            self._places[number] = torch.cat(places).to(like.device)
        return self._places[number]

    def _spread(self, number: int, span: Span, x: torch.Tensor, room: int) -> torch.Tensor:
        """`[rows, ...]` to `[texts * room, ...]`, with zeros between."""
        place = self._place(number, span, room, x)
        if place is None:
            return x
        spread = x.new_zeros(len(span.lengths) * room, *x.shape[1:])
        return spread.index_copy_(0, place, x)

    def _queries(self, number: int, span: Span, q: torch.Tensor, room: int) -> torch.Tensor:
        """`[rows, heads, D]` to `[texts * kv_heads, group * room, D]`."""
        config, texts = self.config, len(span.lengths)
        group = config.num_heads // config.num_kv_heads
        spread = self._spread(number, span, q, room)
        split = spread.view(texts, room, config.num_kv_heads, group, config.head_dim)
        return split.permute(0, 2, 3, 1, 4).reshape(
            texts * config.num_kv_heads, group * room, config.head_dim
        )

    def _keys(self, number: int, span: Span, k: torch.Tensor, room: int) -> torch.Tensor:
        """`[rows, kv_heads, D]` to `[texts * kv_heads, keys, D]`."""
        config, texts = self.config, len(span.lengths)
        spread = self._spread(number, span, k, room).view(texts, room, config.num_kv_heads, config.head_dim)
        turned = spread.permute(0, 2, 1, 3)
        missing = key_room(room, exact=self.rows.exact) - room
        if missing:
            turned = F.pad(turned, (0, 0, 0, missing))
        return turned.reshape(texts * config.num_kv_heads, room + missing, config.head_dim)

    def _flat(self, number: int, span: Span, mixed: torch.Tensor, room: int) -> torch.Tensor:
        """`[texts * kv_heads, group * room, D]` to `[rows, heads * D]`."""
        config, texts = self.config, len(span.lengths)
        group = config.num_heads // config.num_kv_heads
        split = mixed.view(texts, config.num_kv_heads, group, room, config.head_dim).permute(0, 3, 1, 2, 4)
        rows = split.reshape(texts * room, config.num_heads * config.head_dim)
        place = self._place(number, span, room, mixed)
        return rows if place is None else rows.index_select(0, place)

    def _flat_keys(self, number: int, span: Span, dk: torch.Tensor, room: int) -> torch.Tensor:
        """`[texts * kv_heads, keys, D]` to `[rows, kv_heads, D]`."""
        config, texts = self.config, len(span.lengths)
        split = dk.view(texts, config.num_kv_heads, -1, config.head_dim)[:, :, :room].permute(0, 2, 1, 3)
        rows = split.reshape(texts * room, config.num_kv_heads, config.head_dim)
        place = self._place(number, span, room, dk)
        return rows if place is None else rows.index_select(0, place)


def _slopes(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, p: torch.Tensor, do: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients of `q`, `k` and `v` of one `attend`."""
    dv = torch.bmm(p.transpose(1, 2), do)
    dp = torch.bmm(do, v.transpose(1, 2))
    ds = torch.ops.aten._softmax_backward_data(dp, p, -1, p.dtype).mul_(scale)
    return torch.bmm(ds, k), torch.bmm(ds.transpose(1, 2), q), dv
