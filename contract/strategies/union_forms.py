"""One of several forms: told apart by a tag, or by which of them fits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.strategies.check import Check
from contract.strategies.form import Edge, Edit, Form, Tree, Violation
from contract.strategies.number_forms import leaf

__all__ = ["TaggedForm", "UnionForm"]


@dataclass(frozen=True, slots=True)
class UnionForm(Form):
    """One of several forms, of which the first that fits best is taken."""

    branches: Mapping[str, Form]
    """By what pydantic calls them in a location."""
    check: Check
    """Of the whole: what is wrong for one branch may be right for another."""

    def valid(self) -> SearchStrategy[Tree]:
        """Trees of each branch, the first being the simplest."""
        return st.one_of(*(branch.valid() for branch in self.branches.values()))

    def simplest(self) -> Tree:
        """The simplest of the first branch."""
        return next(iter(self.branches.values())).simplest()

    def edges(self) -> Iterator[Edge]:
        """The boundaries of all branches."""
        for branch in self.branches.values():
            for found in branch.edges():
                yield Edge(found.place, found.what, from_simplest(found.edit))

    def violations(self) -> Iterator[Violation]:
        """What is wrong with a branch, and right for no other."""
        for label, branch in self.branches.items():
            for found in branch.violations():
                inside = found.in_branch(label, from_simplest(found.edit))
                if self.check.refuses(inside):
                    yield inside


@dataclass(frozen=True, slots=True)
class TaggedForm(Form):
    """One of several forms, of which a tag says which."""

    branches: Mapping[str, Form]
    """By tag."""
    check: Check
    key: str | None = None
    """The field that holds the tag; None where a function finds it."""

    def valid(self) -> SearchStrategy[Tree]:
        """Trees of each branch with its tag, the first being the simplest."""
        drawn = [self._tagged(branch.valid(), tag) for tag, branch in self.branches.items()]
        return st.one_of(*drawn) if self.key is not None else st.one_of(*drawn).filter(self.check)

    def _tagged(self, trees: SearchStrategy[Tree], tag: str) -> SearchStrategy[Tree]:
        return trees.map(lambda tree: self._with_tag(tree, tag))

    def _with_tag(self, tree: Tree, tag: str) -> Tree:
        if self.key is None or not isinstance(tree, dict):
            return tree
        return {self.key: tag} | tree | {self.key: tag}

    def simplest(self) -> Tree:
        """The simplest of the first branch."""
        tag, branch = next(iter(self.branches.items()))
        return self._with_tag(branch.simplest(), tag)

    def edges(self) -> Iterator[Edge]:
        """The boundaries of all branches, but for those of the tag."""
        for tag, branch in self.branches.items():
            for found in branch.edges():
                if self.key is None or found.place[:1] != (self.key,):
                    inside = Edge(found.place, found.what, self._inside(tag, found.edit))
                    if self.key is not None or self.check.allows(inside.edit(None)):
                        yield inside

    def violations(self) -> Iterator[Violation]:
        """No tag, an unknown one, and what is wrong with each branch."""
        if self.key is None:
            untagged = leaf("union_tag_not_found", "a list", [])
            yield from [untagged] if self.check.refuses(untagged) else []
        else:
            key = self.key
            yield leaf("dict_type", "a list", [])
            yield leaf("union_tag_invalid", "an unknown tag", {**self.simplest(), key: "no such tag"})
            rest = {name: tree for name, tree in self.simplest().items() if name != key}
            yield leaf("union_tag_not_found", "no tag", rest)
        for tag, branch in self.branches.items():
            for found in branch.violations():
                if found.place and found.place[0] != self.key:
                    inside = found.in_branch(tag, self._inside(tag, found.edit))
                    if self.key is not None or self.check.refuses(inside):
                        yield inside

    def _inside(self, tag: str, edit: Edit) -> Edit:
        """The edit of one branch: of the tree that is there if it has the tag, else of the simplest."""

        def edited(base: Tree) -> Tree:
            fits = isinstance(base, dict) and self.key is not None and base.get(self.key) == tag
            return self._with_tag(edit(base if fits else None), tag)

        return edited


def from_simplest(edit: Edit) -> Edit:
    """The edit of a branch, for trees of which nobody knows the branch."""
    return lambda _: edit(None)
