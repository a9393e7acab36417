"""Objects with fields: models, dataclasses and typed dictionaries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.strategies.form import Edge, Edit, Form, Location, Tree, Violation, fixed
from contract.strategies.number_forms import edge, leaf

__all__ = ["Field", "FieldsForm"]

Path: TypeAlias = tuple[int | str, ...]
UNKNOWN = "an_unknown_field"
"""The name of a field that no type has. Source: ours."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object."""

    name: str
    """As Python has it."""
    form: Form
    is_required: bool
    paths: tuple[Path, ...]
    """Where it may stand in the tree, the usual place first: one key, or more for a path of aliases."""

    @property
    def path(self) -> Path:
        """Its usual place."""
        return self.paths[0]


@dataclass(frozen=True, slots=True)
class FieldsForm(Form):
    """An object whose keys are fixed."""

    fields: tuple[Field, ...]
    error: str
    """The error type where it is no object: `model_type`, `dataclass_type` or `dict_type`."""
    extra_error: str | None = None
    """The error type of an unknown field; None where it is ignored or kept."""

    def valid(self) -> SearchStrategy[dict[str, Tree]]:
        """Objects with all required fields and any of the others, under any of their names."""
        required = {field.name: field.form.valid() for field in self.fields if field.is_required}
        optional = {field.name: field.form.valid() for field in self.fields if not field.is_required}
        named = st.fixed_dictionaries(required, optional=optional)
        several = {field.name: st.sampled_from(field.paths) for field in self.fields if len(field.paths) > 1}
        if several:
            return st.tuples(named, st.fixed_dictionaries(several)).map(lambda drawn: self._spelled(*drawn))
        return named if self._is_plain else named.map(lambda values: self._spelled(values, {}))

    @property
    def _is_plain(self) -> bool:
        """Whether each field stands under its own name."""
        return all(field.path == (field.name,) for field in self.fields)

    def _spelled(self, values: Mapping[str, Tree], paths: Mapping[str, Path]) -> dict[str, Tree]:
        """The tree of values by field name, each at its usual place or at the one in `paths`."""
        tree: dict[str, Tree] = {}
        for field in self.fields:
            if field.name in values:
                put(tree, paths.get(field.name, field.path), values[field.name])
        return tree

    def simplest(self) -> dict[str, Tree]:
        """The required fields, each at its simplest."""
        return self._spelled({f.name: f.form.simplest() for f in self.fields if f.is_required}, {})

    def edges(self) -> Iterator[Edge]:
        """No optional field, all of them, all but one, other names, and the boundaries of each field."""
        full = {field.name: field.form.simplest() for field in self.fields}
        yield edge("nothing but required fields", self.simplest())
        yield edge("every field", self._spelled(full, {}))
        for field in self.fields:
            place = field.path
            if not field.is_required:
                rest = {name: tree for name, tree in full.items() if name != field.name}
                yield Edge(place, "absent", fixed(self._spelled(rest, {})))
            for path in field.paths[1:]:
                yield Edge(path, "under its other name", fixed(self._spelled(full, {field.name: path})))
            for found in field.form.edges():
                yield Edge((*place, *found.place), found.what, self._at(field, found.edit))

    def violations(self) -> Iterator[Violation]:
        """Values of other types, absent and unknown fields, and what is wrong with each field."""
        yield leaf(self.error, "null", None)
        yield leaf(self.error, "a list", [])
        for field in self.fields:
            place = field.path
            if field.is_required:
                yield Violation(place, place, "missing", "absent", self._without(field))
            for found in field.form.violations():
                edit = self._at(field, found.edit)
                yield Violation((*place, *found.place), (*place, *found.loc), found.type, found.what, edit)
        if self.extra_error is not None:
            place = (UNKNOWN,)
            yield Violation(place, place, self.extra_error, "unknown", self._with_unknown)

    def _base(self, base: Tree) -> dict[str, Tree]:
        """The tree, or the simplest where it is none that fits."""
        fits = isinstance(base, dict) and all(
            any(found(base, path) for path in field.paths) for field in self.fields if field.is_required
        )
        return base if fits else self.simplest()

    def _at(self, field: Field, edit: Edit) -> Edit:
        """The edit of one field, at its usual place."""

        def edited(base: Tree) -> dict[str, Tree]:
            tree, before = removed(self._base(base), field)
            return put(tree, field.path, edit(before))

        return edited

    def _without(self, field: Field) -> Edit:
        return lambda base: removed(self._base(base), field)[0]

    def _with_unknown(self, base: Tree) -> dict[str, Tree]:
        return {**self._base(base), UNKNOWN: 0}


def put(tree: dict[str, Tree], path: Location, value: Tree) -> dict[str, Tree]:
    """The same object, with a value at a path; lists and objects on the way are made."""
    place: Any = tree
    for key, following in zip(path, (*path[1:], None), strict=True):
        made: Tree = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(place, list):
            place.extend([None] * (int(key) + 1 - len(place)))
            made = made if following is None or place[int(key)] is None else place[int(key)]
        elif following is not None:
            made = place.get(key, made)
        place[key] = made
        place = made
    return tree


def found(tree: Tree, path: Location) -> bool:
    """Whether there is something at a path."""
    for key in path:
        is_there = key in tree if isinstance(tree, dict) else isinstance(key, int) and key < len(tree)
        if not is_there:
            return False
        tree = tree[key]
    return True


def removed(tree: dict[str, Tree], field: Field) -> tuple[dict[str, Tree], Tree]:
    """A copy of the object without the field under any of its names, and what the field was."""
    left, before = dict(tree), None
    for first, *rest in field.paths:
        if first not in left:
            continue
        was = left.pop(first)
        before = was if not rest else before
    return left, before
