"""Files that hold tensors by name: what loading needs of them, and safetensors, whole or in shards.

Source: github.com/huggingface/safetensors, "Format"; transformers 5.23.0 utils/hub.py (`*.index.json`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from reference_engine.folders import read_json
from reference_engine.shapes import Shape

__all__ = ["INDEX", "WHOLE", "WeightFiles", "gguf_file", "open_safetensors", "shard_files"]

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = ("F64", "F32", "F16", "BF16")
"""Tensor types that are numbers as they stand. Source: github.com/huggingface/safetensors, "Format"."""


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """Tensors by name, read one at a time while the files are open.

    Attributes:
        where: The folder or file, for errors.
        shapes: Every tensor's shape, by its name in the files.
        read: One tensor by that name, in any floating point type; a view of the file, to be copied.
    """

    where: str
    shapes: Mapping[str, Shape]
    read: Callable[[str], torch.Tensor]


def gguf_file(path: Path) -> Path | None:
    """The GGUF file that a path means: itself, or the only one in a folder that has no safetensors.

    Raises:
        ValueError: if there are several to choose from.
    """
    if path.is_file():
        return path
    found = [] if (path / WHOLE).exists() or (path / INDEX).exists() else sorted(path.glob("*.gguf"))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ValueError(f"{path}: expected safetensors or one GGUF file, got {names}; name the file itself")
    return found[0] if found else None


def shard_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, in order of name.

    Raises:
        ValueError: if the index names none.
    """
    index = folder / INDEX
    if not index.is_file():
        return [folder / WHOLE]
    names = {str(name) for name in read_json(index).part("weight_map").values.values()}
    if not names:
        raise ValueError(f"{index}: expected weight_map to name files, got none; is the index whole?")
    return [folder / name for name in sorted(names)]


@contextmanager
def open_safetensors(folder: Path) -> Iterator[WeightFiles]:
    """The tensors of a folder's safetensors files, mapped into memory until they are closed.

    Raises:
        OSError: if a file is not there.
        ValueError: if a file is broken, or holds tensors that are not in floating point.
    """
    with ExitStack() as stack:
        shapes: dict[str, Shape] = {}
        homes: dict[str, Any] = {}
        for path in shard_files(folder):
            opened = _opened(path, stack)
            for name in opened.keys():  # noqa: SIM118 - it is no mapping
                row = opened.get_slice(name)
                if row.get_dtype() not in FLOATS:
                    raise ValueError(
                        f"{path}: expected tensors in one of {', '.join(FLOATS)}, got {row.get_dtype()} for "
                        f"{name!r}; use the folder of the model that was not quantized, or a GGUF file"
                    )
                shapes[name], homes[name] = tuple(row.get_shape()), opened
        yield WeightFiles(str(folder), shapes, lambda name: homes[name].get_tensor(name))


def _opened(path: Path, stack: ExitStack) -> Any:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected weights in safetensors, got no such file; is the folder whole?"
        )
    try:
        return stack.enter_context(safe_open(str(path), framework="pt"))
    except SafetensorError as error:
        raise ValueError(f"{path}: expected a safetensors file, got {error}; is the file whole?") from None
