"""`valid`, `edge` and `invalid`: values, boundaries and violations of any type that pydantic knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic_core import to_json

from contract.strategies.compiled import compiled
from contract.strategies.contract_overrides import CONTRACT
from contract.strategies.form import Location, Tree, Violation
from contract.strategies.overrides import Overrides

__all__ = ["Invalid", "edge", "edges", "invalid", "trees", "valid", "violations"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Invalid:
    """A tree with one thing wrong, and what is said of it."""

    name: str
    """For example `limit: below the lowest`."""
    tree: Tree
    place: Location
    """The keys that lead to it in the JSON."""
    loc: Location
    """pydantic's location; as `place`, with the names of union branches."""
    type: str
    """pydantic's error type."""

    @property
    def body(self) -> bytes:
        """The tree as JSON."""
        return to_json(self.tree)


def trees(type_: Any, overrides: Overrides = CONTRACT) -> SearchStrategy[Tree]:
    """JSON forms of valid values of a type, as dictionaries, lists and scalars."""
    return compiled(type_, overrides).trees


def valid(type_: type[T], overrides: Overrides = CONTRACT) -> SearchStrategy[T]:
    """Valid values of a type, which shrink to its simplest."""
    drawn: SearchStrategy[T] = compiled(type_, overrides).values
    return drawn


def edges(type_: type[T], overrides: Overrides = CONTRACT) -> Mapping[str, T]:
    """A value of a type for each of its boundaries, by names such as `limit: lowest`."""
    made = compiled(type_, overrides)
    return {found.name: made.value(found.edit(None)) for found in made.edges}


def edge(type_: type[T], overrides: Overrides = CONTRACT) -> SearchStrategy[T]:
    """Values of a type with one place at a boundary."""
    return st.sampled_from(tuple(edges(type_, overrides).values()))


def violations(type_: Any, overrides: Overrides = CONTRACT) -> Mapping[str, Invalid]:
    """The simplest tree for each violation, by names such as `limit: below the lowest`.

    Where one violation is reported by several branches of a union, the first stands for them.
    """
    named: dict[str, Invalid] = {}
    for found in compiled(type_, overrides).violations:
        named.setdefault(found.name, _invalid(found, None))
    return named


def invalid(type_: Any, overrides: Overrides = CONTRACT) -> SearchStrategy[Invalid]:
    """Trees of a type with one violation, each in a tree that is valid but for it."""
    made = compiled(type_, overrides)
    return st.builds(_invalid, st.sampled_from(made.violations), made.trees)


def _invalid(found: Violation, base: Tree) -> Invalid:
    return Invalid(found.name, found.edit(base), found.place, found.loc, found.type)
