"""`TensorData`: numbers with a dtype and a shape, dense or as compressed sparse rows.

Imports numpy; torch only inside the two functions that name it.
Source: sdk 0.38.0 types/tensor_data.py.
"""

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from contract.arrays import ArrayModel, frozen
from contract.model import Since

if TYPE_CHECKING:
    import torch

__all__ = ["TensorData", "TensorDtype"]

TensorDtype = Literal["int64", "float32"]
NUMPY_DTYPE: dict[str, np.dtype[Any]] = {"int64": np.dtype("<i8"), "float32": np.dtype("<f4")}


class TensorData(ArrayModel):
    """A tensor as it crosses the wire.

    Dense: `data` has `prod(shape)` numbers in row-major order. Sparse: `data` has the listed values
    of a 2-D tensor, the two index lists say where they are, and every other cell is the pad value.
    """

    LISTED: ClassVar[str] = "data"
    ARRAY: ClassVar[str] = "values"

    data: list[int] | list[float]
    """The numbers, flattened."""
    dtype: TensorDtype
    """Number type: `int64` or `float32`."""
    shape: list[int] | None = None
    """Dimensions as torch gives them; absent means one dimension. Required when sparse."""
    sparse_crow_indices: Annotated[list[int] | None, Since("0.18.0")] = None
    """Where each row starts in `data`, `rows + 1` numbers; set for a sparse tensor only."""
    sparse_col_indices: Annotated[list[int] | None, Since("0.18.0")] = None
    """The column of each listed value; set together with the row starts."""

    @model_validator(mode="after")
    def _validate_layout(self) -> Self:
        self.check_layout()
        return self

    def check_layout(self) -> None:
        """Refuse numbers, shape and indices that do not fit each other.

        Raises:
            ValueError: naming the two counts that disagree.
        """
        if self.dtype == "int64" and self.ARRAY not in self.__dict__:
            self._check_whole()
        if self.sparse_crow_indices is not None or self.sparse_col_indices is not None:
            self._check_rows()
        elif prod(self.dimensions) != self._count or min(self.dimensions, default=0) < 0:
            raise ValueError(f"shape: expected one that holds {self._count} values, got {self.shape}")

    @property
    def _count(self) -> int:
        """How many numbers are listed."""
        return len(self.values if self.ARRAY in self.__dict__ else self.data)

    def _check_whole(self) -> None:
        if any(type(n) is float for n in self.data[:1]):
            wrong = sum(1 for n in self.data if not float(n).is_integer())
            if wrong:
                raise ValueError(f"data: expected whole numbers for dtype int64, got {wrong} that are not")
        try:
            self.values  # noqa: B018 (made once, and kept)
        except OverflowError:
            raise ValueError("data: expected 64-bit integers, got a number that is larger") from None

    def _check_rows(self) -> None:
        crow, col, shape = self.sparse_crow_indices, self.sparse_col_indices, self.shape
        if crow is None or col is None or shape is None or len(shape) != 2 or min(shape) < 0:
            raise ValueError(
                "sparse tensor: expected sparse_crow_indices, sparse_col_indices and a 2-D shape, "
                f"got shape {shape}"
            )
        rows, columns = shape
        if len(crow) != rows + 1 or crow[0] != 0 or crow[-1] != len(col) or len(col) != self._count:
            raise ValueError(
                f"sparse tensor: expected {rows + 1} row starts from 0 to {self._count} and as many "
                f"columns as values, got {len(crow)} row starts and {len(col)} columns"
            )
        try:
            starts, columns_of = np.asarray(crow, dtype=np.int64), np.asarray(col, dtype=np.int64)
        except OverflowError:
            raise ValueError("sparse tensor: expected 64-bit indices, got a number that is larger") from None
        if (np.diff(starts) < 0).any() or (columns_of < 0).any() or (columns_of >= columns).any():
            raise ValueError(
                f"sparse tensor: expected rising row starts and columns in [0, {columns}), got others"
            )

    @property
    def is_sparse(self) -> bool:
        """Whether the values are compressed sparse rows."""
        return self.sparse_crow_indices is not None

    @cached_property
    def values(self) -> npt.NDArray[Any]:
        """The listed numbers as a flat read-only array of the declared dtype, `[len(data)]`."""
        return frozen(np.asarray(self.data, dtype=NUMPY_DTYPE[self.dtype]))

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The shape, `(len(data),)` where none was given."""
        return (self._count,) if self.shape is None else tuple(self.shape)

    @classmethod
    def of_values(
        cls,
        values: npt.NDArray[Any],
        dtype: TensorDtype,
        shape: list[int] | None,
        sparse_crow_indices: list[int] | None = None,
        sparse_col_indices: list[int] | None = None,
    ) -> "TensorData":
        """A tensor from a flat array whose dtype already fits: the codecs' fast way.

        Raises:
            ValueError: as `check_layout`.
        """
        fields = {
            "values": frozen(values),
            "dtype": dtype,
            "shape": shape,
            "sparse_crow_indices": sparse_crow_indices,
            "sparse_col_indices": sparse_col_indices,
        }
        tensor = cls.of_checked(fields)
        if shape != [len(values)] or sparse_crow_indices is not None or sparse_col_indices is not None:
            tensor.check_layout()
        return tensor

    @classmethod
    def from_numpy(cls, array: npt.NDArray[Any]) -> "TensorData":
        """From an array of floats or signed integers; narrower types are widened to the wire's two.

        Raises:
            ValueError: for any other kind of number.
        """
        if array.dtype.kind not in "fi":
            raise ValueError(f"array dtype: expected floats or signed integers, got {array.dtype}")
        dtype: TensorDtype = "float32" if array.dtype.kind == "f" else "int64"
        flat = np.ascontiguousarray(array, dtype=NUMPY_DTYPE[dtype]).reshape(-1)
        return cls.of_values(flat.copy(), dtype, list(array.shape))

    @classmethod
    def from_torch(cls, tensor: "torch.Tensor") -> "TensorData":
        """From a dense torch tensor on any device; bfloat16 is widened to float32."""
        dense = tensor.detach()
        return cls.from_numpy((dense.float() if dense.is_floating_point() else dense).cpu().numpy())

    def to_numpy(self, pad_value: int = 0) -> npt.NDArray[Any]:
        """The dense array, `shape`; unlisted cells of a sparse tensor are `pad_value`. Never a view."""
        if not self.is_sparse:
            return self.values.reshape(self.dimensions).copy()
        dense = np.full(self.dimensions, pad_value, dtype=NUMPY_DTYPE[self.dtype])
        rows = np.repeat(np.arange(self.dimensions[0]), np.diff(self.sparse_crow_indices or [0]))
        dense[rows, self.sparse_col_indices] = self.values
        return dense

    def to_torch(self, pad_value: int = 0) -> "torch.Tensor":
        """As `to_numpy`, a torch tensor on the CPU. Needs torch installed."""
        import torch

        return torch.from_numpy(self.to_numpy(pad_value))

    def tolist(self, pad_value: int = 0) -> list[Any]:
        """The dense tensor as nested lists."""
        nested: list[Any] = self.to_numpy(pad_value).tolist()
        return nested
