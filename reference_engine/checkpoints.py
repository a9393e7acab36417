"""An adapter and its optimizer's state as files, and back, to the bit.

An adapter is two files as peft lays them out (`adapter_files`); where it comes from stands in the metadata of
its matrices. A training state has two more: `optimizer.safetensors`, AdamW's state in the order of the
matrices, and `state.json`, which says what the checkpoint is and has the SHA-256 of the other files. Equal
weights give equal bytes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from typing import TypeVar

import torch

from contract import RequestFailure
from reference_engine.adapter_files import (
    ADAPTER,
    CONFIG,
    AdapterSettings,
    adapter_config,
    adapter_key,
    read_adapter,
    read_adapter_config,
    target_modules,
)
from reference_engine.config import ModelConfig
from reference_engine.finite import all_finite
from reference_engine.lora import ALPHA, Adapter, AdapterLayout
from reference_engine.optimizer import Moments
from reference_engine.tensor_files import read_metadata, read_tensors, tensors_size, write_tensors

__all__ = ["AdapterWeights", "Origin", "read_weights"]

OPTIMIZER, STATE = "optimizer.safetensors", "state.json"
FORMAT = "tinkerproof torch 1"
"""Of training states; the number changes with the order of the matrices in an adapter's vector."""
BASE_HASH, SEED = "tinkerproof.base_hash", "tinkerproof.seed"
"""In the metadata of an adapter's matrices."""
UNKNOWN_SHA = "0" * 64
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a base model is, to those that read an adapter on it."""

    config: ModelConfig
    content_hash: str
    """Of its weights, as `content_hash` gives it."""


@dataclass(frozen=True, eq=False)
class AdapterWeights:
    """An adapter at one moment, and perhaps its optimizer's state; the tensors are never changed.

    All are on one device.
    """

    base_model: str
    """Without a context suffix."""
    base_hash: str
    """Of the base model's weights; empty where it is not known."""
    adapter: Adapter
    moments: Moments | None
    seed: int | None
    """That the adapter started from; None where it is not known."""

    @property
    def layout(self) -> AdapterLayout:
        """Where the adapter's matrices lie."""
        return self.adapter.layout

    @property
    def flat(self) -> torch.Tensor:
        """The adapter's numbers, `[P]`, float32."""
        return self.adapter.flat

    @property
    def held_bytes(self) -> int:
        """Memory that its tensors take."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """All its numbers, by name."""
        if self.moments is None:
            return {"flat": self.flat}
        return {"flat": self.flat, "means": self.moments.means, "squares": self.moments.squares}

    def with_tensors(self, tensors: Mapping[str, torch.Tensor]) -> "AdapterWeights":
        """The same weights with other tensors in the places of `tensors`."""
        moments = None
        if self.moments is not None:
            moments = Moments(tensors["means"], tensors["squares"], self.moments.steps)
        return replace(self, adapter=Adapter(self.layout, tensors["flat"]), moments=moments)

    def on(self, device: torch.device) -> "AdapterWeights":
        """The same weights with all tensors on a device; themselves where they are there."""
        if self.flat.device == device:
            return self
        return self.with_tensors({name: tensor.to(device) for name, tensor in self.tensors.items()})

    def without_optimizer(self) -> "AdapterWeights":
        """The same adapter, no optimizer state; nothing is copied."""
        return replace(self, moments=None)

    @cached_property
    def size_bytes(self) -> int:
        """Size of all files together; no file is made."""
        size = len(self._config) + tensors_size(self._matrices(self.flat), self._metadata)
        if self.moments is not None:
            hashes = dict.fromkeys((CONFIG, ADAPTER, OPTIMIZER), UNKNOWN_SHA)
            size += tensors_size(_optimizer_tensors(self.moments), {}) + len(self._state(hashes))
        return size

    def files(self) -> Mapping[str, bytes]:
        """The files, by name."""
        here = self.on(torch.device("cpu"))
        files = {CONFIG: self._config, ADAPTER: write_tensors(self._matrices(here.flat), self._metadata)}
        if here.moments is not None:
            files[OPTIMIZER] = write_tensors(_optimizer_tensors(here.moments), {})
            files[STATE] = self._state({name: sha256(files[name]).hexdigest() for name in files})
        return files

    @property
    def _config(self) -> bytes:
        modules = target_modules(matrix.name for matrix in self.layout.matrices)
        return adapter_config(AdapterSettings(self.base_model, self.layout.rank, ALPHA), modules)

    @property
    def _metadata(self) -> dict[str, str]:
        known = {"format": "pt", BASE_HASH: self.base_hash}
        return known if self.seed is None else known | {SEED: str(self.seed)}

    def _matrices(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Views of the flat vector, in its order, by their names in the file."""
        return {
            adapter_key(matrix.name): flat[matrix.offset : matrix.offset + matrix.size].view(matrix.shape)
            for matrix in self.layout.matrices
        }

    def _state(self, hashes: Mapping[str, str]) -> bytes:
        assert self.moments is not None
        state = {
            "format": FORMAT,
            "engine_version": version("tinkerproof"),
            "base_model": self.base_model,
            "base_hash": self.base_hash,
            "seed": self.seed,
            "rank": self.layout.rank,
            "alpha": ALPHA,
            "train_attn": self.layout.train_attn,
            "train_mlp": self.layout.train_mlp,
            "train_unembed": self.layout.train_unembed,
            "steps": self.moments.steps,
            "sha256": dict(hashes),
        }
        return json.dumps(state, indent=1).encode()


def _optimizer_tensors(moments: Moments) -> dict[str, torch.Tensor]:
    return {"means": moments.means, "squares": moments.squares, "steps": torch.tensor(moments.steps)}


def read_weights(files: Mapping[str, bytes], origin_of: Callable[[str], Origin]) -> AdapterWeights:
    """The weights that `AdapterWeights.files` gave, or an adapter that peft or a service of its kind made.

    Args:
        files: By name; others than the adapter's and a training state's are left alone.
        origin_of: The base model of a name; what it raises for an unknown one goes through.

    Raises:
        RequestFailure: naming the file that is missing, changed, malformed or of another base model.
    """
    hashes = _read_state(files)
    settings = _read(CONFIG, files, hashes, read_adapter_config)
    base_model = settings.base_model
    origin = origin_of(base_model)
    layout, flat, base_hash, seed = _read(
        ADAPTER,
        files,
        hashes,
        lambda content: (*read_adapter(content, settings, origin.config), *_read_metadata(content)),
    )
    if base_hash not in ("", origin.content_hash):
        raise RequestFailure(
            f"weights of {base_model}: expected those of what is served under that name, with the hash "
            f"{origin.content_hash[:12]}..., got those of {base_hash[:12]}...; serve the model they are of"
        )
    moments = None
    if hashes:
        moments = _read(OPTIMIZER, files, hashes, lambda content: _read_optimizer(content, layout))
    return AdapterWeights(base_model, base_hash, Adapter(layout, flat), moments, seed)


def _read(
    name: str, files: Mapping[str, bytes], hashes: Mapping[str, str], read: Callable[[bytes], Read]
) -> Read:
    """Read one file, whose hash is checked if it is known.

    Raises:
        RequestFailure: naming the file.
    """
    if name not in files:
        raise RequestFailure(f"weights file {name!r}: expected it to be there, got {_listed(files)}")
    content = files[name]
    if hashes and sha256(content).hexdigest() != hashes.get(name):
        raise RequestFailure(
            f"weights file {name!r}: expected the content whose hash {STATE} has, got another; "
            "take all files from one checkpoint"
        )
    try:
        return read(content)
    except ValueError as error:
        raise RequestFailure(f"weights file {name!r}: {error}") from None


def _listed(files: Mapping[str, bytes]) -> str:
    return ", ".join(sorted(files)) or "no files"


def _read_state(files: Mapping[str, bytes]) -> dict[str, str]:
    """The hashes of a training state's files; none where the files are an adapter alone."""
    if OPTIMIZER not in files and STATE not in files:
        return {}
    return _read(STATE, files, {}, _parse_state)


def _parse_state(content: bytes) -> dict[str, str]:
    state = json.loads(content)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(
            f"expected a training state of format {FORMAT!r}, got another; is it of this version?"
        )
    hashes = state.get("sha256")
    if not isinstance(hashes, dict) or set(hashes) != {CONFIG, ADAPTER, OPTIMIZER}:
        raise ValueError("expected the hashes of the three other files, got others; is the file whole?")
    return hashes


def _read_metadata(content: bytes) -> tuple[str, int | None]:
    """Hash of the base model, and seed; empty and None in files of others."""
    metadata = read_metadata(content)
    seed = metadata.get(SEED)
    return metadata.get(BASE_HASH, ""), None if seed is None else int(seed)


def _read_optimizer(content: bytes, layout: AdapterLayout) -> Moments:
    tensors = read_tensors(content)
    expected = {"means": (torch.float32, (layout.size,)), "squares": (torch.float32, (layout.size,))}
    found = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    if found != expected | {"steps": (torch.int64, ())}:
        raise ValueError(f"expected means and squares of {layout.size} numbers, and steps, got {found}")
    means, squares, steps = tensors["means"], tensors["squares"], int(tensors["steps"])
    if not (all_finite(means) and all_finite(squares) and squares.min() >= 0 and steps >= 0):
        raise ValueError("expected finite means, and squares and steps of at least 0, got others")
    return Moments(means, squares, steps)
