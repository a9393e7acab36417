"""The models and adapters that the engine's benchmarks share; transformers and peft are the rivals."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from contract import LoraConfig
from reference_engine.allocation import keep_freed_memory
from reference_engine.config import ModelConfig
from reference_engine.linear import Rows
from reference_engine.loading import load_weights, read_config
from reference_engine.lora import Adapter, AdapterLayout
from reference_engine.model import Transformer

__all__ = ["LORA", "MODELS", "cpu_seconds", "random_adapter", "rival", "runner", "saved"]

LORA = LoraConfig(rank=8, train_unembed=False)
SIZES = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "64-wide Llama": (
        "Llama", {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2},
    ),
    "256-wide Qwen3": (
        "Qwen3",
        {
            "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
            "head_dim": 64, "tie_word_embeddings": True,
        },
    ),
    "128-wide Qwen3": (
        "Qwen3",
        {
            "vocab_size": 1024, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2,
            "head_dim": 32,
        },
    ),
}  # fmt: skip
"""64 and 256 wide: where calls dominate, and where products do; 128: the half million numbers that other
servers of the API were measured with."""


def rival(name: str) -> Any:
    """The model in transformers, random and the same each time."""
    import transformers

    warnings.filterwarnings("ignore")
    family, sizes = MODELS[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**SIZES | sizes)
    return getattr(transformers, f"{family}ForCausalLM")(config).eval()


def saved(name: str, folder: Path) -> ModelConfig:
    """Write the model to a folder."""
    rival(name).save_pretrained(folder)
    return read_config(folder)


def runner(folder: Path, *, exact: bool) -> Transformer:
    """The folder's model on our engine, memory handled as the engine does: for the rival beside it too."""
    keep_freed_memory()
    config = read_config(folder)
    return Transformer(config, load_weights(folder, config, torch.float32), Rows(exact=exact))


def random_adapter(config: ModelConfig, seed: int) -> Adapter:
    """An adapter whose B is not zero, as after training."""
    layout = AdapterLayout.of(config, LORA)
    flat = layout.fresh(seed)
    noise = torch.randn(layout.size, generator=torch.Generator().manual_seed(seed)) * 0.05
    return Adapter(layout, torch.where(flat == 0, noise, flat))


def cpu_seconds(work: Callable[[], object]) -> Callable[[], float]:
    """A run that tells the processor time of some work; one thread, so others' load counts less."""

    def run() -> float:
        torch.set_num_threads(1)
        began = time.process_time()
        work()
        return time.process_time() - began

    return run
