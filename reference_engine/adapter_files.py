"""An adapter's two files as peft lays them out, under the names of the service or of peft.

`adapter_config.json` says rank, scale and modules; `adapter_model.safetensors` has the matrices. The service
calls the output head `unembed_tokens` and keeps a layer's experts in three matrices, w1 (gate), w2 (down) and
w3 (up). Source: tinker-cookbook 0.6.1 weights/_merge_utils.py and tests/weights/conftest.py. peft calls the
head `lm_head`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from reference_engine.config import ModelConfig
from reference_engine.finite import all_finite
from reference_engine.folders import Fields
from reference_engine.lora import ALPHA, AdapterLayout
from reference_engine.tensor_files import read_tensors

__all__ = [
    "ADAPTER",
    "CONFIG",
    "HEAD",
    "MODULES",
    "PEFT_HEAD",
    "PREFIX",
    "AdapterSettings",
    "adapter_config",
    "adapter_key",
    "read_adapter",
    "read_adapter_config",
    "target_modules",
]

CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"
PREFIX, SUFFIX = "base_model.model.", ".weight"
HEAD, PEFT_HEAD = "model.unembed_tokens.", "lm_head."
MODULES = {"unembed_tokens": "lm_head", "w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}
"""Modules of transformers by the service's names."""
MOST_NAMED = 3
"""Matrices that an error names. Source: ours: enough to see what the file is."""
PLAIN: Mapping[str, tuple[str, tuple[object, ...]]] = {
    "peft_type": ("'LORA'", ("LORA",)),
    "use_rslora": ("false", (False,)),
    "use_dora": ("false", (False,)),
    "lora_bias": ("false", (False,)),
    "fan_in_fan_out": ("false", (False,)),
    "bias": ("'none'", ("none",)),
    "rank_pattern": ("empty", ({},)),
    "alpha_pattern": ("empty", ({},)),
    "modules_to_save": ("empty", ([],)),
    "trainable_token_indices": ("empty", ([], {})),
    "alora_invocation_tokens": ("empty", ([],)),
}
"""Settings of peft that change what an adapter computes, and the values that do not."""


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """What `adapter_config.json` says."""

    base_model: str
    rank: int
    alpha: float
    """The product of the matrices is multiplied by alpha / rank."""


def adapter_key(matrix: str) -> str:
    """The name in a file of the service for a matrix of `AdapterLayout`."""
    return f"{PREFIX}{matrix}{SUFFIX}"


def target_modules(keys: Iterable[str]) -> list[str]:
    """The last names of the modules of transformers that an adapter with these keys is on, sorted.

    For keys in the service's names too: peft then misses their matrices and says so, where it would pass over
    a module that the model does not have in silence.
    """
    last = {key.rsplit(".lora_", 1)[0].rsplit(".", 1)[-1] for key in keys}
    return sorted({MODULES.get(name, name) for name in last})


def adapter_config(settings: AdapterSettings, modules: list[str]) -> bytes:
    """The content of `adapter_config.json`."""
    config = {
        "base_model_name_or_path": settings.base_model,
        "bias": "none",
        "inference_mode": True,
        "lora_alpha": int(settings.alpha) if settings.alpha.is_integer() else settings.alpha,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": settings.rank,
        "target_modules": modules,
        "task_type": "CAUSAL_LM",
    }
    return json.dumps(config, indent=1).encode()


def read_adapter_config(content: bytes) -> AdapterSettings:
    """The settings of an adapter, ours or made by peft.

    Raises:
        ValueError: if it is no such file, or of a kind of adapter that the engine does not compute.
    """
    try:
        values = json.loads(content)
    except ValueError as error:
        raise ValueError(f"expected JSON, got {error}; is the file whole?") from None
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, got {type(values).__name__}; is it the right file?")
    fields = Fields("LoRA settings", values)
    for name, (supported, allowed) in PLAIN.items():
        if fields.has(name) and values[name] not in allowed:
            raise fields.wrong(name, supported, "train a plain LoRA adapter")
    base_model = values.get("base_model_name_or_path")
    if not isinstance(base_model, str):
        raise fields.wrong("base_model_name_or_path", "a base model's name")
    return AdapterSettings(base_model, fields.integer("r"), fields.number("lora_alpha"))


def read_adapter(
    content: bytes, settings: AdapterSettings, config: ModelConfig
) -> tuple[AdapterLayout, torch.Tensor]:
    """Layout and numbers `[P]` of an adapter on a model of `config`.

    Which parts it has follows from its matrices. A scale other than ours is folded into the B matrices, so
    that the adapter computes the same; a copy of the base model's head, as peft adds it, is left out.

    Raises:
        ValueError: naming the matrices that are missing, too many or of another shape, or what is not finite.
    """
    found = _by_matrix(read_tensors(content))
    layout = AdapterLayout(
        config,
        settings.rank,
        train_attn=any(".self_attn." in name for name in found),
        train_mlp=any(".mlp." in name for name in found),
        train_unembed=any(name.startswith(HEAD) for name in found),
    )
    _check(layout, found)
    if settings.alpha != ALPHA:
        found = {
            name: tensor if name.endswith("lora_A") else tensor.float() * (settings.alpha / ALPHA)
            for name, tensor in found.items()
        }
    flat = torch.cat([found[matrix.name].float().reshape(-1) for matrix in layout.matrices])
    if not all_finite(flat):
        broken = flat.numel() - int(flat.isfinite().sum())
        raise ValueError(f"expected finite numbers, got {broken} of {flat.numel()} that are not")
    return layout, flat


def _by_matrix(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A file's tensors by the names of `AdapterLayout`; names that are neither way of writing stay."""
    found: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(PREFIX).removesuffix(SUFFIX)
        if name == f"{PEFT_HEAD}base_layer":
            continue
        if name.startswith(PEFT_HEAD):
            name = HEAD + name.removeprefix(PEFT_HEAD)
        if name in found:
            raise ValueError(
                f"expected the head as unembed_tokens or as lm_head, got {name} twice; drop one of them"
            )
        found[name] = tensor
    return found


def _check(layout: AdapterLayout, found: Mapping[str, torch.Tensor]) -> None:
    """Raise a `ValueError` unless the tensors are exactly the layout's matrices."""
    if not (layout.train_attn or layout.train_mlp or layout.train_unembed):
        raise ValueError(
            f"expected matrices of attention, mlp or head, got {len(found)} others{_some(found)}; "
            "is it the right file?"
        )
    expected = {matrix.name: matrix.shape for matrix in layout.matrices}
    unlike = [
        f"{name} {list(found[name].shape)} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in found and tuple(found[name].shape) != shape
    ]
    kinds = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in found if name not in expected],
        "of another shape": unlike,
        "not floating point": [name for name in found if not found[name].is_floating_point()],
    }
    if wrong := [f"{len(names)} {kind}{_some(names)}" for kind, names in kinds.items() if names]:
        raise ValueError(
            f"expected the {len(expected)} matrices of rank {layout.rank} that adapt all layers of the base "
            f"model in a part, got {', '.join(wrong)}; is it an adapter of this base model?"
        )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - MOST_NAMED
    text = ", ".join(listed[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f" ({text})" if listed else ""
