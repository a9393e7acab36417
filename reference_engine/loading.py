"""From a model on disk to its numbers: `ModelConfig`, weights by the names of Hugging Face, tokenizer.

A model is a folder with `config.json` and safetensors (whole or in shards), a folder with one GGUF file, or
that file.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from reference_engine.assembly import assembled
from reference_engine.config import ModelConfig
from reference_engine.folders import CONFIG, read_folder_config
from reference_engine.gguf_files import GgufFile
from reference_engine.tokenizer import Tokenizer, read_tokenizer
from reference_engine.weight_files import WeightFiles, gguf_file, open_safetensors

__all__ = ["LoadedModel", "load_model", "load_tokenizer", "load_weights", "read_config"]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """All that a model on disk says."""

    config: ModelConfig
    weights: dict[str, torch.Tensor]
    """By the names and of the shapes that `weight_shapes` gives."""
    tokenizer: Tokenizer | None
    """None where the folder has none."""


class ModelFiles(Protocol):
    """A model on disk, opened."""

    def config(self) -> ModelConfig:
        """What it is."""
        ...

    def tokenizer(self) -> Tokenizer | None:
        """Its tokenizer, if it has one."""
        ...

    def weights(self) -> AbstractContextManager[WeightFiles]:
        """Its tensors, open for reading."""
        ...


@dataclass(frozen=True, slots=True)
class HubFolder:
    """A folder as the hub has it, with safetensors."""

    folder: Path

    def config(self) -> ModelConfig:
        """What `config.json` says."""
        if not (self.folder / CONFIG).is_file():
            found = "none" if self.folder.is_dir() else "no such folder"
            raise FileNotFoundError(
                f"{self.folder}: expected a folder with {CONFIG}, or one with a GGUF file, got {found}; "
                f"is it the model's folder?"
            )
        return read_folder_config(self.folder)

    def tokenizer(self) -> Tokenizer | None:
        """What `tokenizer.json` says."""
        return read_tokenizer(self.folder)

    def weights(self) -> AbstractContextManager[WeightFiles]:
        """The tensors of its safetensors."""
        return open_safetensors(self.folder)


def read_config(folder: Path) -> ModelConfig:
    """The model that a folder, or a GGUF file, describes.

    Raises:
        OSError: if the folder is not there or has no description.
        ValueError: if it is of a family that we do not know, or asks for what the engine does not compute.
    """
    return _opened(folder).config()


def load_weights(folder: Path, config: ModelConfig, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The weights of `weight_shapes(config)`, by name, on the CPU, in memory of their own.

    Later changes of the files do not reach them.

    Args:
        folder: The model's folder, or its GGUF file.
        config: What `read_config` says of it.
        dtype: The type to give the weights, whatever theirs is.

    Raises:
        OSError: if files are missing.
        ValueError: if files are broken, or hold other tensors than the config asks for.
    """
    with _opened(folder).weights() as files:
        return assembled(files, config, dtype)


def load_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer of a folder, or of a GGUF file; None where there is none.

    Raises:
        OSError, ValueError: if its files cannot be read, or describe a kind that we do not know.
    """
    return _opened(folder).tokenizer()


def load_model(folder: Path, dtype: torch.dtype) -> LoadedModel:
    """Config, weights and tokenizer at once; a GGUF file, slow to open, is opened only once.

    Raises:
        OSError, ValueError: as `read_config`, `load_weights` and `load_tokenizer` do.
    """
    opened = _opened(folder)
    config, tokenizer = opened.config(), opened.tokenizer()
    with opened.weights() as files:
        return LoadedModel(config, assembled(files, config, dtype), tokenizer)


def _opened(folder: Path) -> ModelFiles:
    file = gguf_file(folder)
    return HubFolder(folder) if file is None else GgufFile(file)
