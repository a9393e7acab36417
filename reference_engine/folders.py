"""A Hugging Face folder's `config.json` as a `ModelConfig`.

Source of the keys, their defaults and which of two spellings wins: transformers 5.23.0
models/{llama,qwen2,qwen3,qwen3_moe}/configuration_*.py and modeling_rope_utils.py.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from reference_engine.config import ARCHITECTURES, Architecture, Experts, ModelConfig, RopeScaling

__all__ = ["CONFIG", "DEFAULT_THETA", "Fields", "config_of", "read_folder_config", "read_json"]

CONFIG = "config.json"
DEFAULT_THETA = 10_000.0
"""Source: transformers 5.23.0 modeling_rope_utils.py, `default_theta`."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family:
    """What `config.json` leaves unsaid about a model family."""

    qkv_bias: bool = False
    qk_norm: bool = False
    head_dim: int | None = None
    """`None`: hidden size / heads."""
    num_kv_heads: int | None = None
    """`None`: as many as heads."""
    max_context_length: int = 32_768


FAMILIES: Mapping[str, Family] = {
    "llama": Family(max_context_length=2048),
    "qwen2": Family(qkv_bias=True, num_kv_heads=32),
    "qwen3": Family(qk_norm=True, num_kv_heads=32, head_dim=128),
    "qwen3_moe": Family(qk_norm=True, num_kv_heads=4),
}
"""By `model_type`. Source: transformers 5.23.0, the default of each family's configuration class."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one JSON object, by name and type; errors say where it stands.

    Attributes:
        where: The file, and the key inside it, that the object was read from.
        values: The object.
    """

    where: str
    values: Mapping[str, Any]

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(name) is not None

    def integer(self, name: str, default: int | None = None, *, least: int = 1) -> int:
        """A whole number of at least `least`; without a default it has to be there."""
        value = self._value(name, default, "a whole number")
        if type(value) is not int or value < least:
            raise self.wrong(name, f"a whole number of at least {least}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A positive number; without a default it has to be there."""
        value = self._value(name, default, "a positive number")
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise self.wrong(name, "a positive number")
        return float(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._value(name, default, "true or false")
        if type(value) is not bool:
            raise self.wrong(name, "true or false")
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """Whole numbers of at least 0: one, a list, or none."""
        value = self.values.get(name)
        listed = [] if value is None else value if isinstance(value, list) else [value]
        if any(type(item) is not int or item < 0 for item in listed):
            raise self.wrong(name, "a whole number of at least 0, or a list of them")
        return tuple(listed)

    def part(self, name: str) -> "Fields":
        """The object under a field; empty where there is none."""
        value = self.values.get(name)
        if not isinstance(value, dict | None):
            raise self.wrong(name, "an object")
        return Fields(f"{self.where}: {name}", value or {})

    def refuse(self, name: str, supported: str, *allowed: Any) -> None:
        """Refuse a value that asks for what the engine does not compute.

        Args:
            name: The field.
            supported: What it may be, in words.
            allowed: The values that are supported, beside none.
        """
        if self.has(name) and self.values[name] not in allowed:
            raise self.wrong(name, supported, "use a model without it, or a backend that has it")

    def wrong(self, name: str, expected: str, remedy: str = "write that into the file") -> ValueError:
        """What to raise for a field of another value than expected."""
        got = f"got {json.dumps(self.values[name])}" if name in self.values else "got none"
        return ValueError(f"{self.where}: expected {name} to be {expected}, {got}; {remedy}")

    def _value(self, name: str, default: T | None, expected: str) -> Any:
        value = self.values.get(name)
        if value is None and default is None:
            raise self.wrong(name, expected)
        return default if value is None else value


def read_json(path: Path) -> Fields:
    """The JSON object in a file.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not a JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got {error}; is the file whole?") from None
    if not isinstance(values, dict):
        raise ValueError(
            f"{path}: expected a JSON object, got {type(values).__name__}; is it the right file?"
        )
    return Fields(str(path), values)


def read_folder_config(folder: Path) -> ModelConfig:
    """The model that a folder's `config.json` describes.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is not of a family we know, or asks for something that the engine does not compute.
    """
    fields = read_json(folder / CONFIG)
    return config_of(fields, _end_of_text_ids(folder, fields))


def config_of(fields: Fields, end_of_text_ids: Iterable[int]) -> ModelConfig:
    """The model that the fields of a `config.json` describe.

    Args:
        fields: The fields.
        end_of_text_ids: Tokens that end a sequence. Those that the vocabulary does not have (a shrunken model
            with its big sister's settings) cannot be sampled and are left out.

    Raises:
        ValueError: if it is not of a family we know, or asks for something that the engine does not compute.
    """
    arch = fields.values.get("model_type")
    if arch not in ARCHITECTURES:
        known = f"one of {', '.join(map(repr, ARCHITECTURES))}"
        raise fields.wrong("model_type", known, "use a model of these families")
    _refuse_unsupported(fields)
    family = FAMILIES[arch]
    heads = fields.integer("num_attention_heads")
    hidden = fields.integer("hidden_size")
    context = fields.integer("max_position_embeddings", family.max_context_length)
    layers = fields.integer("num_hidden_layers")
    theta, scaling = _rope(fields, context)
    vocabulary = fields.integer("vocab_size")
    config = ModelConfig(
        arch=cast("Architecture", arch),
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=fields.integer("intermediate_size"),
        num_layers=layers,
        num_heads=heads,
        num_kv_heads=_kv_heads(fields, family, heads),
        head_dim=fields.integer("head_dim", family.head_dim or hidden // heads),
        max_context_length=context,
        norm_eps=fields.number("rms_norm_eps", 1e-6),
        rope_theta=theta,
        rope_scaling=scaling,
        tied_head=fields.flag("tie_word_embeddings"),
        qkv_bias=family.qkv_bias,
        qk_norm=family.qk_norm,
        experts=_experts(fields, layers) if arch == "qwen3_moe" else None,
        end_of_text_ids=tuple(dict.fromkeys(token for token in end_of_text_ids if token < vocabulary)),
    )
    if config.num_heads % config.num_kv_heads:
        raise fields.wrong("num_key_value_heads", f"a divisor of num_attention_heads {heads}")
    if config.head_dim % 2:
        raise fields.wrong("head_dim", f"even, since halves are rotated, and {config.head_dim} is not")
    return config


def _refuse_unsupported(fields: Fields) -> None:
    """Name the settings that would change the numbers and that the engine does not have."""
    fields.refuse("hidden_act", "'silu'", "silu")
    fields.refuse("attention_bias", "false", False)
    fields.refuse("mlp_bias", "false", False)
    fields.refuse("use_sliding_window", "false", False)
    fields.refuse("partial_rotary_factor", "1", 1)
    if fields.has("quantization_config"):
        raise ValueError(
            f"{fields.where}: expected weights in floating point, got quantization_config; "
            f"use the folder of the model that was not quantized, or a GGUF file"
        )


def _kv_heads(fields: Fields, family: Family, heads: int) -> int:
    """Heads of keys and values; null says as many as heads, no field the family's default."""
    default = family.num_kv_heads if "num_key_value_heads" not in fields.values else None
    return fields.integer("num_key_value_heads", default or heads)


def _rope(fields: Fields, context: int) -> tuple[float, RopeScaling | None]:
    """Base and scaling of the rotary embedding, from `rope_parameters` or the older `rope_scaling`."""
    rope = fields.part("rope_scaling" if fields.values.get("rope_scaling") else "rope_parameters")
    theta = rope.number("rope_theta", fields.number("rope_theta", DEFAULT_THETA))
    named = "rope_type" if rope.has("rope_type") else "type"
    rope.refuse(named, "'default' or 'llama3'", "default", "llama3")
    rope.refuse("partial_rotary_factor", "1", 1)
    if rope.values.get(named) != "llama3":
        return theta, None
    low, high = rope.number("low_freq_factor"), rope.number("high_freq_factor")
    if high <= low:
        raise rope.wrong("high_freq_factor", f"more than low_freq_factor {low:g}")
    original = "original_max_position_embeddings"
    return theta, RopeScaling(
        factor=rope.number("factor"),
        low_freq_factor=low,
        high_freq_factor=high,
        original_context=(fields if fields.has(original) else rope).integer(original, context),
    )


def _experts(fields: Fields, layers: int) -> Experts | None:
    """The mixture of experts, unless every layer is dense.

    `num_local_experts` is how transformers 5 spells `num_experts`.
    """
    count = "num_local_experts" if fields.has("num_local_experts") else "num_experts"
    step, dense = fields.integer("decoder_sparse_step", 1), fields.integers("mlp_only_layers")
    sparse = tuple(layer for layer in range(layers) if layer not in dense and (layer + 1) % step == 0)
    experts = Experts(
        count=fields.integer(count, 128),
        per_token=fields.integer("num_experts_per_tok", 8),
        intermediate_size=fields.integer("moe_intermediate_size", 768),
        normalize=fields.flag("norm_topk_prob"),
        layers=sparse,
    )
    if experts.per_token > experts.count:
        raise fields.wrong("num_experts_per_tok", f"at most {count} {experts.count}")
    return experts if sparse else None


def _end_of_text_ids(folder: Path, config: Fields) -> Iterator[int]:
    """Tokens that end a sequence: what generation stops at, then the tokenizer's end token.

    `generation_config.json` replaces `config.json`, as in `generate`; the tokenizer's own end token ends a
    sequence too, as in vLLM, since training data ends with it.
    """
    generation = folder / "generation_config.json"
    stops = read_json(generation).integers("eos_token_id") if generation.is_file() else ()
    yield from stops or config.integers("eos_token_id")
    yield from _tokenizer_ends(folder)


def _tokenizer_ends(folder: Path) -> Iterator[int]:
    """The id of `tokenizer_config.json`'s `eos_token`, if it has one that the tokenizer knows."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return
    fields = read_json(path)
    token = fields.values.get("eos_token")
    text = token.get("content") if isinstance(token, dict) else token
    if text is None:
        return
    decoder = fields.part("added_tokens_decoder").values
    added = {entry.get("content"): int(number) for number, entry in decoder.items()}
    tokenizer = folder / "tokenizer.json"
    if text not in added and tokenizer.is_file():
        whole = read_json(tokenizer)
        added = dict(whole.part("model").part("vocab").values)
        added |= {entry["content"]: entry["id"] for entry in whole.values.get("added_tokens") or ()}
    if text in added:
        yield added[text]
