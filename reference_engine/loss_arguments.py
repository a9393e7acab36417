"""The arguments of an uploaded loss's steps: from their encoding to values with places for earlier results.

Source of the encoding: sdk 0.38.0 types/custom_loss_graph.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from reference_engine.loss_operations import DTYPES

__all__ = ["Reference", "Several", "decoded", "filled", "references", "weight"]

MOST_PARTS, MOST_TEXT, MOST_BITS = 256, 64, 63
"""Values in a list, letters and bits of an argument. Source: ours: beyond the use of any loss."""
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


def decoded(encoded: Any) -> Any:
    """An argument from its encoding, whose form `contract.check_custom_loss` has checked.

    Raises:
        ValueError: for a constant that is not known, or a value that is too large.
    """
    if isinstance(encoded, list):
        return _several("list", encoded)
    if isinstance(encoded, dict):
        return _object(*next(iter(encoded.items())))
    if isinstance(encoded, str) and len(encoded) > MOST_TEXT:
        raise ValueError(f"expected text of at most {MOST_TEXT} letters, got {len(encoded)}")
    if isinstance(encoded, int) and encoded.bit_length() > MOST_BITS:
        raise ValueError(f"expected whole numbers of {MOST_BITS} bits, got {encoded.bit_length()}")
    return encoded


def _object(kind: str, value: Any) -> Any:
    if kind == "ref":
        return Reference(value)
    if kind == "dict":
        return Several("dict", list(map(decoded, value.values())), tuple(value))
    if kind in ("tuple", "slice"):
        return _several(kind, value)
    if value not in CONSTANTS[kind]:
        known = ", ".join(map(str, CONSTANTS[kind]))
        raise ValueError(f"expected as {kind} one of {known}, got {value[:MOST_TEXT]!r}")
    return CONSTANTS[kind][value]


def _several(kind: Any, encoded: list[Any]) -> Any:
    if len(encoded) > MOST_PARTS:
        raise ValueError(f"expected at most {MOST_PARTS} values in a list, got {len(encoded)}")
    several = Several(kind, list(map(decoded, encoded)))
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
