"""Where models in training are kept: in memory up to a limit, the least used beyond it on disk.

A model costs its adapter, the optimizer's two moments and, between a pass and a step, gradients: up to four
times the adapter's numbers, however many models share a base model.
"""

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from contract import RequestFailure
from reference_engine.lora import Adapter
from reference_engine.optimizer import Moments

__all__ = ["Shelf", "TrainedModel", "memory_limit"]

NUMBERS_EACH = 4
"""An adapter, two moments, gradients."""
SHARE_OF_MEMORY = 0.5
"""Ours: the rest is for base models, activations and whatever else runs."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A model between two operations."""

    base_model: str
    adapter: Adapter
    moments: Moments
    seed: int | None
    gradients: torch.Tensor | None = None
    """Accumulated since the last step, `[P]`; None where there are none."""

    @property
    def size_bytes(self) -> int:
        """What it may take."""
        return NUMBERS_EACH * self.adapter.flat.nbytes


@dataclass(frozen=True, slots=True)
class Written:
    """A model on disk; its tensors are in the file."""

    file: Path
    shell: TrainedModel
    """Everything but the tensors."""
    device: torch.device


def memory_limit() -> int:
    """Bytes for models in training: half of the machine's memory."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(total * SHARE_OF_MEMORY)


class Shelf:
    """Models in training, by key; the least used go to disk when memory runs short."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._here: OrderedDict[Hashable, TrainedModel] = OrderedDict()
        self._written: dict[Hashable, Written] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> TrainedModel | None:
        """The model, read back if it is on disk; None where there is none."""
        with self._lock:
            if key in self._written:
                self._put(key, self._read(self._written.pop(key)))
            if key in self._here:
                self._here.move_to_end(key)
            return self._here.get(key)

    def put(self, key: Hashable, model: TrainedModel) -> None:
        """Keep a model, new or in the place of what it was.

        Raises:
            RequestFailure: if it alone is larger than the limit; nothing is changed.
        """
        if model.size_bytes > self._limit_bytes:
            raise RequestFailure(
                f"lora_config: expected training within {self._limit_bytes >> 20} MB of memory, "
                f"got {model.size_bytes >> 20} MB; choose a lower rank"
            )
        with self._lock:
            self._forget_file(key)
            self._put(key, model)

    def drop(self, key: Hashable) -> None:
        """Forget a model."""
        with self._lock:
            self._here.pop(key, None)
            self._forget_file(key)

    def close(self) -> None:
        """Forget all."""
        with self._lock:
            self._here.clear()
            self._written.clear()
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None

    def _put(self, key: Hashable, model: TrainedModel) -> None:
        self._here[key] = model
        self._here.move_to_end(key)
        used = sum(other.size_bytes for other in self._here.values())
        while used > self._limit_bytes and len(self._here) > 1:
            oldest, other = self._here.popitem(last=False)
            self._written[oldest] = self._write(other)
            used -= other.size_bytes

    def _forget_file(self, key: Hashable) -> None:
        written = self._written.pop(key, None)
        if written is not None:
            written.file.unlink(missing_ok=True)

    def _write(self, model: TrainedModel) -> Written:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="tinkerproof-")
        file = Path(self._folder.name) / f"{self._files}.safetensors"
        self._files += 1
        flat = model.adapter.flat
        tensors = {"flat": flat, "means": model.moments.means, "squares": model.moments.squares}
        if model.gradients is not None:
            tensors["gradients"] = model.gradients
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, file)
        nothing = flat.new_empty(0)
        shell = replace(
            model,
            adapter=Adapter(model.adapter.layout, nothing),
            moments=Moments(nothing, nothing, model.moments.steps),
            gradients=None,
        )
        return Written(file, shell, flat.device)

    def _read(self, written: Written) -> TrainedModel:
        tensors = load_file(written.file, device=str(written.device))
        written.file.unlink(missing_ok=True)
        shell = written.shell
        return replace(
            shell,
            adapter=Adapter(shell.adapter.layout, tensors["flat"]),
            moments=Moments(tensors["means"], tensors["squares"], shell.moments.steps),
            gradients=tensors.get("gradients"),
        )
