"""`Form`: what the JSON form of a type may look like, and the two kinds of changes to one that have a name.

A form draws *trees*: values of `dict`, `list`, `str`, `int`, `float`, `bool` and None that JSON can carry.
Everything else is made from trees: values by pydantic, bytes by the codec. Knows hypothesis and pydantic.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from hypothesis.strategies import SearchStrategy

__all__ = ["Edge", "Edit", "Form", "Location", "Tree", "Violation", "dotted", "fixed"]

Tree: TypeAlias = Any
"""A value as JSON has it."""
Location: TypeAlias = tuple[int | str, ...]
Edit: TypeAlias = Callable[[Tree], Tree]
"""Changes a tree that fits; starts from the simplest where it is given one that does not fit."""


def fixed(tree: Tree) -> Edit:
    """The edit that puts `tree` in place of whatever was there."""
    return lambda _: tree


@dataclass(frozen=True, slots=True)
class Edge:
    """A boundary: one place of a tree that has a value at the end of what is allowed."""

    place: Location
    """The keys that lead to it."""
    what: str
    """Which boundary, for example `lowest` or `absent`."""
    edit: Edit
    """Takes a tree that fits, or none that does, and gives one that has the boundary."""

    @property
    def name(self) -> str:
        """For example `limit: lowest`."""
        return f"{dotted(self.place)}: {self.what}"

    def below(self, key: int | str, edit: Edit) -> "Edge":
        """The same boundary, of the part `key` of a larger tree."""
        return replace(self, place=(key, *self.place), edit=edit)


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong in an otherwise valid tree, and what pydantic says of it."""

    place: Location
    """The keys that lead to it."""
    loc: Location
    """pydantic's location: as `place`, with the names of union branches."""
    type: str
    """pydantic's error type, for example `missing`."""
    what: str
    """For people, for example `a text`."""
    edit: Edit
    """Takes a tree that fits, or none that does, and gives one that is wrong there and nowhere else."""

    @property
    def name(self) -> str:
        """For example `limit: below the lowest`."""
        return f"{dotted(self.place)}: {self.what}"

    def below(self, key: int | str, edit: Edit) -> "Violation":
        """The same violation, of the part `key` of a larger tree."""
        return replace(self, place=(key, *self.place), loc=(key, *self.loc), edit=edit)

    def in_branch(self, label: str, edit: Edit) -> "Violation":
        """The same violation, of one branch of a union."""
        return replace(self, loc=(label, *self.loc), edit=edit)


class Form(ABC):
    """The trees of one part of a type."""

    @abstractmethod
    def valid(self) -> SearchStrategy[Tree]:
        """Trees that fit; the simplest comes out of shrinking."""

    @abstractmethod
    def simplest(self) -> Tree:
        """One small tree that fits."""

    @abstractmethod
    def edges(self) -> Iterator[Edge]:
        """Every boundary that has a name."""

    @abstractmethod
    def violations(self) -> Iterator[Violation]:
        """Every violation that has a name. `null` is named `null` in all forms."""


def dotted(place: Location) -> str:
    """A place as text: `data[0].shape`; `body` for the whole."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "body"
