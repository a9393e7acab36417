"""A GGUF file as a model: its metadata as a `ModelConfig`, its tensors under the names of Hugging Face.

The file is read by the package `gguf` (extra `gguf`), which knows its layout and its quantized types.
Source of keys and tensor names: gguf 0.19.0 constants.py; of what they mean: github.com/ggml-org/llama.cpp,
convert_hf_to_gguf.py and src/models; transformers 5.23.0 integrations/ggml.py agrees.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from reference_engine.config import ModelConfig
from reference_engine.folders import DEFAULT_THETA, Fields, config_of
from reference_engine.gguf_tokenizer import read_gguf_tokenizer
from reference_engine.shapes import EMBEDDING, HEAD, NORM, Shape, layer_name
from reference_engine.tokenizer import Tokenizer, read_tokenizer
from reference_engine.weight_files import WeightFiles

__all__ = ["GgufFile"]

FAMILIES = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "qwen3moe": "qwen3_moe"}
"""`general.architecture` to `model_type`."""
KEYS = {
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "block_count": "num_hidden_layers",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
    "expert_count": "num_experts",
    "expert_used_count": "num_experts_per_tok",
    "expert_feed_forward_length": "moe_intermediate_size",
}
"""Metadata under the architecture's name to the field of `config.json`."""
ENDS = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
"""End of sequence and end of turn."""
WHOLE_MODEL = {
    "token_embd.weight": EMBEDDING,
    "output_norm.weight": NORM,
    "output.weight": HEAD,
}
LAYER = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_gate_inp": "mlp.gate",
}
EXPERTS = {
    "ffn_gate_exps.weight": "mlp.experts.gate_proj",
    "ffn_up_exps.weight": "mlp.experts.up_proj",
    "ffn_down_exps.weight": "mlp.experts.down_proj",
}
"""All experts of a layer in one tensor `[E, out, in]`; gate and up apart."""
LAYER_TENSOR = re.compile(r"blk\.(\d+)\.((\w+)\.(weight|bias))")
ROPE_FACTORS = "rope_freqs.weight"
LOW, HIGH, ORIGINAL_CONTEXT = 1.0, 4.0, 8192
"""What every Llama 3.1 to 3.3 has beside its factor. Source: their config.json on the hub."""


class GgufFile:
    """One GGUF file, mapped into memory as long as this lives.

    Args:
        path: The file. A `tokenizer.json` beside it stands for the tokenizer that it describes.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no whole GGUF file, or the package that reads it is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            import gguf
        except ImportError:
            raise ValueError(
                f"{path}: expected the package gguf, which reads such files, got none; "
                f"pip install 'tinkerproof[gguf]'"
            ) from None
        try:
            self._reader = gguf.GGUFReader(path)
        except (ValueError, IndexError, KeyError) as error:
            raise ValueError(f"{path}: expected a GGUF file, got {error}; is the file whole?") from None
        if self.value("split.count", 1) != 1:
            raise ValueError(
                f"{path}: expected one file, got a part of {self.value('split.count')}; "
                f"merge them with llama-gguf-split --merge"
            )

    def value(self, key: str, default: Any = None) -> Any:
        """A value of the metadata, or `default`."""
        field = self._reader.get_field(key)
        return default if field is None else field.contents()

    def config(self) -> ModelConfig:
        """The model that the metadata describes.

        Raises:
            ValueError: if it is of a family that we do not know, or asks for what we do not compute.
        """
        ends = (self.value(key) for key in ENDS)
        return config_of(self._fields, [token for token in ends if token is not None])

    def tokenizer(self) -> Tokenizer:
        """The tokenizer beside the file, or the one that the metadata describes.

        Raises:
            ValueError: if it is of a kind that we do not know.
        """
        return read_tokenizer(self.path.parent) or read_gguf_tokenizer(str(self.path), self.value)

    @contextmanager
    def weights(self) -> Iterator[WeightFiles]:
        """The tensors, dequantized when they are read."""
        yield WeightFiles(str(self.path), {name: _shape(t) for name, t in self._tensors.items()}, self._read)

    @cached_property
    def _fields(self) -> Fields:
        """The metadata as the fields of a `config.json`."""
        arch = self.value("general.architecture", "none")
        fields = {ours: self.value(f"{arch}.{theirs}") for theirs, ours in KEYS.items()}
        if arch == "llama" and fields["num_experts"]:
            arch = "llama with experts"
        scaling = self.value(f"{arch}.rope.scaling.type")
        fields |= {
            "model_type": FAMILIES.get(arch, arch),
            "vocab_size": self._tensors[EMBEDDING].data.shape[0] if EMBEDDING in self._tensors else None,
            "tie_word_embeddings": HEAD not in self._tensors,
            "norm_topk_prob": True,  # llama.cpp src/models/qwen3moe.cpp: always
            "rope_scaling": {} if scaling in (None, "none") else {"rope_type": scaling},
        }
        heads = fields["num_attention_heads"]
        if fields["head_dim"] is None and heads:
            fields["head_dim"] = (fields["hidden_size"] or 0) // heads
        if rotated := self.value(f"{arch}.rope.dimension_count"):
            fields["partial_rotary_factor"] = rotated / (fields["head_dim"] or rotated)
        factors = [tensor for tensor in self._reader.tensors if tensor.name == ROPE_FACTORS]
        if factors:
            theta = fields["rope_theta"] or DEFAULT_THETA
            fields["rope_scaling"] = _llama3_scaling(str(self.path), theta, _dequantized(factors[0]))
        return Fields(str(self.path), fields)

    @cached_property
    def _tensors(self) -> dict[str, Any]:
        """The tensors by our names; those that we have no name for keep theirs."""
        named = {_name(tensor.name): tensor for tensor in self._reader.tensors}
        named.pop(ROPE_FACTORS, None)
        return named

    def _read(self, name: str) -> torch.Tensor:
        tensor = self._tensors[name]
        try:
            values = _dequantized(tensor)
        except NotImplementedError:
            raise ValueError(
                f"{self.path}: expected a type that gguf can dequantize, got {tensor.tensor_type.name} for "
                f"{tensor.name!r}; use another quantization of the model"
            ) from None
        part = re.search(r"self_attn\.([qk])_proj\.weight$", name)
        if part and self._fields.values["model_type"] == "llama":
            which = "num_attention_heads" if part[1] == "q" else "num_key_value_heads"
            values = _halves_apart(values, self._fields.integer(which))
        return torch.from_numpy(np.require(values, requirements=["C", "W"]))


def _llama3_scaling(where: str, theta: float, factors: npt.NDArray[np.float32]) -> dict[str, Any]:
    """The scaling that gives the divisors of the frequencies, `[head_dim / 2]`, if it is Llama 3's.

    Source: transformers 5.23.0 modeling_rope_utils.py, `llama3`.

    Raises:
        ValueError: if it is another.
    """
    factor, exponents = float(factors.max()), np.arange(len(factors)) / len(factors)
    turns = ORIGINAL_CONTEXT / (2 * math.pi * np.power(theta, exponents))
    smooth = np.clip((turns - LOW) / (HIGH - LOW), 0, 1)
    if not np.allclose(factors, 1 / ((1 - smooth) / factor + smooth), rtol=1e-4):
        raise ValueError(
            f"{where}: expected {ROPE_FACTORS} to be Llama 3's ({LOW:g}, {HIGH:g}, {ORIGINAL_CONTEXT}), "
            f"got others; use the model's folder with config.json"
        )
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": LOW,
        "high_freq_factor": HIGH,
        "original_max_position_embeddings": ORIGINAL_CONTEXT,
    }


def _name(theirs: str) -> str:
    """A tensor's name at Hugging Face, or its own if there is none."""
    found = LAYER_TENSOR.fullmatch(theirs)
    if found is None:
        return WHOLE_MODEL.get(theirs, theirs)
    layer, full, part, kind = found.groups()
    ours = EXPERTS.get(full) or (f"{LAYER[part]}.{kind}" if part in LAYER else None)
    return theirs if ours is None else layer_name(int(layer), ours)


def _shape(tensor: Any) -> Shape:
    """A tensor's shape; the file has the innermost dimension first."""
    return tuple(int(size) for size in reversed(tensor.shape))


def _dequantized(tensor: Any) -> npt.NDArray[np.float32]:
    import gguf

    values: npt.NDArray[np.float32] = gguf.dequantize(tensor.data, tensor.tensor_type)
    return values


def _halves_apart(rows: npt.NDArray[np.float32], heads: int) -> npt.NDArray[np.float32]:
    """Rows `[heads * dim, in]` of interleaved pairs, as llama.cpp rotates them, as two halves again."""
    pairs = rows.reshape(heads, -1, 2, rows.shape[-1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)
