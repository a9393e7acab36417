"""`Overrides`: who draws a type or a field in place of what its schema says.

An override draws the JSON form of a value, or a value that pydantic can write as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis.strategies import SearchStrategy

from contract.strategies.form import Tree, Violation

__all__ = ["NO_OVERRIDES", "Override", "Overrides"]


@dataclass(frozen=True, slots=True)
class Override:
    """What is drawn for a type or a field, and what more is known of it."""

    valid: SearchStrategy[Tree]
    """Trees that fit; each is judged by the type all the same."""
    edges: Mapping[str, Tree] = field(default_factory=dict)
    """Boundaries by name, besides those of the schema."""
    violations: tuple[Violation, ...] = ()
    """Violations besides those of the schema: of rules between fields, which no schema shows."""


@dataclass(frozen=True, eq=False)
class Overrides:
    """Overrides by type and by field; immutable, so that one can be shared and added to."""

    types: Mapping[Any, Override] = field(default_factory=dict)
    fields: Mapping[tuple[Any, str], Override] = field(default_factory=dict)

    def with_type(self, type_: Any, override: Override | SearchStrategy[Tree]) -> "Overrides":
        """The same, and `override` for every value of a class: a model, a dataclass, an enum, any other."""
        return replace(self, types={**self.types, type_: _override(override)})

    def with_field(self, owner: Any, name: str, override: Override | SearchStrategy[Tree]) -> "Overrides":
        """The same, and `override` for one field of a class, by its Python name."""
        return replace(self, fields={**self.fields, (owner, name): _override(override)})

    def __or__(self, other: "Overrides") -> "Overrides":
        """Both; where both say something, the other."""
        return Overrides({**self.types, **other.types}, {**self.fields, **other.fields})


def _override(given: Override | SearchStrategy[Tree]) -> Override:
    return given if isinstance(given, Override) else Override(given)


NO_OVERRIDES = Overrides()
"""Nothing: every type is drawn as its schema says."""
