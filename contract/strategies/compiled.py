"""`Compiled`: a type with all that is drawn for it, made once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, Generic, TypeVar

from hypothesis.strategies import SearchStrategy
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from contract.strategies.check import Tally
from contract.strategies.compiler import Compiler
from contract.strategies.form import Edge, Form, Tree, Violation
from contract.strategies.overrides import NO_OVERRIDES, Overrides
from contract.versions import SdkVersion

__all__ = ["Compiled", "compiled", "fresh"]

T = TypeVar("T")
REFUSED: Final = object()


@dataclass(frozen=True, repr=False)
class Compiled(Generic[T]):
    """A type with all that is drawn for it."""

    name: str
    adapter: TypeAdapter[T]
    form: Form
    tallies: Mapping[str, Tally]
    """Of the whole, by its name, and of every part that Python code judges."""

    @cached_property
    def trees(self) -> SearchStrategy[Tree]:
        """JSON forms of valid values."""
        return self.form.valid().filter(lambda tree: self._judged(tree) is not REFUSED)

    @cached_property
    def values(self) -> SearchStrategy[T]:
        """Valid values."""
        return self.form.valid().map(self._judged).filter(lambda value: value is not REFUSED)

    def _judged(self, tree: Tree) -> Any:
        """The value of a drawn tree, or `REFUSED`; counted."""
        tally = self.tallies[self.name]
        tally.tried += 1
        try:
            return self.value(tree)
        except ValidationError:
            tally.refused += 1
            return REFUSED

    def value(self, tree: Tree) -> T:
        """The value of a tree.

        Raises:
            pydantic.ValidationError: if it does not fit.
        """
        return self.adapter.validate_json(to_json(tree))

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every boundary, by name in the order of the fields."""
        return tuple({found.name: found for found in self.form.edges()}.values())

    @cached_property
    def violations(self) -> tuple[Violation, ...]:
        """Every violation, by name in the order of the fields."""
        return tuple({(found.name, found.loc): found for found in self.form.violations()}.values())


def fresh(type_: Any, overrides: Overrides, version: SdkVersion | None = None) -> Compiled[Any]:
    """A type, compiled anew with counts of its own."""
    adapter: TypeAdapter[Any] = TypeAdapter(type_)
    name = getattr(type_, "__name__", None) or str(type_)
    compiler = Compiler(overrides, version, tallies={name: Tally()})
    return Compiled(name, adapter, compiler.compiled(adapter, name), compiler.tallies)


_kept = lru_cache(maxsize=512)(fresh)


def compiled(
    type_: Any, overrides: Overrides = NO_OVERRIDES, version: SdkVersion | None = None
) -> Compiled[Any]:
    """A type with all that is drawn for it; made once.

    Args:
        type_: anything that pydantic's `TypeAdapter` takes.
        overrides: who draws what the type's schema does not say.
        version: the SDK release whose optional fields there are; None for all fields.

    Raises:
        UnknownType: naming the part that has no JSON form.
    """
    try:
        hash(type_)
    except TypeError:
        return fresh(type_, overrides, version)
    return _kept(type_, overrides, version)
