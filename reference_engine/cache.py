"""Keys and values of running sequences, and attention over them.

A sequence has a slot; running ones have the first slots, so a decoding step reads them without a copy. Rooms
grow in blocks; what lies behind a sequence's last token is finite and masked.
"""

from collections.abc import Sequence

import torch

from reference_engine.attention import CausalAttention, key_room, mix
from reference_engine.config import ModelConfig
from reference_engine.linear import Rows

__all__ = ["DecodeAttention", "KeyValueCache", "PrefillAttention", "ResumedAttention", "Stored"]

SLOT_STEP = 4
"""Slots come in fours, so that rows that only fill up a batch have one too."""
ROOM_STEP = 128

Stored = list[tuple[torch.Tensor, torch.Tensor]]
"""One sequence's keys and values in each layer, `[kv_heads, L, D]`."""


class KeyValueCache:
    """The keys and values of all slots."""

    def __init__(self, config: ModelConfig, device: torch.device, dtype: torch.dtype) -> None:
        self.config = config
        self._device, self._dtype = device, dtype
        self.slots = self.room = 0
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []

    def reserve(self, slots: int, room: int) -> None:
        """Have at least that many slots, each for at least `room` tokens."""
        if slots <= self.slots and room <= self.room:
            return
        slots = max(self.slots, -(-slots // SLOT_STEP) * SLOT_STEP)
        room = max(self.room, -(-room // ROOM_STEP) * ROOM_STEP)
        shape = (slots, self.config.num_kv_heads, room, self.config.head_dim)
        self._keys, self._values = self._grown(self._keys, shape), self._grown(self._values, shape)
        self.slots, self.room = slots, room

    def _grown(self, buffers: list[torch.Tensor], shape: tuple[int, ...]) -> list[torch.Tensor]:
        grown = [
            torch.zeros(shape, device=self._device, dtype=self._dtype) for _ in range(self.config.num_layers)
        ]
        for new, old in zip(grown, buffers, strict=False):
            new[: old.shape[0], :, : old.shape[2]] = old
        return grown

    def clear(self) -> None:
        """Give the memory back."""
        self.slots = self.room = 0
        self._keys, self._values = [], []

    def places(self, slots: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Where tokens' keys lie in a layer: `[T]` slots and positions to `[T * kv_heads]`."""
        heads = self.config.num_kv_heads
        first = (slots * heads).unsqueeze(1) + torch.arange(heads, device=self._device)
        return (first * self.room + positions.unsqueeze(1)).view(-1)

    def write(self, layer: int, places: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
        """Keep keys and values `[T, kv_heads, D]`."""
        width = self.config.head_dim
        self._keys[layer].view(-1, width).index_copy_(0, places, k.reshape(-1, width))
        self._values[layer].view(-1, width).index_copy_(0, places, v.reshape(-1, width))

    def read(self, layer: int, slots: slice, room: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of neighbouring slots, `[slots * kv_heads, room, D]`; nothing is copied."""
        heads = self.config.num_kv_heads
        rows = slice(slots.start * heads, slots.stop * heads)
        k, v = self._keys[layer].flatten(0, 1), self._values[layer].flatten(0, 1)
        return k[rows, :room], v[rows, :room]

    def copy(self, source: int, targets: Sequence[int], length: int) -> None:
        """Give other slots what one slot has."""
        into = torch.tensor(targets, device=self._device)
        for buffer in (*self._keys, *self._values):
            # Without its own memory, a slot that is full is refused: source and targets are then one block.
            buffer[into, :, :length] = buffer[source, :, :length].clone()

    def erase(self, slot: int) -> None:
        """Make a slot finite again: masked keys count nothing only where they are numbers."""
        for buffer in (*self._keys, *self._values):
            buffer[slot : slot + 1].zero_()

    def stored(self, slot: int, length: int) -> Stored:
        """A copy of a slot's first tokens."""
        return [
            (k[slot, :, :length].clone(), v[slot, :, :length].clone())
            for k, v in zip(self._keys, self._values, strict=True)
        ]

    def restore(self, slot: int, stored: Stored, length: int) -> None:
        """Put the first `length` tokens of a copy into a slot."""
        for layer, (k, v) in enumerate(stored):
            self._keys[layer][slot, :, :length] = k[:, :length]
            self._values[layer][slot, :, :length] = v[:, :length]


class PrefillAttention:
    """Attention over whole prompts, whose keys and values are kept."""

    def __init__(self, inner: CausalAttention, cache: KeyValueCache, places: torch.Tensor) -> None:
        self._inner = inner
        self._cache = cache
        self._places = places

    def forward(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, None]:
        """`q` `[T, heads, D]`, `k` and `v` `[T, kv_heads, D]` to `[T, heads * D]`."""
        self._cache.write(layer, self._places, k, v)
        return self._inner.forward(layer, q, k, v)[0], None


class ResumedAttention:
    """Attention of one prompt's later tokens over all its tokens, the first of which are in the cache."""

    def __init__(self, cache: KeyValueCache, slot: int, start: int, places: torch.Tensor, rows: Rows) -> None:
        self._cache = cache
        self._slot = slot
        self._start = start
        self._places = places
        self._rows = rows
        self._mask: torch.Tensor | None = None

    def forward(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, None]:
        """`q` `[T, heads, D]`, `k` and `v` `[T, kv_heads, D]` to `[T, heads * D]`."""
        self._cache.write(layer, self._places, k, v)
        config, count = self._cache.config, q.shape[0]
        group = config.num_heads // config.num_kv_heads
        room = key_room(self._start + count, exact=self._rows.exact)
        keys, values = self._cache.read(layer, slice(self._slot, self._slot + 1), room)
        split = q.view(count, config.num_kv_heads, group, config.head_dim).permute(1, 2, 0, 3)
        flat = split.reshape(config.num_kv_heads, group * count, config.head_dim)
        queries = self._rows.fill(flat, config.head_dim * room)
        if self._mask is None:
            self._mask = self._masked(q, count, group, room, queries.shape[1])
        mixed = mix(queries, keys, values, self._mask, config.head_dim**-0.5, exact=self._rows.exact)
        own = mixed[:, : group * count].view(config.num_kv_heads, group, count, config.head_dim)
        return own.permute(2, 0, 1, 3).reshape(count, -1), None

    def _masked(self, like: torch.Tensor, count: int, group: int, room: int, filled: int) -> torch.Tensor:
        """0 where a query may look, else -inf, `[1, filled, room]`; rows that fill up may look anywhere."""
        visible = like.new_full((count, room), float("-inf")).triu_(1 + self._start)
        mask = like.new_zeros(1, filled, room)
        mask[0, : group * count] = visible.repeat(group, 1)
        return mask


class DecodeAttention:
    """Attention of one new token of each running sequence over its own tokens; row i is slot i's."""

    def __init__(self, cache: KeyValueCache, positions: torch.Tensor, longest: int, rows: Rows) -> None:
        count = positions.shape[0]
        slots = torch.arange(count, device=positions.device)
        self._cache = cache
        self._rows = rows
        self._slots = slice(0, count)
        self._places = cache.places(slots, positions)
        self._room = key_room(longest, exact=rows.exact)
        self._hidden = torch.arange(self._room, device=positions.device) > positions.unsqueeze(1)
        self._mask: torch.Tensor | None = None

    def forward(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, None]:
        """`q` `[T, heads, D]`, `k` and `v` `[T, kv_heads, D]` to `[T, heads * D]`."""
        self._cache.write(layer, self._places, k, v)
        config, count = self._cache.config, q.shape[0]
        group = config.num_heads // config.num_kv_heads
        keys, values = self._cache.read(layer, self._slots, self._room)
        split = q.reshape(count * config.num_kv_heads, group, config.head_dim)
        queries = self._rows.fill(split, config.head_dim * self._room)
        if self._mask is None:
            mask = torch.zeros(self._hidden.shape, dtype=q.dtype, device=q.device)
            mask.masked_fill_(self._hidden, float("-inf"))
            self._mask = mask.repeat_interleave(config.num_kv_heads, 0).unsqueeze(1)
        mixed = mix(queries, keys, values, self._mask, config.head_dim**-0.5, exact=self._rows.exact)
        return mixed[:, :group].reshape(count, -1), None
