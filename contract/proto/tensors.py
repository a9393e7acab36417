"""Flat buffers and tensors between protobuf bytes and contract types.

Numbers go through numpy: no Python statement runs once per number. Buffers are little-endian everywhere.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from contract.proto import tinker_public_pb2 as pb
from contract.tensors import TensorData, TensorDtype

__all__ = [
    "FLOAT32",
    "INT32",
    "INT64",
    "numbers",
    "read_each",
    "read_tensor",
    "token_bytes",
    "wide_numbers",
    "write_tensor",
]

Message = TypeVar("Message")
Value = TypeVar("Value")

INT32, INT64, FLOAT32 = np.dtype("<i4"), np.dtype("<i8"), np.dtype("<f4")
BFLOAT16_BITS = np.dtype("<u2")

WIDENED: dict[int, tuple[np.dtype[Any], TensorDtype]] = {
    pb.DTYPE_FLOAT32: (FLOAT32, "float32"),
    pb.DTYPE_INT64: (INT64, "int64"),
    pb.DTYPE_INT32: (INT32, "int64"),
    pb.DTYPE_BFLOAT16: (BFLOAT16_BITS, "float32"),
}
"""How each type stands in a buffer, and the type it is read as."""
DTYPE_OF: dict[TensorDtype, pb.DType] = {"float32": pb.DTYPE_FLOAT32, "int64": pb.DTYPE_INT64}


def read_each(where: str, read: Callable[[Message], Value], messages: Iterable[Message]) -> list[Value]:
    """Every message converted by `read`.

    Raises:
        ValueError: as `read` does, with `where[index]` in front.
    """
    values: list[Value] = []
    for message in messages:
        try:
            values.append(read(message))
        except ValueError as error:
            raise ValueError(f"{where}[{len(values)}]: {error}") from None
    return values


def numbers(buffer: bytes, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The buffer's numbers as a flat read-only array.

    Raises:
        ValueError: if the buffer ends within a number.
    """
    if len(buffer) % dtype.itemsize:
        raise ValueError(f"expected a multiple of {dtype.itemsize} bytes, got {len(buffer)} bytes")
    return np.frombuffer(buffer, dtype)


def wide_numbers(buffer: bytes, dtype: int) -> tuple[npt.NDArray[Any], TensorDtype]:
    """The buffer's numbers as a flat array, int32 widened to int64 and bfloat16 to float32, and their type.

    Raises:
        ValueError: if `dtype` is not one that holds numbers, or the buffer ends within a number.
    """
    if dtype not in WIDENED:
        allowed = ", ".join(pb.DType.Name(known) for known in WIDENED)
        raise ValueError(f"dtype: expected one of {allowed}, got {dtype}")
    stored, wide = WIDENED[dtype]
    array = numbers(buffer, stored)
    if stored is BFLOAT16_BITS:
        return (array.astype("<u4") << 16).astype("<u4").view(FLOAT32), wide
    return array.astype(INT64) if stored is INT32 else array, wide


def token_bytes(tokens: list[int] | npt.NDArray[np.int64]) -> bytes:
    """Token ids as int32.

    Raises:
        ValueError: if an id has more than 32 bits.
        OverflowError: if an id has more than 64 bits.
    """
    wide = np.asarray(tokens, INT64)
    narrow = wide.astype(INT32)
    if (narrow != wide).any():
        raise ValueError(f"tokens: expected ids of 32 bits, got some from {wide.min()} to {wide.max()}")
    return narrow.tobytes()


def read_tensor(message: pb.Tensor) -> TensorData:
    """The tensor, dense or sparse as it was sent.

    A list without a shape and a scalar are the same bytes where there is one number: it is read as a scalar.

    Raises:
        ValueError: naming the part that does not fit.
    """
    shape = message.shape[:]
    match message.WhichOneof("encoding"):
        case "dense":
            values, dtype = wide_numbers(message.dense, message.dtype)
            return TensorData.of_values(values, dtype, shape if shape or len(values) == 1 else None)
        case "sparse_csr":
            rows = message.sparse_csr
            values, dtype = wide_numbers(rows.values, message.dtype)
            crow = numbers(rows.crow_indices, INT64).tolist()
            col = numbers(rows.col_indices, INT64).tolist()
            return TensorData.of_values(values, dtype, shape, crow, col)
    raise ValueError("expected dense or sparse_csr numbers, got neither")


def write_tensor(tensor: TensorData, message: pb.Tensor) -> None:
    """Fill an empty message; a shape that was not given is not written."""
    message.dtype = DTYPE_OF[tensor.dtype]
    message.shape.extend(tensor.shape or ())
    values = tensor.values.tobytes()
    if not tensor.is_sparse:
        message.dense = values
        return
    message.sparse_csr.values = values
    message.sparse_csr.crow_indices = np.asarray(tensor.sparse_crow_indices, INT64).tobytes()
    message.sparse_csr.col_indices = np.asarray(tensor.sparse_col_indices, INT64).tobytes()
