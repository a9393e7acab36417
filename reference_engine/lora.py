"""LoRA adapters: which matrices, where their numbers lie, how they start, what they add.

All numbers of an adapter lie in one flat float32 vector, so that an optimizer step, a gradient norm, a
snapshot and a checkpoint are one operation each. Several adapters of one shape are stacked to `[S, P]` and
used in one batch.

Geometry: `train_attn` adapts query, key, value and output projections, `train_mlp` gate, up and down of
every feed-forward (of experts with the factor on the hidden side shared by all experts), `train_unembed`
the output head, a tied one included: the delta is on the output alone. Source: tinker-cookbook 0.6.1
tests/downstream_compat/test_cli_and_hyperparam.py (counts) and tests/weights/conftest.py (experts). The
scale is alpha / rank with alpha 32. Source: tinker-cookbook 0.6.1 weights/README.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch

from contract import LoraConfig
from reference_engine.config import Experts, ModelConfig

__all__ = ["ALPHA", "Adapter", "AdapterLayout", "ExpertsPart", "LayerPart", "Matrix", "Part", "Views"]

ALPHA = 32.0
"""Source: tinker-cookbook 0.6.1 weights/README.md."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One factor of one adapted projection."""

    name: str
    """As in a model's state, for example `model.layers.0.self_attn.q_proj.lora_A`."""
    shape: tuple[int, ...]
    """`[rank, in]` for A, `[out, rank]` for B; experts have one more dimension in front, 1 where shared."""
    offset: int
    """Where it starts in the flat vector."""

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    @property
    def is_a(self) -> bool:
        """Whether it is the factor on the input's side, which starts random."""
        return self.name.endswith("lora_A")


@dataclass(frozen=True, slots=True)
class Part:
    """The factors of projections that share their input: `[S, k * rank, in]` and k of `[S, out, rank]`."""

    a: torch.Tensor
    b: tuple[torch.Tensor, ...]


@dataclass(frozen=True, slots=True)
class ExpertsPart:
    """The factors of a layer's experts."""

    gate_up_a: torch.Tensor
    """`[S, 2 * rank, hidden]`, shared by all experts."""
    gate_b: torch.Tensor
    """`[S, E, inner, rank]`."""
    up_b: torch.Tensor
    """`[S, E, inner, rank]`."""
    down_a: torch.Tensor
    """`[S, E, rank, inner]`."""
    down_b: torch.Tensor
    """`[S, hidden, rank]`, shared by all experts."""


@dataclass(frozen=True, slots=True)
class LayerPart:
    """One layer's adapted projections; None where they are not."""

    qkv: Part | None
    out: Part | None
    gate_up: Part | None
    down: Part | None
    experts: ExpertsPart | None


@dataclass(frozen=True, slots=True)
class Views:
    """A stack `[S, P]` of adapters, seen as matrices."""

    layers: tuple[LayerPart, ...]
    head: Part | None


@dataclass(frozen=True)
class AdapterLayout:
    """Where an adapter's matrices lie."""

    config: ModelConfig
    rank: int
    train_attn: bool
    train_mlp: bool
    train_unembed: bool

    @classmethod
    def of(cls, config: ModelConfig, lora: LoraConfig) -> "AdapterLayout":
        """The layout that a request asks for."""
        return cls(config, lora.rank, lora.train_attn, lora.train_mlp, lora.train_unembed)

    @property
    def key(self) -> tuple[int, bool, bool, bool]:
        """Equal for adapters of one base model that can be stacked."""
        return self.rank, self.train_attn, self.train_mlp, self.train_unembed

    @property
    def scale(self) -> float:
        """What the product of the factors is multiplied by."""
        return ALPHA / self.rank

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """All matrices, in the order of the flat vector."""
        found: list[Matrix] = []
        offset = 0
        for name, shape in self._shapes():
            found.append(Matrix(name, shape, offset))
            offset += found[-1].size
        return tuple(found)

    @cached_property
    def size(self) -> int:
        """How many numbers an adapter has."""
        last = self.matrices[-1]
        return last.offset + last.size

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        config, hidden = self.config, self.config.hidden_size
        queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        for index in range(config.num_layers):
            layer = f"model.layers.{index}"
            if self.train_attn:
                outs = {"q_proj": queries, "k_proj": keys, "v_proj": keys}
                yield from self._group(f"{layer}.self_attn", outs, hidden)
                yield from self._group(f"{layer}.self_attn", {"o_proj": hidden}, queries)
            experts = config.experts_of(index)
            if self.train_mlp and experts is not None:
                yield from self._experts(f"{layer}.mlp.experts", experts)
            elif self.train_mlp:
                inner = config.intermediate_size
                yield from self._group(f"{layer}.mlp", {"gate_proj": inner, "up_proj": inner}, hidden)
                yield from self._group(f"{layer}.mlp", {"down_proj": hidden}, inner)
        if self.train_unembed:
            yield from self._group("model", {"unembed_tokens": config.vocab_size}, hidden)

    def _group(self, where: str, outs: dict[str, int], inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Projections of one input: their A in a row, so that they are one matrix, then their B."""
        for name in outs:
            yield f"{where}.{name}.lora_A", (self.rank, inputs)
        for name, out in outs.items():
            yield f"{where}.{name}.lora_B", (out, self.rank)

    def _experts(self, where: str, experts: Experts) -> Iterator[tuple[str, tuple[int, ...]]]:
        hidden = self.config.hidden_size
        count, inner = experts.count, experts.intermediate_size
        for name in ("w1", "w3"):
            yield f"{where}.{name}.lora_A", (1, self.rank, hidden)
        for name in ("w1", "w3"):
            yield f"{where}.{name}.lora_B", (count, inner, self.rank)
        yield f"{where}.w2.lora_A", (count, self.rank, inner)
        yield f"{where}.w2.lora_B", (1, hidden, self.rank)

    def views(self, stack: torch.Tensor) -> Views:
        """A stack `[S, P]` as matrices; nothing is copied."""
        config = self.config
        at = iter(self.matrices)

        def take(count: int) -> list[Matrix]:
            return [next(at) for _ in range(count)]

        def group(projections: int) -> Part:
            first = take(projections)
            a = _view(stack, first[0].offset, (projections * self.rank, first[0].shape[1]))
            return Part(a, tuple(_view(stack, m.offset, m.shape) for m in take(projections)))

        layers = []
        for index in range(config.num_layers):
            qkv, out = (group(3), group(1)) if self.train_attn else (None, None)
            gate_up = down = experts = None
            if self.train_mlp and config.experts_of(index) is not None:
                experts = self._experts_part(stack, take(6))
            elif self.train_mlp:
                gate_up, down = group(2), group(1)
            layers.append(LayerPart(qkv, out, gate_up, down, experts))
        return Views(tuple(layers), group(1) if self.train_unembed else None)

    def _experts_part(self, stack: torch.Tensor, found: Sequence[Matrix]) -> ExpertsPart:
        gate_a, _, gate_b, up_b, down_a, down_b = found
        return ExpertsPart(
            gate_up_a=_view(stack, gate_a.offset, (2 * self.rank, gate_a.shape[2])),
            gate_b=_view(stack, gate_b.offset, gate_b.shape),
            up_b=_view(stack, up_b.offset, up_b.shape),
            down_a=_view(stack, down_a.offset, down_a.shape),
            down_b=_view(stack, down_b.offset, down_b.shape[1:]),
        )

    def fresh(self, seed: int) -> torch.Tensor:
        """A new adapter's numbers `[P]`, float32 on the CPU: A uniform in ±1/sqrt(in), B zero.

        One generator, in the order of the matrices: the same on every machine and device.
        Source: peft 0.21.2 tuners/lora/layer.py, `reset_lora_parameters` (kaiming uniform with a = sqrt 5).
        """
        generator = torch.Generator().manual_seed(seed)
        flat = torch.zeros(self.size)
        for matrix in self.matrices:
            if matrix.is_a:
                bound = matrix.shape[-1] ** -0.5
                drawn = torch.rand(matrix.size, generator=generator)
                flat[matrix.offset : matrix.offset + matrix.size] = (drawn * 2 - 1) * bound
        return flat


def _view(stack: torch.Tensor, offset: int, shape: tuple[int, ...]) -> torch.Tensor:
    return stack[:, offset : offset + prod(shape)].view(stack.shape[0], *shape)


@dataclass(frozen=True, eq=False)
class Adapter:
    """An adapter's numbers at one moment; never changed once made."""

    layout: AdapterLayout
    flat: torch.Tensor
    """`[P]`, float32."""

    @cached_property
    def views(self) -> Views:
        """The numbers as matrices, a stack of one."""
        return self.layout.views(self.flat.unsqueeze(0))

    def views_as(self, dtype: torch.dtype) -> Views:
        """The matrices in the dtype that a model computes in."""
        if dtype == self.flat.dtype:
            return self.views
        return self.layout.views(self.flat.to(dtype).unsqueeze(0))
