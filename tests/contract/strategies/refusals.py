"""What pydantic says of a tree."""

from functools import lru_cache

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json


@lru_cache
def adapter(type_):
    return TypeAdapter(type_)


def refusals(type_, tree):
    """Locations and types of all errors; none where the tree fits."""
    try:
        adapter(type_).validate_json(to_json(tree))
    except ValidationError as error:
        return [(found["loc"], found["type"]) for found in error.errors()]
    return []
