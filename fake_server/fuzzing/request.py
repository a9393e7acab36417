"""`Request`: what is sent, with names in the place of ids that only the server can give.

`«model»` is a model that is made when the request is sent; `«next»` is the number after the last one. So a
request means the same on every server and at any time: it can be shrunk, written to a file and sent again.
"""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from contract.codec import JSON
from contract.operations import OPERATIONS, Deferred, Operation

__all__ = ["LATER", "NEXT", "ROWS", "Expected", "Request"]

Expected = Literal["taken", "refused", "either"]
"""What has to come of a request: `refused` is a 4xx, or a future that fails."""
Row = Operation[Any, Any] | Deferred[Any, Any]

ROWS: dict[str, Row] = {row.name: row for row in OPERATIONS}
NEXT = "«next»"
"""The number after the last one of the model, session or sampler that a request names."""
LATER = "«later»"
"""The one after that, which has to wait for it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of an operation."""

    operation: str
    fields: dict[str, Any] = field(default_factory=dict)
    """All of it by name: those of the path, then those of the query or of the body."""
    body: Any = None
    """What stands in the body's place where it is no object of fields: any JSON."""
    raw: bytes | None = None
    """What stands in the body's place where it is no JSON."""
    cut: int = 0
    """How many bytes the body lacks at its end."""
    media_type: str = JSON
    encoding: str = ""
    """`zstd`, or none."""
    accept: str = JSON
    """What is accepted of the answer, and of the result of a future."""
    headers: dict[str, str] = field(default_factory=dict)
    """Beside the usual ones; an empty text leaves one out."""
    method: str = ""
    """In the place of the operation's own."""
    suffix: str = ""
    """At the end of the path."""
    what: str = "as a client sends it"
    """What is special about it, in words."""
    expected: Expected = "taken"
    law: str = ""
    """The id of the law that says so; that of the operation where empty."""

    @property
    def row(self) -> Row:
        """The operation."""
        return ROWS[self.operation]

    @property
    def deferred(self) -> bool:
        """Whether a promise is the answer."""
        return isinstance(self.row, Deferred)

    def having(self, what: str, expected: Expected, law: str, **changes: Any) -> Self:
        """The same request, changed."""
        return replace(self, what=what, expected=expected, law=law, **changes)

    def as_json(self) -> dict[str, Any]:
        """As a JSON object; what is as usual is left out."""
        usual = Request(self.operation)
        told = {
            name: getattr(self, name)
            for name in self.__slots__
            if name == "operation" or getattr(self, name) != getattr(usual, name)
        }
        if self.raw is not None:
            told["raw"] = b64encode(self.raw).decode()
        return told

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Self:
        """The request of such an object.

        Raises:
            ValueError: if it has other fields, or names no operation.
        """
        if not isinstance(told, dict) or told.get("operation") not in ROWS or set(told) - set(cls.__slots__):
            raise ValueError(f"request: expected one of an operation, got {json.dumps(told)[:200]}")
        raw = told.get("raw")
        return cls(**{**told, "raw": None if raw is None else b64decode(raw)})
