"""A batch as flat arrays: all datums end to end, so that one array operation serves them all."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from contract import TensorData
from fake_server.elementary import Flags, Floats, Ints

__all__ = ["Fault", "Layout", "flat"]

N = TypeVar("N", bound=np.generic)


class Fault(NamedTuple):
    """The first datum with something wrong in it."""

    wrong: int
    """How many of its numbers are wrong."""
    size: int
    """How many it has."""
    where: str
    """Which datum: ` (datum 2 of 8)`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How D datums lie in a flat array `[M]`."""

    sizes: list[int]
    """Numbers of each datum, `[D]`; they add up to M."""
    ends: list[int]
    """Where each datum ends, `[D]`."""

    @classmethod
    def of(cls, sizes: list[int]) -> "Layout":
        """The layout of datums of these sizes."""
        return cls(sizes, list(accumulate(sizes)))

    @property
    def starts(self) -> list[int]:
        """Where each datum starts that is not empty."""
        return [end - size for size, end in zip(self.sizes, self.ends, strict=True) if size]

    def split(self, array: npt.NDArray[N]) -> list[npt.NDArray[N]]:
        """Each datum's part of a flat array; views."""
        return [array[end - size : end] for size, end in zip(self.sizes, self.ends, strict=True)]

    def sums(self, array: Floats) -> Floats:
        """Each datum's sum, `[D]`."""
        return np.array([part.sum() for part in self.split(array)])

    def spread(self, array: npt.NDArray[N]) -> npt.NDArray[N]:
        """A number for each datum `[D]` in all its places, `[M]`."""
        return np.repeat(array, self.sizes)

    def where(self, position: int) -> str:
        """Which datum a position of the flat array is in, for the words of a refusal."""
        return f" (datum {bisect_right(self.ends, position) + 1} of {len(self.ends)})"

    def fault(self, wrong: Flags) -> Fault | None:
        """What to say of the first datum with a flag; None where there is no flag, `[M]`."""
        if not wrong.any():
            return None
        position = int(wrong.argmax())
        part = self.split(wrong)[bisect_right(self.ends, position)]
        return Fault(int(part.sum()), part.size, self.where(position))


def flat(tensor: TensorData) -> "Floats | Ints":
    """A tensor's numbers in row-major order, those that a sparse one does not list as 0; read-only."""
    return tensor.to_numpy().reshape(-1) if tensor.is_sparse else tensor.values
