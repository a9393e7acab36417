"""Small GGUF files, written from models of transformers as llama.cpp's converter does."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np

ARCHS = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "qwen3_moe": "qwen3moe"}
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp",
}
Kind = gguf.GGMLQuantizationType


def write_gguf(
    path: Path, model: Any, *, kind: Kind = Kind.F32, metadata: dict[str, Any] | None = None, extra: Any = ()
) -> Path:
    """Write a model's weights and settings, more `metadata` and `extra` tensors; None takes a key out."""
    config = model.config
    writer = gguf.GGUFWriter(path, ARCHS[config.model_type])
    for key, value in (described(config) | (metadata or {})).items():
        if value is not None:
            add(writer, key.replace("{arch}", ARCHS[config.model_type]), value)
    for name, weight in [*named_tensors(model), *extra]:
        fits = weight.ndim > 1 and weight.shape[-1] % 32 == 0
        stored = gguf.quantize(weight, kind) if fits else weight
        writer.add_tensor(name, stored, raw_dtype=kind if fits else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def described(config: Any) -> dict[str, Any]:
    """The metadata of a model."""
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    said = {
        "{arch}.context_length": config.max_position_embeddings,
        "{arch}.embedding_length": config.hidden_size,
        "{arch}.feed_forward_length": config.intermediate_size,
        "{arch}.block_count": config.num_hidden_layers,
        "{arch}.attention.head_count": config.num_attention_heads,
        "{arch}.attention.head_count_kv": config.num_key_value_heads,
        "{arch}.attention.key_length": head_dim,
        "{arch}.attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "{arch}.rope.freq_base": float(config.rope_parameters["rope_theta"]),
        "{arch}.rope.dimension_count": head_dim,
        "{arch}.vocab_size": config.vocab_size,
    }
    if config.model_type == "qwen3_moe":
        said |= {
            "{arch}.expert_count": config.num_experts,
            "{arch}.expert_used_count": config.num_experts_per_tok,
            "{arch}.expert_feed_forward_length": config.moe_intermediate_size,
        }
    return said


def add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    """Add a value by its type in Python."""
    adders = {bool: "add_bool", int: "add_uint32", float: "add_float32", str: "add_string", list: "add_array"}
    getattr(writer, adders[type(value)])(key, value)


def named_tensors(model: Any) -> Any:
    """Names and arrays of a model's weights; queries and keys of llama in pairs, experts by projection."""
    config = model.config
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for name, weight in model.state_dict().items():
        array = weight.numpy().astype(np.float32)
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        before, _, rest = name.rpartition("layers.")
        layer, _, rest = rest.partition(".") if before else ("", "", name)
        prefix = f"blk.{layer}." if before else ""
        if rest == "mlp.experts.gate_up_proj":
            gate, up = np.split(array, 2, axis=1)
            yield f"{prefix}ffn_gate_exps.weight", np.ascontiguousarray(gate)
            yield f"{prefix}ffn_up_exps.weight", np.ascontiguousarray(up)
        elif rest == "mlp.experts.down_proj":
            yield f"{prefix}ffn_down_exps.weight", array
        else:
            part, _, kind = rest.rpartition(".")
            if config.model_type == "llama" and NAMES[part] in heads:
                array = paired(array, heads[NAMES[part]])
            yield f"{prefix}{NAMES[part]}.{kind}", array


def paired(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of two halves per head, interleaved."""
    halves = rows.reshape(heads, 2, -1, rows.shape[-1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows.shape))
