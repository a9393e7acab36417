"""An adapter under the names that peft, vLLM and others of its kind read.

The service's archives call the output head `unembed_tokens`; peft finds no such module and loads an adapter
without it. Here it is `lm_head`, which tinker-cookbook's `build_hf_model` in turn cannot merge into a model
whose head is tied: archives keep the service's names, and this is for those that ask.
"""

import re
from collections.abc import Iterator, Mapping

import torch

from reference_engine.adapter_files import (
    ADAPTER,
    CONFIG,
    HEAD,
    MODULES,
    PEFT_HEAD,
    PREFIX,
    adapter_config,
    read_adapter_config,
    target_modules,
)
from reference_engine.tensor_files import read_tensors, write_tensors

__all__ = ["peft_files"]

EXPERTS = re.compile(r"(.*\.mlp\.experts)\.(w[123])\.(lora_[AB]\.weight)")
DENSE = re.compile(r".*\.mlp\.(gate|up|down)_proj\.")


def peft_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of an adapter that peft loads whole, from those of an archive.

    The head becomes `lm_head`. Experts get matrices of their own, as `mlp.experts.3.gate_proj`: what they
    shared is repeated for each, so the file of a mixture of experts is larger than the archive's. peft 0.18
    and later read them. An optimizer's state is left out.

    Args:
        files: `adapter_config.json` and `adapter_model.safetensors` as `AdapterWeights.files` or the service
            gives them, by name.

    Raises:
        ValueError: if a file is missing or malformed, or the adapter is on experts and on dense feed-forwards
            at once, which peft cannot tell apart.
    """
    for name in (CONFIG, ADAPTER):
        if name not in files:
            raise ValueError(f"{name}: expected it among the files, got {', '.join(sorted(files)) or 'none'}")
    settings = read_adapter_config(files[CONFIG])
    tensors = dict(_renamed(read_tensors(files[ADAPTER])))
    if any(".mlp.experts." in name for name in tensors) and any(map(DENSE.match, tensors)):
        raise ValueError(
            f"{ADAPTER}: expected experts in all layers or in none, got both kinds; peft takes the dense "
            "layers' projections for the experts': train with train_mlp=False"
        )
    return {
        CONFIG: adapter_config(settings, target_modules(tensors)),
        ADAPTER: write_tensors(tensors, {"format": "pt"}),
    }


def _renamed(tensors: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    counts: dict[str, int] = {}
    for name, tensor in tensors.items():
        if expert := EXPERTS.fullmatch(name):
            where = f"{expert[1]}.{expert[2]}"
            counts[where] = max(counts.get(where, 1), tensor.shape[0])
    for name, tensor in tensors.items():
        expert = EXPERTS.fullmatch(name)
        if expert is None:
            yield name.replace(PREFIX + HEAD, PREFIX + PEFT_HEAD), tensor.contiguous()
            continue
        for index in range(counts[f"{expert[1]}.{expert[2]}"]):
            own = tensor[index if tensor.shape[0] > 1 else 0]
            yield f"{expert[1]}.{index}.{MODULES[expert[2]]}.{expert[3]}", own.contiguous()
