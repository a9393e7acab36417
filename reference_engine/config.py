"""What a model is: the numbers of a decoder-only transformer, and nothing of its weights.

Source of the fields and their defaults: transformers 5.23.0
models/{llama,qwen2,qwen3,qwen3_moe}/configuration_*.py.
"""

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["ARCHITECTURES", "Architecture", "Experts", "ModelConfig", "RopeScaling"]

Architecture = Literal["llama", "qwen2", "qwen3", "qwen3_moe"]
"""`model_type` of a Hugging Face `config.json`."""
ARCHITECTURES: tuple[str, ...] = get_args(Architecture)


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """Llama 3's stretched rotary embedding. Source: transformers 5.23.0 modeling_rope_utils.py, `llama3`."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context: int
    """`original_max_position_embeddings`."""


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture-of-experts feed-forward: `count` experts, `per_token` of them for each token."""

    count: int
    per_token: int
    intermediate_size: int
    """Inner width of one expert."""
    normalize: bool
    """`norm_topk_prob`: whether the chosen experts' weights are made to sum to 1."""
    layers: tuple[int, ...]
    """The layers that have experts; the others are dense."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A decoder-only transformer with RMS norms, rotary positions and a gated SiLU feed-forward."""

    arch: Architecture
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    max_context_length: int
    norm_eps: float = 1e-6
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    tied_head: bool = False
    """Whether the output head is the embedding matrix."""
    qkv_bias: bool = False
    """Whether query, key and value projections have biases (Qwen2)."""
    qk_norm: bool = False
    """Whether queries and keys are RMS-normed per head (Qwen3)."""
    experts: Experts | None = None
    end_of_text_ids: tuple[int, ...] = ()
    """Tokens that end a sequence."""

    def experts_of(self, layer: int) -> Experts | None:
        """The experts of a layer; None where its feed-forward is dense."""
        return self.experts if self.experts is not None and layer in self.experts.layers else None
