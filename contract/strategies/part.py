"""`Part`: which part of a type is compiled, and what its surroundings say about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Part", "UnknownType"]

DEPTH = 2
"""How often a type contains itself at most. Source: ours: enough to find who forgets to descend."""


class UnknownType(TypeError):
    """A part of a type has no JSON form that anybody knows."""


@dataclass(frozen=True, slots=True)
class Part:
    """Where the compiler is."""

    name: str
    """For people, for example `Datum.model_input`."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """pydantic's configuration of the model that the part belongs to."""
    owner: Any = None
    """The class whose fields are compiled."""
    depth: int = DEPTH
    """How often the type may still contain itself."""

    def setting(self, schema: Mapping[str, Any], name: str, default: Any = None) -> Any:
        """A setting of the part, which its model's configuration may give."""
        return schema.get(name, self.config.get(name, default))

    def inside(self, owner: Any, config: Mapping[str, Any] | None) -> "Part":
        """The fields of a class."""
        return replace(self, name=owner.__name__, owner=owner, config=config or {})

    def of_field(self, name: str) -> "Part":
        """One field of the class."""
        return replace(self, name=f"{self.name}.{name}")

    def deeper(self) -> "Part":
        """Once more inside a recursive type."""
        return replace(self, depth=self.depth - 1)
