"""Corners of types: what is judged only as a whole, stumbles, is empty, or has only one value."""

from datetime import datetime, time
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from pydantic import (
    MISSING,
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetPydanticSchema,
    Tag,
    field_validator,
)
from pydantic_core import core_schema

from contract.strategies import NO_OVERRIDES, TooManyRejected, audit, edges, trees, violations
from tests.contract.strategies.refusals import refusals
from tests.contract.strategies.test_audit import Impossible


class Span(BaseModel):
    low: int = Field(ge=0, le=9)
    high: int = Field(ge=0, le=9)

    @field_validator("high")
    @classmethod
    def is_above(cls, high: int, info: Any) -> int:
        if info.data and high < info.data.get("low", high):
            raise ValueError(f"high: expected at least low, got {high}")
        return high


class Stumbling(BaseModel):
    number: Annotated[int, BeforeValidator(lambda given: given + 0)]


class Loose(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    text: str
    whatever: Annotated[str, Field(pattern=".*")]


class Empty(BaseModel):
    nobody: list[int] = Field(max_length=0)
    nothing: tuple[()]


class Hours(BaseModel):
    at: time = Field(ge=time(8), lt=time(18))


def seven(number: int) -> int:
    if number != 7:
        raise ValueError(f"number: expected 7, got {number}")
    return number


class Seven(BaseModel):
    number: Annotated[
        int, BeforeValidator(lambda given: 7 if given is None else given), AfterValidator(seven)
    ]


class Sparse(BaseModel):
    number: int | MISSING = MISSING


class A(BaseModel):
    kind: Literal["a"]
    size: int = 0


class B(BaseModel):
    kind: Literal["b"]


def tagged(source: Any, handler: Any) -> Any:
    choices = {kind: handler(branch) for kind, branch in (("a", A), ("b", B))}
    return core_schema.tagged_union_schema(choices, discriminator=[["kind"]])


class Tagged(BaseModel):
    thing: Annotated[Any, GetPydanticSchema(tagged)]


def kind_of(thing: Any) -> str:
    """Takes what has a size of 0 for something else."""
    found = thing if isinstance(thing, dict) else vars(thing)
    return "b" if found.get("size") == 0 else str(found.get("kind"))


class Chosen(BaseModel):
    thing: Annotated[Annotated[A, Tag("a")] | Annotated[B, Tag("b")], Discriminator(kind_of)]


def test_what_only_the_whole_refuses_is_counted_for_the_whole():
    name, tally = audit(Span, examples=50).worst

    assert name == "Span"
    assert 0 < tally.refused < tally.tried
    with pytest.raises(TooManyRejected, match="Span: expected at most 5% of draws to be refused"):
        audit(Span, examples=50).check()


@settings(max_examples=20)
@given(trees(Span))
def test_a_tree_is_one_that_the_whole_takes(tree):
    assert refusals(Span, tree) == []


def test_a_type_without_values_is_told_whatever_share_may_be_refused():
    with pytest.raises(TooManyRejected, match="Impossible: expected valid values, got none"):
        audit(Impossible, examples=5).check(most=1)


def test_an_override_that_draws_nothing_itself_is_no_fault_of_the_type():
    nothing = NO_OVERRIDES.with_field(Span, "low", st.integers(0, 9).filter(lambda _: False))

    with pytest.raises(Unsatisfiable):
        audit(Span, nothing, examples=5)


def test_what_a_validator_stumbles_over_counts_as_a_violation():
    assert "number: null" in violations(Stumbling)


def test_boundaries_and_violations_beside_an_override_are_those_that_hold():
    sevens = NO_OVERRIDES.with_field(Seven, "number", st.just(7))

    assert {edge.number for edge in edges(Seven, sevens).values()} == {7}
    assert "number: null" not in violations(Seven, sevens)
    assert violations(Seven, sevens)["number: a list"].tree == {"number": []}


def test_texts_of_whom_numbers_are_welcome_and_every_pattern_fits():
    names = {name for name in violations(Loose) if "null" not in name}

    assert names == {"body: a list", "text: a list", "whatever: a list", "text: absent", "whatever: absent"}


def test_what_has_to_be_empty_has_only_one_value():
    assert {(len(value.nobody), value.nothing) for value in edges(Empty).values()} == {(0, ())}
    assert violations(Empty)["nobody: more than the most items"].tree == {"nobody": [0], "nothing": []}


def test_times_of_day_end_at_their_bounds():
    assert all(time(8) <= value.at < time(18) for value in edges(Hours).values())


def test_moments_of_one_zone_are_drawn_in_it():
    hour = core_schema.datetime_schema(tz_constraint=3600)

    made = audit(Annotated[datetime, GetPydanticSchema(lambda source, handler: hour)], examples=10)
    made.check()
    assert made.examples == 10


def test_a_field_that_may_be_missing_is_drawn_as_what_it_is_else():
    assert edges(Sparse)["number: zero"].number == 0
    assert edges(Sparse)["number: absent"].number is MISSING
    assert violations(Sparse)["number: a list"].type == "int_type"


def test_a_tag_may_be_named_by_a_path():
    assert edges(Tagged)["thing.size: zero"].thing == A(kind="a")
    assert violations(Tagged)["thing: an unknown tag"].type == "union_tag_invalid"


def test_boundaries_of_a_branch_are_those_that_the_whole_takes():
    assert edges(Chosen)
    assert all(isinstance(value.thing, A | B) for value in edges(Chosen).values())
