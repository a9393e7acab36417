"""A text that is itself JSON."""

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis.strategies import SearchStrategy
from pydantic_core import to_json

from contract.strategies.form import Edge, Edit, Form, Tree, Violation
from contract.strategies.number_forms import leaf

__all__ = ["JsonTextForm"]


@dataclass(frozen=True, slots=True)
class JsonTextForm(Form):
    """The JSON text of another form."""

    inner: Form

    def valid(self) -> SearchStrategy[str]:
        """The texts of the other form's trees."""
        return self.inner.valid().map(written)

    def simplest(self) -> str:
        """The text of the simplest."""
        return written(self.inner.simplest())

    def edges(self) -> Iterator[Edge]:
        """The other form's."""
        for found in self.inner.edges():
            yield Edge((), f"{found.name} inside", _text(found.edit))

    def violations(self) -> Iterator[Violation]:
        """Values of other types, what is no JSON, and what is wrong inside."""
        yield leaf("json_type", "null", None)
        yield leaf("json_type", "a list", [])
        yield leaf("json_invalid", "no JSON", "{")
        for found in self.inner.violations():
            yield Violation((), found.loc, found.type, f"{found.name} inside", _text(found.edit))


def written(tree: Tree) -> str:
    """The tree as JSON text."""
    return to_json(tree).decode()


def _text(edit: Edit) -> Edit:
    return lambda _: written(edit(None))
