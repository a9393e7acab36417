"""`ArrayModel`: numbers that are kept as an array, and listed only for those who ask.

A list of numbers costs ten times the memory of an array and most of the time that a large request takes. The
servers and engines read arrays; the list is for JSON, and for people.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt
from pydantic import SerializerFunctionWrapHandler, model_serializer

from contract.model import WireModel

__all__ = ["ArrayModel"]


class ArrayModel(WireModel):
    """A wire type whose first field lists numbers, and that also has them as an array.

    Made from a list, it makes the array when that is asked for. Made by `of_checked` with the `frozen` array
    in place of the list, it is the other way round.
    """

    LISTED: ClassVar[str]
    """Name of the field that lists the numbers."""
    ARRAY: ClassVar[str]
    """Name of the cached property that is the array."""

    if not TYPE_CHECKING:  # pragma: no branch # as pydantic does, so that mypy still knows unknown names

        def __getattr__(self, name: str) -> Any:
            """The listed numbers, made when they are first asked for."""
            known = self.__dict__
            if name != self.LISTED or self.ARRAY not in known:
                return super().__getattr__(name)
            listed = known[self.ARRAY].tolist()
            object.__setattr__(self, "__dict__", {name: listed, **known})
            return listed

    def __iter__(self) -> Generator[tuple[str, Any], None, None]:
        """Names and values of all fields; the array is none."""
        for name in type(self).model_fields:
            yield name, getattr(self, name)

    def __repr_args__(self) -> Generator[tuple[str, Any], None, None]:
        return iter(self)

    def __eq__(self, other: object) -> bool:
        """Whether all fields are the same."""
        return isinstance(other, type(self)) and list(self) == list(other)

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        known = self.__dict__
        fields: dict[str, Any]
        if self.LISTED in known:
            fields = handler(self)
            return fields
        fields = handler(self.of_checked({self.LISTED: [], **known}))
        if self.LISTED in fields:  # made for this once, and not kept: results are kept for hours
            fields[self.LISTED] = known[self.ARRAY].tolist()
        return fields


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array, made read-only."""
    array.setflags(write=False)
    return array
