"""Values of a short list, no value, and any value at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.strategies.form import Edge, Form, Tree, Violation
from contract.strategies.number_forms import edge, leaf

__all__ = ["AnyForm", "ChoiceForm", "NullForm", "NullableForm"]

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
)
ANYTHING: SearchStrategy[Tree] = (
    SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=5), SCALARS, max_size=3)
)
ANY_EDGES: Mapping[str, Tree] = {
    "null": None,
    "true": True,
    "a large integer": 2**64,
    "minus zero": -0.0,
    "an empty text": "",
    "an empty list": [],
    "an empty object": {},
    "lists in lists": [[[[[]]]]],
    "an object with an empty name": {"": {"": None}},
}


@dataclass(frozen=True, slots=True)
class ChoiceForm(Form):
    """One of some values."""

    choices: tuple[Tree, ...]
    error: str
    """`literal_error` or `enum`."""

    def valid(self) -> SearchStrategy[Tree]:
        """Each of them."""
        return st.sampled_from(self.choices)

    def simplest(self) -> Tree:
        """The first."""
        return self.choices[0]

    def edges(self) -> Iterator[Edge]:
        """Each of them."""
        for choice in self.choices:
            yield edge(repr(choice), choice)

    def violations(self) -> Iterator[Violation]:
        """Values that are not among them."""
        if None not in self.choices:
            yield leaf(self.error, "null", None)
        yield leaf(self.error, "another value", "no such choice")
        yield leaf(self.error, "a list", [])


@dataclass(frozen=True, slots=True)
class NullForm(Form):
    """Null."""

    def valid(self) -> SearchStrategy[None]:
        """Null."""
        return st.none()

    def simplest(self) -> None:
        """Null."""

    def edges(self) -> Iterator[Edge]:
        """Null."""
        yield edge("null", None)

    def violations(self) -> Iterator[Violation]:
        """Anything else."""
        yield leaf("none_required", "a number", 0)
        yield leaf("none_required", "a list", [])


@dataclass(frozen=True, slots=True)
class NullableForm(Form):
    """Null, or what another form has."""

    inner: Form | None
    """None where only null is left, at the end of a recursion."""

    def valid(self) -> SearchStrategy[Tree]:
        """Null and the others."""
        return st.none() if self.inner is None else st.none() | self.inner.valid()

    def simplest(self) -> Tree:
        """Null."""
        return None

    def edges(self) -> Iterator[Edge]:
        """Null, and the boundaries of the others."""
        yield edge("null", None)
        if self.inner is not None:
            yield from self.inner.edges()

    def violations(self) -> Iterator[Violation]:
        """Those of the other form, but for null."""
        for found in () if self.inner is None else self.inner.violations():
            if found.place or found.what != "null":
                yield found


@dataclass(frozen=True, slots=True)
class AnyForm(Form):
    """Any value."""

    def valid(self) -> SearchStrategy[Tree]:
        """Scalars, and flat lists and objects of them."""
        return ANYTHING

    def simplest(self) -> None:
        """Null."""

    def edges(self) -> Iterator[Edge]:
        """One value of each kind."""
        for what, tree in ANY_EDGES.items():
            yield edge(what, tree)

    def violations(self) -> Iterator[Violation]:
        """None: everything fits."""
        yield from ()
