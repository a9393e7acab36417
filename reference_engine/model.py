"""`Transformer`: a frozen decoder-only model, run forward to sample, forward and backward to train.

One file knows the layers' order. There is no autograd: the backward pass is written out, which is faster
for small models, holds only what it needs, and adds adapters' gradients straight into their flat vector.
Shapes: T rows of a flat batch of tokens, H hidden, V vocabulary.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F

from reference_engine.config import ModelConfig
from reference_engine.deltas import Delta, OneDelta
from reference_engine.experts import ExpertsKept, MixtureOfExperts
from reference_engine.linear import FrozenLinear, Rows
from reference_engine.lora import Views
from reference_engine.norm import rms_norm_backward
from reference_engine.pieces import Pieces
from reference_engine.rope import Rope, rotate_back

__all__ = ["Attention", "Mixer", "Tape", "Transformer"]

Tensors = Mapping[str, torch.Tensor]
Only = tuple[torch.Tensor, Delta]


class Mixer(Protocol):
    """Mixes values over a batch's texts."""

    def forward(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, Any]:
        """`q` `[T, heads, D]`, `k` and `v` `[T, kv_heads, D]` to `[T, heads * D]` and what backward needs."""
        ...


class Attention(Mixer, Protocol):
    """A mixer for training."""

    def backward(self, do: torch.Tensor, kept: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The gradients of `q`, `k` and `v` from that of the output."""
        ...


@dataclass(slots=True)
class LayerTape:
    """What one layer's backward pass needs."""

    x: torch.Tensor
    inverse: torch.Tensor
    normed: torch.Tensor
    narrow_qkv: torch.Tensor | None
    unnormed: torch.Tensor | None
    """Queries and keys before their norm, `[T, heads + kv_heads, D]`."""
    inverse_qk: torch.Tensor | None
    attention: Any
    mixed: torch.Tensor
    narrow_out: torch.Tensor | None
    middle: torch.Tensor
    inverse_mlp: torch.Tensor
    normed_mlp: torch.Tensor
    mlp: "MlpTape | ExpertsKept"


@dataclass(slots=True)
class MlpTape:
    """What a dense feed-forward's backward pass needs."""

    both: torch.Tensor
    inner: torch.Tensor
    narrow: torch.Tensor | None
    narrow_down: torch.Tensor | None


@dataclass(slots=True)
class Tape:
    """What a backward pass needs."""

    layers: list[LayerTape]
    cos: torch.Tensor
    sin: torch.Tensor
    last: torch.Tensor
    """The last layer's output `[T, H]`."""
    inverse: torch.Tensor


class Layer:
    """One layer's frozen weights."""

    def __init__(self, config: ModelConfig, index: int, tensors: Tensors, rows: Rows) -> None:
        name = f"model.layers.{index}"
        self.norm = tensors[f"{name}.input_layernorm.weight"]
        self.norm_mlp = tensors[f"{name}.post_attention_layernorm.weight"]
        attn = f"{name}.self_attn"
        projections = [f"{attn}.{p}_proj" for p in "qkv"]
        bias = torch.cat([tensors[f"{p}.bias"] for p in projections]) if config.qkv_bias else None
        self.qkv = FrozenLinear(torch.cat([tensors[f"{p}.weight"] for p in projections]), bias, rows)
        self.out = FrozenLinear(tensors[f"{attn}.o_proj.weight"], None, rows)
        self.qk_norm: torch.Tensor | None = None
        if config.qk_norm:
            heads = (config.num_heads, config.num_kv_heads)
            gains = [
                tensors[f"{attn}.{p}_norm.weight"].expand(n, -1) for p, n in zip("qk", heads, strict=True)
            ]
            self.qk_norm = torch.cat(gains)  # [heads + kv_heads, D]
        mlp = f"{name}.mlp"
        self.experts: MixtureOfExperts | None = None
        experts = config.experts_of(index)
        if experts is not None:
            stacks = (tensors[f"{mlp}.experts.gate_up_proj"], tensors[f"{mlp}.experts.down_proj"])
            self.experts = MixtureOfExperts(experts, tensors[f"{mlp}.gate.weight"], *stacks, rows)
        else:
            pair = [tensors[f"{mlp}.{p}_proj.weight"] for p in ("gate", "up")]
            self.gate_up = FrozenLinear(torch.cat(pair), None, rows)
            self.down = FrozenLinear(tensors[f"{mlp}.down_proj.weight"], None, rows)


class Transformer:
    """A model's frozen weights, ready to run."""

    def __init__(
        self, config: ModelConfig, tensors: Tensors, rows: Rows, pieces: Pieces | None = None
    ) -> None:
        self.config = config
        self.rows = rows
        self._pieces = pieces or Pieces()
        self.embedding = tensors["model.embed_tokens.weight"]
        self.device, self.dtype = self.embedding.device, self.embedding.dtype
        self._layers = [Layer(config, index, tensors, rows) for index in range(config.num_layers)]
        self._norm = tensors["model.norm.weight"]
        head = self.embedding if config.tied_head else tensors["lm_head.weight"]
        self._head = FrozenLinear(head, None, rows)
        self._rope = Rope(config, self.device, self.dtype)
        self._queries = config.num_heads * config.head_dim
        self._keys = config.num_kv_heads * config.head_dim

    def forward(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        attention: Mixer,
        delta: Delta,
        *,
        tape: bool = False,
        only: Only | None = None,
    ) -> tuple[torch.Tensor, Tape | None]:
        """The normed last hidden states `[T, H]` of `tokens` `[T]` at `positions` `[T]`; a tape if asked.

        With `only`, rows `[m]` and their delta, just those rows' `[m, H]`: the last layer is spared the
        others. Not with a tape.
        """
        cos, sin = self._rope.at(positions)
        x = self.embedding.index_select(0, tokens)
        tapes: list[LayerTape] = []
        for index, layer in enumerate(self._layers):
            rows = only if index == len(self._layers) - 1 else None
            x, kept = self._forward_layer(index, layer, x, cos, sin, attention, delta, rows)
            if tape:
                tapes.append(kept)
        hidden, inverse = self._pieces.norm(x, self._norm, self.config.norm_eps)
        return hidden, Tape(tapes, cos, sin, x, inverse) if tape else None

    def _forward_layer(
        self,
        index: int,
        layer: Layer,
        x: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        attention: Mixer,
        delta: Delta,
        only: Only | None,
    ) -> tuple[torch.Tensor, LayerTape]:
        eps = self.config.norm_eps
        normed, inverse = self._pieces.norm(x, layer.norm, eps)
        qkv = layer.qkv.forward(normed)  # [T, (heads + 2 kv_heads) * D]
        narrow_qkv = delta.add(qkv, normed, index, "qkv")
        rows = x.shape[0]
        qk = qkv[:, : self._queries + self._keys].view(rows, -1, self.config.head_dim)
        unnormed = inverse_qk = None
        if layer.qk_norm is not None:
            unnormed = qk
            qk, inverse_qk = self._pieces.norm(qk, layer.qk_norm, eps)
        qk = self._pieces.rotate(qk, cos, sin)
        heads = self.config.num_heads
        v = qkv[:, self._queries + self._keys :].view(rows, -1, self.config.head_dim)
        mixed, kept = attention.forward(index, qk[:, :heads], qk[:, heads:], v)
        if only is not None:
            chosen, delta = only
            x, mixed = x.index_select(0, chosen), mixed.index_select(0, chosen)
        out = layer.out.forward(mixed)
        narrow_out = delta.add(out, mixed, index, "out")
        middle = out.add_(x)
        normed_mlp, inverse_mlp = self._pieces.norm(middle, layer.norm_mlp, eps)
        y, mlp = self._forward_mlp(index, layer, normed_mlp, delta)
        tape = LayerTape(
            x,
            inverse,
            normed,
            narrow_qkv,
            unnormed,
            inverse_qk,
            kept,
            mixed,
            narrow_out,
            middle,
            inverse_mlp,
            normed_mlp,
            mlp,
        )
        return y.add_(middle), tape

    def _forward_mlp(
        self, index: int, layer: Layer, x: torch.Tensor, delta: Delta
    ) -> tuple[torch.Tensor, MlpTape | ExpertsKept]:
        if layer.experts is not None:
            return layer.experts.forward(x, delta, index)
        both = layer.gate_up.forward(x)
        narrow = delta.add(both, x, index, "gate_up")
        inner = self._pieces.swiglu(both)
        y = layer.down.forward(inner)
        return y, MlpTape(both, inner, narrow, delta.add(y, inner, index, "down"))

    def merged(self, views: Views, scale: float) -> "Transformer":
        """The model with an adapter's products added to its weights; what is not adapted is shared.

        Dense models only. Its numbers differ from the adapter's own path by rounding.
        """
        twin = copy(self)
        twin._layers = []
        for layer, part in zip(self._layers, views.layers, strict=True):
            own = copy(layer)
            for name in ("qkv", "out", "gate_up", "down"):
                adapted = getattr(part, name)
                if adapted is not None:
                    pieces = [b[0] for b in adapted.b]
                    setattr(own, name, getattr(layer, name).merged(adapted.a[0], pieces, scale))
            twin._layers.append(own)
        if views.head is not None:
            twin._head = self._head.merged(views.head.a[0], [views.head.b[0][0]], scale)
        return twin

    def logits(self, hidden: torch.Tensor, delta: Delta) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scores of all tokens `[T, V]`, float32; and the head's scaled narrow product for backward."""
        scores = self._head.forward(hidden)
        narrow = delta.add(scores, hidden, -1, "head")
        return scores.float(), narrow

    def head_backward(
        self, dlogits: torch.Tensor, hidden: torch.Tensor, narrow: torch.Tensor | None, delta: OneDelta
    ) -> torch.Tensor:
        """The gradient of the hidden states `[T, H]` from that of the logits `[T, V]`."""
        dlogits = dlogits.to(self.dtype)
        dx = self._head.backward(dlogits)
        delta.backward(dx, dlogits, hidden, narrow, -1, "head")
        return dx

    def backward(self, dhidden: torch.Tensor, tape: Tape, attention: Attention, delta: OneDelta) -> None:
        """Add the adapter's gradients, from the gradient of the hidden states `[T, H]`."""
        dx = rms_norm_backward(dhidden, tape.last, self._norm, tape.inverse)
        for index in reversed(range(len(self._layers))):
            kept = tape.layers[index]
            dx = self._backward_mlp(index, kept, dx, delta)
            dx = self._backward_attention(index, kept, dx, tape, attention, delta, last=index == 0)
            tape.layers.pop()

    def _backward_mlp(self, index: int, kept: LayerTape, dy: torch.Tensor, delta: OneDelta) -> torch.Tensor:
        layer = self._layers[index]
        if layer.experts is not None:
            assert isinstance(kept.mlp, ExpertsKept)
            dnormed = layer.experts.backward(dy, kept.mlp, delta, index)
        else:
            assert isinstance(kept.mlp, MlpTape)
            mlp = kept.mlp
            dinner = layer.down.backward(dy)
            delta.backward(dinner, dy, mlp.inner, mlp.narrow_down, index, "down")
            gate, up = mlp.both.chunk(2, -1)
            dboth = torch.empty_like(mlp.both)
            dgate, dup = dboth.chunk(2, -1)
            torch.mul(dinner, F.silu(gate), out=dup)
            dgate.copy_(torch.ops.aten.silu_backward(dinner.mul_(up), gate))
            dnormed = layer.gate_up.backward(dboth)
            delta.backward(dnormed, dboth, kept.normed_mlp, mlp.narrow, index, "gate_up")
        return rms_norm_backward(dnormed, kept.middle, layer.norm_mlp, kept.inverse_mlp).add_(dy)

    def _backward_attention(
        self,
        index: int,
        kept: LayerTape,
        dy: torch.Tensor,
        tape: Tape,
        attention: Attention,
        delta: OneDelta,
        *,
        last: bool,
    ) -> torch.Tensor:
        layer = self._layers[index]
        dmixed = layer.out.backward(dy)
        delta.backward(dmixed, dy, kept.mixed, kept.narrow_out, index, "out")
        dq, dk, dv = attention.backward(dmixed, kept.attention)
        dqk = rotate_back(torch.cat((dq, dk), 1), tape.cos, tape.sin)
        if layer.qk_norm is not None:
            assert kept.unnormed is not None
            assert kept.inverse_qk is not None
            dqk = rms_norm_backward(dqk, kept.unnormed, layer.qk_norm, kept.inverse_qk)
        dqkv = torch.cat((dqk, dv), 1).flatten(1)
        dnormed = None if last else layer.qkv.backward(dqkv)  # nothing is trained below the first layer
        delta.backward(dnormed, dqkv, kept.normed, kept.narrow_qkv, index, "qkv")
        if dnormed is None:
            return dy
        return rms_norm_backward(dnormed, kept.x, layer.norm, kept.inverse).add_(dy)
