"""Kinds of core schema that few types have."""

from typing import Annotated, Any

import pytest
from pydantic import UUID7, BaseModel, ConfigDict, Field, GetPydanticSchema, PlainValidator, UrlConstraints
from pydantic.dataclasses import Field as DataclassField
from pydantic.dataclasses import dataclass
from pydantic_core import Url, core_schema

from contract.strategies import UnknownType, audit, edges, valid, violations
from tests.contract.strategies.refusals import refusals

INT, TEXT = core_schema.int_schema(), core_schema.str_schema()


def with_schema(schema: Any) -> GetPydanticSchema:
    return GetPydanticSchema(lambda source, handler: schema)


def whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"expected an integer, got {value!r}")
    return value


class Rare(BaseModel):
    renamed: Annotated[
        int, with_schema(core_schema.custom_error_schema(INT, "no_count", custom_error_message="no"))
    ]
    chained: Annotated[int, with_schema(core_schema.chain_schema([INT, core_schema.int_schema(ge=3)]))]
    two_ways: Annotated[int, with_schema(core_schema.json_or_python_schema(INT, TEXT))]
    either_way: Annotated[int, with_schema(core_schema.lax_or_strict_schema(INT, TEXT))]
    stated: Annotated[int, PlainValidator(whole, json_schema_input_type=int)]
    seventh: UUID7
    short_link: Annotated[Url, UrlConstraints(max_length=30)]


class Packed(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")

    data: bytes = Field(min_length=1, max_length=4)


class Hexed(BaseModel):
    model_config = ConfigDict(val_json_bytes="hex")

    data: bytes


class Endless(BaseModel):
    again: "Endless"


class Pair(BaseModel):
    both: "tuple[Pair, Pair] | None" = None
    some: "list[Pair]" = Field(default=[], min_length=1)
    named: "dict[str, Pair]" = Field(default={}, min_length=1)
    other: "int | Pair" = 0


@dataclass
class Made:
    name: str
    length: int = DataclassField(default=0, init=False)


UNHASHABLE = Annotated[int, ["a list"]]


@pytest.mark.parametrize("kind", [Rare, Packed, Hexed, Pair, Made], ids=str)
def test_a_rare_type_is_drawn_and_its_violations_are_found(kind):
    audit(kind, examples=15).check(most=1)
    assert edges(kind)
    said = {name: (found, refusals(kind, found.tree)) for name, found in violations(kind).items()}
    assert {name: told for name, (found, told) in said.items() if (found.loc, found.type) not in told} == {}


def test_a_type_that_always_contains_itself_has_no_values():
    with pytest.raises(
        UnknownType, match="Endless: expected a type with a smallest value, got one that contains itself"
    ):
        valid(Endless)


def test_a_type_that_cannot_be_a_key_is_compiled_all_the_same():
    assert "body: zero" in edges(UNHASHABLE)
