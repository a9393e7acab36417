"""Small random models of every family, made by transformers: the oracle of what a folder says."""

from dataclasses import dataclass
from typing import Any

import torch
import transformers

SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@dataclass(frozen=True)
class Variant:
    """A family with some settings."""

    name: str
    family: str
    settings: dict[str, Any]

    def build(self, *, seed: int = 0) -> Any:
        """A model with random weights, all of them: norms and biases too."""
        config = getattr(transformers, f"{self.family}Config")(**SIZES | self.settings)
        model = getattr(transformers, f"{self.family}ForCausalLM")(config).eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(generator=generator).mul_(0.1)
        return model


VARIANTS = [
    Variant("llama", "Llama", {}),
    Variant("llama tied", "Llama", {"tie_word_embeddings": True, "num_key_value_heads": 4}),
    Variant("llama3", "Llama", {"rope_parameters": LLAMA3, "head_dim": 16, "eos_token_id": [3, 5]}),
    Variant("qwen2", "Qwen2", {"rms_norm_eps": 1e-5}),
    Variant("qwen2 tied", "Qwen2", {"tie_word_embeddings": True, "eos_token_id": 7}),
    Variant("qwen3", "Qwen3", {"head_dim": 16, "rope_parameters": {"rope_theta": 1e6}}),
    Variant("qwen3 tied", "Qwen3", {"head_dim": 16, "tie_word_embeddings": True}),
    Variant(
        "qwen3_moe",
        "Qwen3Moe",
        {
            "head_dim": 16,
            "num_hidden_layers": 3,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "norm_topk_prob": True,
            "mlp_only_layers": [1],
        },
    ),
    Variant(
        "qwen3_moe step 2",
        "Qwen3Moe",
        {"num_experts": 4, "moe_intermediate_size": 24, "decoder_sparse_step": 2, "num_experts_per_tok": 1},
    ),
]
VARIANT = {variant.name: variant for variant in VARIANTS}
