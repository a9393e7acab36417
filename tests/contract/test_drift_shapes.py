"""Types and methods of a release as plain values, read from a small package that the test writes."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ForwardRef, Literal, Optional, Union
from uuid import UUID

import pytest

from contract.drift.shape import read_shape, spelled

TYPES = """
import dataclasses, enum, typing
from typing import Literal, Optional, TypedDict
from pydantic import AliasChoices, BaseModel, Field
class Kind(str, enum.Enum):
    A = "a"
class Params(TypedDict, total=False):
    rank: typing.Required[int]
    seed: int
class Request(BaseModel):
    path: str
    ttl_seconds: Optional[int] = None
    tags: list[str] = Field(default_factory=list)
    old: int = Field(1, validation_alias=AliasChoices("new", "old"))
@dataclasses.dataclass
class Answer:
    text: str
    size: int = 3
    more: dict[str, int] = dataclasses.field(default_factory=dict)
    _kept: int = 0
class Behaviour:
    pass
class Broken(TypedDict):
    field: "Nowhere"
Choice = Literal["x", "y"]
"""
INIT = """
__version__ = "9.1.0"
from tinker import types
class ServiceClient:
    def __init__(self, base_url=None, **more): pass
    def make(self, name, size=3, hook=print, *, made=object()): pass
"""
SOURCE = 'class Paths:\n    def go(self): return self._post("/api/v1/go", body={})\n'


def package(folder: Path, types: str = TYPES, init: str = INIT) -> Path:
    root = folder / "tinker"
    (root / "types").mkdir(parents=True)
    (root / "__init__.py").write_text(init)
    (root / "types" / "__init__.py").write_text(types)
    (root / "paths.py").write_text(SOURCE)
    return folder


def shape_of(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "contract.drift", str(folder)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return shape_of(package(tmp_path_factory.mktemp("release")))


def test_a_model_has_fields_with_their_kinds_and_defaults_by_their_name_on_the_wire(shape):
    fields = shape["types"]["Request"]
    assert fields["path"] == {"required": True, "default": "", "kinds": ["text"]}
    assert fields["ttl_seconds"] == {"required": False, "default": "None", "kinds": ["integer", "null"]}
    assert fields["tags"]["default"] == "[]"
    assert "new" in fields


def test_dictionaries_dataclasses_enums_and_aliases_are_types_too(shape):
    types = shape["types"]
    assert [types["Params"][name]["required"] for name in ("rank", "seed")] == [True, False]
    assert types["Answer"].keys() == {"text", "size", "more"}
    assert types["Kind"]["(value)"]["kinds"] == ["'a'"]
    assert types["Choice"]["(value)"]["kinds"] == ["'x'", "'y'"]
    assert "Behaviour" not in types


def test_a_type_that_cannot_be_read_is_told(shape):
    assert shape["unread"] == ["type Broken: name 'Nowhere' is not defined"]


def test_methods_have_their_parameters_and_no_addresses(shape):
    made = {"name": "required", "size": "3", "hook": "<built-in function print>", "made": "object"}
    assert shape["methods"]["ServiceClient.make"] == made
    assert shape["methods"]["ServiceClient"] == {"base_url": "None", "more": "any"}


def test_paths_are_read_from_the_source_and_a_schema_where_there_is_one(shape):
    assert (shape["version"], shape["calls"], shape["messages"]) == ("9.1.0", ["POST /api/v1/go"], "")


def test_the_installed_release_has_a_schema():
    import tinker

    shape = shape_of(Path(tinker.__file__).parents[1])
    assert len(shape["messages"]) > 1000
    assert shape["unread"] == []


def test_another_package_of_that_name_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ImportError, match="tinker: expected it in"):
        read_shape(tmp_path)


@pytest.mark.parametrize(
    ("annotation", "kinds"),
    [
        (Optional[str], ["null", "text"]),  # noqa: UP045
        (Union[int, None, float], ["integer", "null", "number"]),  # noqa: UP007
        (Annotated[datetime, "x"], ["text"]),
        (Sequence[UUID | int], ["list of (integer, text)"]),
        (tuple[int, ...], ["list of (integer)"]),
        (Mapping[str, Any], ["map of (anything)"]),
        (Literal["a", 1], ["'a'", "1"]),
        (list, ["list of (anything)"]),
        (ForwardRef("types.Datum"), ["Datum"]),
        ("Datum", ["Datum"]),
        (None, ["null"]),
        (object, ["anything"]),
    ],
)
def test_two_spellings_of_a_type_are_the_same(annotation, kinds):
    assert spelled(annotation) == kinds
