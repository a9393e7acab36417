"""Safetensors files in memory: equal tensors give equal bytes.

Source: github.com/huggingface/safetensors, "Format": 8 bytes of header length, a JSON header, the numbers.
"""

import json
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load

__all__ = ["read_metadata", "read_tensors", "tensors_size", "write_tensors"]

ALIGNMENT = 8
LENGTH = 8
"""Bytes that give the header's length."""
TYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64"}


def write_tensors(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """A file of tensors on the CPU, each of one of `TYPES`, in the order of the mapping."""
    parts = (tensor.reshape(-1).view(torch.uint8).numpy().data for tensor in tensors.values())
    return b"".join([_header(tensors, metadata), *parts])


def tensors_size(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> int:
    """Length in bytes of what `write_tensors` gives; of the tensors, only shapes and types are looked at."""
    return len(_header(tensors, metadata)) + sum(tensor.nbytes for tensor in tensors.values())


def _header(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    rows: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    start = 0
    for name, tensor in tensors.items():
        end = start + tensor.nbytes
        rows[name] = {
            "dtype": TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(rows, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(LENGTH, "little") + text


def read_tensors(content: bytes) -> dict[str, torch.Tensor]:
    """The tensors of a file, on the CPU, sorted by name.

    Raises:
        ValueError: if it is not such a file.
    """
    try:
        return dict(sorted(load(content).items()))  # its own order is another each time
    except SafetensorError as error:
        raise ValueError(f"expected a safetensors file, got {error}; is the file whole?") from None


def read_metadata(content: bytes) -> dict[str, str]:
    """The metadata of a file that `read_tensors` reads."""
    end = LENGTH + int.from_bytes(content[:LENGTH], "little")
    found = json.loads(content[LENGTH:end]).get("__metadata__")
    return dict(found or {})
