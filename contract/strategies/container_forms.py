"""Lists, sets, tuples and dictionaries of other forms."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic_core import to_json

from contract.strategies.form import Edge, Edit, Form, Tree, Violation
from contract.strategies.number_forms import edge, leaf

__all__ = ["DictForm", "ListForm", "TupleForm"]

MOST_ITEMS = 4
"""Of a list without a longest length. Source: ours: more find little, and cost time."""
MANY = 100
"""Items of a long list without a longest length. Source: ours: more than clients put into one piece."""


@dataclass(frozen=True, slots=True)
class ListForm(Form):
    """A list, or a set as a list."""

    item: Form | None
    """None where the recursion ends: only the empty list is left."""
    min_length: int = 0
    max_length: int | None = None
    kind: str = "list"
    """`list`, `set`, `frozen_set`, or `tuple` for one of any length."""

    @property
    def _is_set(self) -> bool:
        return self.kind in ("set", "frozen_set")

    def valid(self) -> SearchStrategy[list[Tree]]:
        """Lists of some items; those of a set differ."""
        if self.item is None:
            return st.builds(list)
        most = self.min_length + MOST_ITEMS
        most = most if self.max_length is None else min(self.max_length, most)
        items = self.item.valid()
        if self._is_set:
            return st.lists(items, min_size=self.min_length, max_size=most, unique_by=to_json)
        return st.lists(items, min_size=self.min_length, max_size=most)

    def simplest(self) -> list[Tree]:
        """As few items as it may have."""
        return self._sized(self.min_length)

    def _sized(self, size: int) -> list[Tree]:
        """A list of `size` items: simplest ones, or different ones for a set."""
        if self.item is None or not size:
            return []
        if not self._is_set:
            return [self.item.simplest() for _ in range(size)]
        known = {
            to_json(tree): tree for tree in [self.item.simplest(), *(e.edit(None) for e in self.item.edges())]
        }
        return list(known.values())[:size]

    def edges(self) -> Iterator[Edge]:
        """Empty, one item, the longest, and the boundaries of an item."""
        yield edge("fewest items" if self.min_length else "no items", self.simplest())
        if self.item is None or self.max_length == 0:
            return
        yield edge("one more than the fewest", self._sized(self.min_length + 1))
        if not self._is_set:
            yield edge("many items", self._sized(MANY if self.max_length is None else self.max_length))
        for found in self.item.edges():
            yield found.below(0, self._at_first(found.edit))

    def violations(self) -> Iterator[Violation]:
        """Values of other types, other lengths, and what is wrong with an item."""
        yield leaf(f"{self.kind}_type", "null", None)
        yield leaf(f"{self.kind}_type", "an object", {})
        if self.min_length:
            yield leaf("too_short", "fewer than the fewest items", self._sized(self.min_length - 1))
        if self.item is None:
            return
        if self.max_length is not None and not self._is_set:
            yield leaf("too_long", "more than the most items", self._sized(self.max_length + 1))
        if self.max_length != 0:
            for found in self.item.violations():
                yield found.below(0, self._at_first(found.edit))

    def _at_first(self, edit: Edit) -> Edit:
        """The edit of the first item, in a list that is long enough without it where that counts."""
        most = self.min_length + 1 if self.max_length is None else self.max_length
        size = max(1, self.min_length if self.kind == "list" else min(self.min_length + 1, most))

        def edited(base: Tree) -> list[Tree]:
            items = base if isinstance(base, list) and len(base) >= size else self._sized(size)
            return [edit(items[0]), *items[1:]]

        return edited


@dataclass(frozen=True, slots=True)
class TupleForm(Form):
    """A list with a form for each place."""

    items: tuple[Form, ...]

    def valid(self) -> SearchStrategy[list[Tree]]:
        """One item for each place."""
        return st.tuples(*(item.valid() for item in self.items)).map(list)

    def simplest(self) -> list[Tree]:
        """The simplest item for each place."""
        return [item.simplest() for item in self.items]

    def edges(self) -> Iterator[Edge]:
        """The boundaries of each place."""
        for index, item in enumerate(self.items):
            for found in item.edges():
                yield found.below(index, self._at(index, found.edit))

    def violations(self) -> Iterator[Violation]:
        """Values of other types, one item less or more, and what is wrong with an item."""
        yield leaf("tuple_type", "null", None)
        yield leaf("tuple_type", "an object", {})
        last = len(self.items) - 1
        if self.items:
            yield Violation((last,), (last,), "missing", "absent", lambda _: self.simplest()[:-1])
        yield leaf("too_long", "one item more", [*self.simplest(), None])
        for index, item in enumerate(self.items):
            for found in item.violations():
                yield found.below(index, self._at(index, found.edit))

    def _at(self, index: int, edit: Edit) -> Edit:
        def edited(base: Tree) -> list[Tree]:
            items = base if isinstance(base, list) and len(base) == len(self.items) else self.simplest()
            return [*items[:index], edit(items[index]), *items[index + 1 :]]

        return edited


@dataclass(frozen=True, slots=True)
class DictForm(Form):
    """An object with keys that are data."""

    key: Form
    value: Form | None
    """None where the recursion ends: only the empty object is left."""
    min_length: int = 0
    max_length: int | None = None

    def valid(self) -> SearchStrategy[dict[Any, Tree]]:
        """Objects of some entries."""
        if self.value is None:
            return st.builds(dict)
        most = self.min_length + MOST_ITEMS
        most = most if self.max_length is None else min(self.max_length, most)
        return st.dictionaries(self.key.valid(), self.value.valid(), min_size=self.min_length, max_size=most)

    def simplest(self) -> dict[Any, Tree]:
        """As few entries as it may have."""
        return self._sized(self.min_length)

    def _sized(self, size: int) -> dict[Any, Tree]:
        keys = [self.key.simplest(), *(found.edit(None) for found in self.key.edges())] if size else []
        tree = None if self.value is None or not size else self.value.simplest()
        return dict.fromkeys(list(dict.fromkeys(keys))[:size], tree)

    def edges(self) -> Iterator[Edge]:
        """Empty, one entry, and the boundaries of a key and of a value."""
        yield edge("fewest entries" if self.min_length else "no entries", self.simplest())
        if self.value is None or self.max_length == 0:
            return
        for found in self.key.edges():
            yield edge(
                f"key {found.what}",
                {**self._sized(self.min_length - 1), found.edit(None): self.value.simplest()},
            )
        key = self._key
        for found in self.value.edges():
            yield found.below(key, self._at(key, found.edit))

    @property
    def _key(self) -> Any:
        return next(iter(self._sized(max(self.min_length, 1))))

    def violations(self) -> Iterator[Violation]:
        """Values of other types, other lengths, and what is wrong with a key or a value."""
        yield leaf("dict_type", "null", None)
        yield leaf("dict_type", "a list", [])
        if self.min_length:
            yield leaf("too_short", "fewer than the fewest entries", self._sized(self.min_length - 1))
        if self.value is None or self.max_length == 0:
            return
        key = self._key
        for found in self.value.violations():
            yield found.below(str(key), self._at(key, found.edit))
        for found in self.key.violations():
            wrong = found.edit(None)
            if isinstance(wrong, str) and not found.place:
                edit = self._with_key(wrong)
                yield Violation((wrong,), (wrong, "[key]"), found.type, f"key {found.what}", edit)

    def _at(self, key: Any, edit: Edit) -> Edit:
        def edited(base: Tree) -> dict[Any, Tree]:
            entries = base if isinstance(base, dict) and key in base else self._sized(max(self.min_length, 1))
            return {**entries, key: edit(entries.get(key))}

        return edited

    def _with_key(self, wrong: str) -> Edit:
        assert self.value is not None
        tree = {**self._sized(self.min_length - 1), wrong: self.value.simplest()}
        return lambda _: tree
