"""Strategies that throw away what they draw are told, with the part that is to blame."""

from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel

from contract.strategies import TooManyRejected, audit
from tests.contract.strategies.models import Cat


def is_whole(number: int) -> int:
    if number % 3:
        raise ValueError("expected a multiple of 3")
    return number


def is_never(number: int) -> int:
    raise ValueError(f"expected another number, got {number}")


class Picky(BaseModel):
    name: str
    count: Annotated[int, AfterValidator(is_whole)]


class Impossible(BaseModel):
    count: Annotated[int, AfterValidator(is_never)]


def test_a_field_that_refuses_most_draws_is_named():
    with pytest.raises(
        TooManyRejected, match=r"Picky.count \(is_whole\): expected at most 5% .* give it an override"
    ):
        audit(Picky, examples=50).check()


def test_a_type_without_values_is_told():
    with pytest.raises(TooManyRejected, match=r"Impossible.count \(is_never\): expected at most 5%"):
        audit(Impossible, examples=20).check()


def test_a_type_that_refuses_nothing_passes():
    made = audit(Cat, examples=30)
    made.check()
    assert made.worst[1].share == 0
    assert made.rate > 0


def test_an_audit_draws_the_same_again():
    assert audit(Picky, examples=20, seed_=3).tallies == audit(Picky, examples=20, seed_=3).tallies
