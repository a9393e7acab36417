"""`Shape`: the types and methods of one release, as plain values.

Types are read by importing the release, in a process of its own (`python -m contract.drift FOLDER`): only
Python itself knows what inheritance, aliases, defaults and generated fields amount to, and two spellings of
one type (`Optional[str]`, `str | None`) come out as the same. Paths, methods and protobuf schemas are read
from the source, without running it.
"""

import dataclasses
import enum
import importlib
import inspect
import json
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ForwardRef, Literal, TypedDict, get_args, get_origin, get_type_hints

from pydantic import AliasChoices, BaseModel
from pydantic_core import PydanticUndefined

from contract.drift.installed import calls_in, public_types, schema_in

__all__ = ["Field", "Shape", "read_shape", "spelled"]

PUBLIC = ("ServiceClient", "TrainingClient", "SamplingClient", "RestClient", "AdminClient", "APIFuture")
ANYTHING = "anything"
PLAIN: Mapping[str, str] = {
    "str": "text",
    "bytes": "text",
    "datetime": "text",
    "date": "text",
    "UUID": "text",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "NoneType": "null",
    "list": "list of (anything)",
    "tuple": "list of (anything)",
    "dict": "map of (anything)",
    "ndarray": "list of (anything)",
}
"""What a Python type is in JSON."""


class Field(TypedDict):
    """A field as JSON has it."""

    required: bool
    default: str
    kinds: list[str]
    """What its value may be, sorted: `text`, `null`, `'snapshot'`, `list of (Datum)`."""


class Shape(TypedDict):
    """What is read of a release."""

    version: str
    types: dict[str, dict[str, Field]]
    """Fields by their name on the wire, by type; a type alias has the one field `(value)`."""
    methods: dict[str, dict[str, str]]
    """By `Class.method`: parameters with `required`, or their default."""
    calls: list[str]
    """`<METHOD> <path>`, the parameters of a path written as `{}`."""
    messages: str
    """The protobuf schema, serialized, as hex; empty where the release has none."""
    unread: list[str]
    """What could not be read, with the reason."""


def read_shape(folder: Path) -> Shape:
    """The shape of the release that is unpacked in `folder`. Imports it: call it in a process of its own.

    Raises:
        ImportError: if it cannot be imported, or another `tinker` is.
    """
    sys.path.insert(0, str(folder))
    tinker = importlib.import_module("tinker")
    root = Path(inspect.getfile(tinker)).parent
    if root.parent.resolve() != folder.resolve():
        raise ImportError(f"tinker: expected it in {folder}, got {root}")
    unread: list[str] = []
    kinds = public_types(importlib.import_module("tinker.types"))
    schema = root / "proto" / "tinker_public_pb2.py"
    sources = (path for path in sorted(root.rglob("*.py")) if not path.name.endswith("_test.py"))
    return Shape(
        version=str(tinker.__version__),
        types=_types(kinds, unread),
        methods=dict(_methods(tinker)),
        calls=sorted({call for path in sources for call in calls_in(path.read_text())}),
        messages=schema_in(schema.read_text()).SerializeToString().hex() if schema.exists() else "",
        unread=unread,
    )


def _types(kinds: Mapping[str, Sequence[Any]], unread: list[str]) -> dict[str, dict[str, Field]]:
    found: dict[str, dict[str, Field]] = {}
    for name, alternatives in sorted(kinds.items()):
        try:
            fields = _fields(alternatives[0])
        except (NameError, TypeError) as error:
            unread.append(f"type {name}: {error}")
            continue
        if fields is not None:
            found[name] = fields
    return found


def _fields(kind: Any) -> dict[str, Field] | None:
    """The fields of one type; None for what is no data."""
    if get_args(kind):
        return {"(value)": Field(required=True, default="", kinds=spelled(kind))}
    if issubclass(kind, enum.Enum):
        values = sorted(repr(member.value) for member in kind)
        return {"(value)": Field(required=True, default="", kinds=values)}
    if issubclass(kind, BaseModel):
        return dict(_model_fields(kind))
    if typing.is_typeddict(kind):
        hints = get_type_hints(kind)
        needed = kind.__required_keys__
        return {
            name: Field(required=name in needed, default="", kinds=spelled(hints[name])) for name in hints
        }
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind, vars(kind)["__init__"].__globals__)  # its module, whatever it says
        shown = (part for part in dataclasses.fields(kind) if not part.name.startswith("_"))
        return {part.name: _field(_default(part), hints[part.name]) for part in shown}
    return None


def _model_fields(kind: type[BaseModel]) -> Iterator[tuple[str, Field]]:
    for name, info in kind.model_fields.items():
        alias = info.serialization_alias or info.alias or info.validation_alias or name
        wire = str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias)
        yield (
            wire,
            _field(info.get_default(call_default_factory=False), info.annotation, info.default_factory),
        )


def _field(default: Any, annotation: Any, factory: Any = None) -> Field:
    if factory is not None:
        default = factory()
    required = default is PydanticUndefined
    return Field(required=required, default="" if required else repr(default), kinds=spelled(annotation))


def _default(part: dataclasses.Field[Any]) -> Any:
    if part.default_factory is not dataclasses.MISSING:
        return part.default_factory()
    return PydanticUndefined if part.default is dataclasses.MISSING else part.default


def spelled(annotation: Any) -> list[str]:
    """What a value may be in JSON: words for the kinds, the values of literals, names of types; sorted."""
    return sorted(set(_spelled(annotation)))


def _spelled(annotation: Any) -> Iterator[str]:
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        yield ANYTHING
    elif annotation is None:
        yield "null"
    elif isinstance(annotation, str | ForwardRef):
        yield getattr(annotation, "__forward_arg__", str(annotation)).rpartition(".")[2]
    elif origin is Literal:
        yield from map(repr, parts)
    elif origin in (typing.Union, types.UnionType):
        for part in parts:
            yield from _spelled(part)
    elif origin in (typing.Annotated, typing.Required, typing.NotRequired):
        yield from _spelled(parts[0])
    elif inspect.isclass(origin) and issubclass(origin, Mapping):
        yield f"map of ({', '.join(spelled(parts[1]))})"
    elif inspect.isclass(origin) and origin.__name__ in ("list", "tuple", "Sequence", "Iterable", "set"):
        items = {word for part in parts if part is not ... for word in _spelled(part)}
        yield f"list of ({', '.join(sorted(items))})"
    elif inspect.isclass(annotation) and annotation is not object:
        yield PLAIN.get(annotation.__name__, annotation.__name__)
    else:
        yield ANYTHING


def _methods(package: types.ModuleType) -> Iterator[tuple[str, dict[str, str]]]:
    for owner in PUBLIC:
        for name, method in inspect.getmembers(getattr(package, owner, None), inspect.isroutine):
            if not name.startswith("_"):
                yield f"{owner}.{name}", dict(_parameters(method))
    yield "ServiceClient", dict(_parameters(package.ServiceClient.__init__))  # others are made by its methods


def _parameters(method: Any) -> Iterator[tuple[str, str]]:
    for name, part in inspect.signature(method).parameters.items():
        open_ended = part.kind in (part.VAR_KEYWORD, part.VAR_POSITIONAL)
        required = part.default is part.empty and not open_ended
        if name not in ("self", "cls"):
            yield name, "required" if required else "any" if open_ended else _constant(part.default)


def _constant(value: Any) -> str:
    """A default in words that do not change from process to process."""
    text = repr(value)
    return text if " at 0x" not in text else type(value).__name__


def main(folder: str) -> None:
    """Print the shape of the release in a folder, as JSON."""
    print(json.dumps(read_shape(Path(folder))))
