"""Tensors as files in the safetensors format: 8 bytes of header length, a JSON header, the numbers.

Equal tensors give equal bytes: the header's keys are sorted and there are no times in it.
Source: github.com/huggingface/safetensors, "Format".
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["read_tensors", "tensors_size", "write_tensors"]

DTYPES = {"F64": np.dtype("<f8"), "I64": np.dtype("<i8")}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
ALIGNMENT = 8

Tensors = Mapping[str, npt.NDArray[Any]]


def write_tensors(tensors: Tensors) -> bytes:
    """One file of one-dimensional float64 and int64 tensors."""
    return _header(tensors) + b"".join(
        array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for array in tensors.values()
    )


def tensors_size(tensors: Tensors) -> int:
    """Length in bytes of what `write_tensors` gives."""
    return len(_header(tensors)) + sum(array.nbytes for array in tensors.values())


def _header(tensors: Tensors) -> bytes:
    rows, start = {}, 0
    for name, array in tensors.items():
        end = start + array.nbytes
        rows[name] = {"dtype": NAMES[array.dtype], "shape": [len(array)], "data_offsets": [start, end]}
        start = end
    text = json.dumps(rows, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def read_tensors(content: bytes, expected: Mapping[str, str]) -> dict[str, npt.NDArray[Any]]:
    """The one-dimensional tensors of a file, by name, read-only.

    Args:
        content: The file.
        expected: The dtype that each tensor must have, `F64` or `I64`, by name.

    Raises:
        ValueError: if it is not such a file, or has other tensors.
    """
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > len(content) - 8:
        raise ValueError(f"expected a safetensors file, got {len(content)} bytes of another form")
    header = json.loads(content[8 : 8 + size])
    found = {name: row.get("dtype") for name, row in header.items()} if isinstance(header, dict) else {}
    if found != expected:
        raise ValueError(f"expected tensors {dict(expected)}, got {found}")
    body, tensors = memoryview(content)[8 + size :], {}
    for name, row in header.items():
        start, end = row["data_offsets"]
        if not 0 <= start <= end <= len(body):
            raise ValueError(
                f"tensor {name!r}: expected at most {len(body)} bytes, got offsets {start}, {end}"
            )
        tensors[name] = np.frombuffer(body[start:end], DTYPES[row["dtype"]])
    return tensors
