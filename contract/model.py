"""The two bases of every wire type, and how a field says since when it exists.

Knows pydantic; knows nothing of any operation.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

__all__ = ["Since", "Until", "WireModel", "WireResponse"]


@dataclass(frozen=True, slots=True)
class Since:
    """Field metadata: the first SDK release that has the field. Absent means 0.1.0."""

    version: str


@dataclass(frozen=True, slots=True)
class Until:
    """Field metadata: the last SDK release that has the field. Absent means it is still there."""

    version: str


class WireModel(BaseModel):
    """A request or a part of one: immutable, unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), defer_build=True)


class WireResponse(BaseModel):
    """An answer or a part of one: immutable, unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=(), defer_build=True)
