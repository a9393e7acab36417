"""Who draws a type or a field in place of its schema."""

from decimal import Decimal
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, PlainValidator

from contract.strategies import (
    NO_OVERRIDES,
    Override,
    UnknownType,
    Violation,
    audit,
    edges,
    valid,
    violations,
)
from tests.contract.strategies.models import Cat, Page


class Money(BaseModel):
    amount: Annotated[str, PlainValidator(lambda text: str(Decimal(text)))]


class Handle:
    pass


class Held(BaseModel):
    model_config = {"arbitrary_types_allowed": True}

    handle: Handle


class Odd(BaseModel):
    number: Annotated[int, AfterValidator(lambda n: n if n == 7 else int("seven"))]


AMOUNTS = NO_OVERRIDES.with_field(Money, "amount", st.integers(0, 9).map(str))


def test_a_part_without_a_json_form_is_named():
    with pytest.raises(UnknownType, match=r"Money.amount: expected a type that JSON can carry.*with_field"):
        valid(Money)
    with pytest.raises(UnknownType, match=r"Held.handle: .*'is-instance'"):
        valid(Held)


@given(valid(Money, AMOUNTS))
@settings(max_examples=20)
def test_a_field_is_drawn_by_its_override(money):
    assert money.amount in "0123456789"


@given(valid(Page[Cat], NO_OVERRIDES.with_type(Cat, st.just({"lives": 3}))))
@settings(max_examples=20)
def test_a_type_is_drawn_by_its_override_wherever_it_stands(page):
    assert all(cat.lives == 3 for cat in page.items)


def test_an_override_may_draw_values_of_the_type_itself():
    assert audit(Page[Cat], NO_OVERRIDES.with_type(Cat, st.just(Cat(lives=2))), examples=10).examples


def test_an_override_brings_boundaries_and_violations_of_its_own():
    wrong = Violation((), (), "decimal_parsing", "no amount", lambda _: "much")
    override = Override(st.just("1"), {"dear": "1e9"}, (wrong,))
    overrides = NO_OVERRIDES.with_field(Money, "amount", override)
    assert edges(Money, overrides)["amount: dear"].amount == "1E+9"
    assert violations(Money, overrides)["amount: no amount"].tree == {"amount": "much"}


def test_the_later_of_two_registries_decides():
    both = AMOUNTS | NO_OVERRIDES.with_field(Money, "amount", st.just("12"))
    assert audit(Money, both, examples=5).examples == 1
    assert edges(Money, both)["body: every field"].amount == "12"


def test_a_field_of_a_base_class_is_overridden_in_its_children():
    class Dear(Money):
        pass

    assert audit(Dear, AMOUNTS, examples=10).examples == 10


def test_what_an_override_draws_is_judged_all_the_same():
    odd = NO_OVERRIDES.with_field(Odd, "number", st.just(7))
    assert audit(Odd, odd, examples=3).examples == 1
