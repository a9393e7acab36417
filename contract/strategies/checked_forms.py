"""Forms with more to them than a schema says: validators in Python, and forms that somebody replaced."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, cached_property

from hypothesis import Phase, find, settings
from hypothesis.strategies import SearchStrategy

from contract.strategies.check import Check
from contract.strategies.form import Edge, Form, Tree, Violation, fixed
from contract.strategies.overrides import Override

__all__ = ["CheckedForm", "OverriddenForm", "RenamedForm"]


SEARCH = settings(database=None, deadline=None, derandomize=True, phases=[Phase.generate, Phase.shrink])


@cache
def first_of(strategy: SearchStrategy[Tree]) -> Tree:
    """The simplest tree of a strategy; the same every time.

    Found on a thread: a test may be running, and hypothesis runs none inside another.
    """
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(find, strategy, lambda _: True, settings=SEARCH).result()


@dataclass(frozen=True)
class CheckedForm(Form):
    """A form of which Python code takes only a part: drawn, then judged."""

    inner: Form
    check: Check

    def valid(self) -> SearchStrategy[Tree]:
        """The trees that pass."""
        return self.inner.valid().filter(self.check)

    def simplest(self) -> Tree:
        """The simplest that passes."""
        return self._simplest

    @cached_property
    def _simplest(self) -> Tree:
        """Asked for once: the search takes a third of a second, and every boundary starts from it."""
        simplest = self.inner.simplest()
        return simplest if self.check.allows(simplest) else first_of(self.valid())

    def edges(self) -> Iterator[Edge]:
        """The boundaries that pass."""
        return (found for found in self.inner.edges() if self.check.allows(found.edit(None)))

    def violations(self) -> Iterator[Violation]:
        """The violations that are found before the code runs, or in spite of it."""
        return (found for found in self.inner.violations() if self.check.refuses(found))


@dataclass(frozen=True, slots=True)
class OverriddenForm(Form):
    """A form whose valid trees somebody else draws."""

    inner: Form | None
    """The form of the schema, as far as it is known: for violations and boundaries."""
    override: Override
    check: Check

    def valid(self) -> SearchStrategy[Tree]:
        """What the override draws, judged."""
        return self.override.valid.filter(self.check)

    def simplest(self) -> Tree:
        """The override's."""
        return first_of(self.override.valid)

    def edges(self) -> Iterator[Edge]:
        """The override's, and those of the schema, which has judged them itself."""
        for what, tree in self.override.edges.items():
            yield Edge((), what, fixed(tree))
        yield from () if self.inner is None else self.inner.edges()

    def violations(self) -> Iterator[Violation]:
        """The override's, and those of the schema, likewise."""
        yield from self.override.violations
        yield from () if self.inner is None else self.inner.violations()


@dataclass(frozen=True, slots=True)
class RenamedForm(Form):
    """A form whose every violation is reported as one type at its own place."""

    inner: Form
    error: str

    def valid(self) -> SearchStrategy[Tree]:
        """The other form's trees."""
        return self.inner.valid()

    def simplest(self) -> Tree:
        """The other form's."""
        return self.inner.simplest()

    def edges(self) -> Iterator[Edge]:
        """The other form's."""
        return self.inner.edges()

    def violations(self) -> Iterator[Violation]:
        """The other form's, under the one type."""
        for found in self.inner.violations():
            yield replace(found, loc=(), type=self.error)
