"""`Sketch`: a step that does not know yet what there is to name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

__all__ = ["Sketch"]


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is drawn of a step; none depends on another."""

    kind: str
    """A key of `DRAFTS`, or of `FLAWS`."""
    choices: tuple[int, int] = (0, 0)
    """Numbers from 0 to 7 that choose what is named, each modulo how much there is."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the step."""

    def with_fields(self, **fields: Any) -> Self:
        """The sketch with these parameters, unless it has others of the names."""
        return replace(self, fields={**fields, **self.fields})
