"""The arguments of an uploaded loss's steps: from their encoding to values with places for earlier results.

Source of the encoding: sdk 0.38.0 types/custom_loss_graph.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from reference_engine.loss_operations import DTYPES

__all__ = ["Reference", "Several", "decoded", "filled", "references", "weight"]

MOST_DEPTH, MOST_PARTS, MOST_TEXT, MOST_BITS = 8, 256, 64, 63
"""Nesting, values, letters and bits of one step's arguments. Source: ours: beyond the use of any loss."""
CONSTANTS: Mapping[str, Mapping[Any, Any]] = {
    "float": {text: float(text) for text in ("inf", "-inf", "nan")},
    "dtype": DTYPES,
    "device": {"cpu": torch.device("cpu")},
    "layout": {"strided": torch.strided},
    "memory_format": {
        "contiguous_format": torch.contiguous_format,
        "preserve_format": torch.preserve_format,
    },
    "ellipsis": {True: ...},
}
"""What the encodings of one constant stand for."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The result of an earlier step."""

    name: str


@dataclass(frozen=True, slots=True)
class Several:
    """A list, tuple, slice or dict with references somewhere inside, or a dict."""

    kind: Literal["list", "tuple", "slice", "dict"]
    parts: list[Any]
    keys: tuple[str, ...] = ()
    """Of a dict."""


def decoded(encoded: Any, depth: int = 0) -> Any:
    """An argument from its encoding.

    Raises:
        ValueError: for an encoding that is not known, too large or too deep.
    """
    if depth > MOST_DEPTH:
        raise ValueError(f"expected arguments at most {MOST_DEPTH} deep, got more")
    if isinstance(encoded, list):
        return _several("list", encoded, depth)
    if isinstance(encoded, dict):
        return _object(encoded, depth)
    if isinstance(encoded, str) and len(encoded) > MOST_TEXT:
        raise ValueError(f"expected text of at most {MOST_TEXT} letters, got {len(encoded)}")
    if isinstance(encoded, int) and encoded.bit_length() > MOST_BITS:
        raise ValueError(f"expected whole numbers of {MOST_BITS} bits, got {encoded.bit_length()}")
    return encoded


def _object(encoded: dict[str, Any], depth: int) -> Any:
    kind: str
    value: Any
    kind, value = next(iter(encoded.items())) if len(encoded) == 1 else ("", None)
    if kind == "ref" and isinstance(value, str):
        return Reference(value)
    if (kind == "tuple" and isinstance(value, list)) or (kind == "slice" and _is_slice(value)):
        return _several(kind, value, depth)
    if kind == "dict" and isinstance(value, dict):
        return Several("dict", [decoded(part, depth + 1) for part in value.values()], tuple(value))
    if kind in CONSTANTS and isinstance(value, str | bool) and value in CONSTANTS[kind]:
        return CONSTANTS[kind][value]
    if kind in CONSTANTS:
        known = ", ".join(map(str, CONSTANTS[kind]))
        raise ValueError(f"expected as {kind} one of {known}, got {_shown(value)}")
    known = ", ".join(["ref", "tuple", "dict", "slice", *CONSTANTS])
    raise ValueError(f"expected an object of one key, one of {known}, got {_shown(encoded)}")


def _is_slice(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return text[:MOST_TEXT]


def _several(kind: Any, encoded: list[Any], depth: int) -> Any:
    if len(encoded) > MOST_PARTS:
        raise ValueError(f"expected at most {MOST_PARTS} values in a list, got {len(encoded)}")
    several = Several(kind, [decoded(part, depth + 1) for part in encoded])
    return several if list(references(several)) else filled(several, {})


def references(argument: Any) -> Iterator[str]:
    """The names of the steps that an argument refers to."""
    if isinstance(argument, Reference):
        yield argument.name
    elif isinstance(argument, Several):
        for part in argument.parts:
            yield from references(part)


def weight(argument: Any) -> int:
    """How many places `filled` visits, at least 1."""
    return 1 + sum(map(weight, argument.parts)) if isinstance(argument, Several) else 1


def filled(argument: Any, results: Mapping[str, Any]) -> Any:
    """The argument with the results that it refers to."""
    if isinstance(argument, Reference):
        return results[argument.name]
    if not isinstance(argument, Several):
        return argument
    parts = [filled(part, results) for part in argument.parts]
    if argument.kind == "dict":
        return dict(zip(argument.keys, parts, strict=True))
    return parts if argument.kind == "list" else tuple(parts) if argument.kind == "tuple" else slice(*parts)
