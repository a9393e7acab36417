"""Contract values as a cassette writes them: JSON that is the same, whatever the bytes on the wire were.

A float32 is written in the fewest digits that give its bits again, so that a request in protobuf and the
same one in JSON are the same text; what is not finite is a text, which the contract's types read again.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import date
from enum import Enum
from math import isfinite
from typing import Any

import numpy as np
from pydantic import BaseModel

from contract import OPERATIONS, UNSERVED, Endpoint, SampleResponse

__all__ = ["ROWS", "as_text", "compared", "plain", "widened"]

ROWS: dict[str, Endpoint] = {row.name: row for row in (*OPERATIONS, *UNSERVED)}
"""The contract's rows by name, those that are not served here included."""
IGNORED = frozenset({"type", "sdk_version", "weights_access_token"})
"""Fields of a request that say nothing of what is asked for: the version differs, the secret was scrubbed."""
UNASKED = frozenset({"prompt_logprobs", "record_stability_info"})
"""Fields where some releases send false and others nothing. Source: sdk 0.38.0 types/sample_request.py."""


def plain(value: object) -> Any:
    """A request or an answer as JSON has it; what is None is left out."""
    fields = _walk(value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value)
    return _each_float32(fields, _shortest, everywhere=isinstance(value, SampleResponse))


def widened(row: Endpoint, outcome: Any) -> Any:
    """A result from a cassette with the float64 of each float32, as services write them in JSON.

    Args:
        row: of its operation.
        outcome: as `plain` gave it.
    """
    return _each_float32(outcome, _wide, everywhere=getattr(row, "response", None) is SampleResponse)


def _walk(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _walk(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    return _finite(value)


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _each_float32(value: Any, change: Callable[[float], float], *, everywhere: bool) -> Any:
    """The value with `change` made to what is float32 on the wire: tensors that say so, or everything."""
    if isinstance(value, dict):
        single = everywhere or value.get("dtype") == "float32"
        return {key: _each_float32(item, change, everywhere=single) for key, item in value.items()}
    if isinstance(value, list):
        return [_each_float32(item, change, everywhere=everywhere) for item in value]
    return change(value) if everywhere and isinstance(value, float) else value


def _shortest(number: float) -> float:
    """The number with the fewest digits that is the same float32."""
    return float(str(np.float32(number)))


def _wide(number: float) -> float:
    return float(np.float32(number))


def as_text(value: Any) -> str:
    """One line of JSON; equal values give equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def compared(row: Endpoint, request: Any) -> tuple[str, Any]:
    """Operation and request as two of them are compared: without what differs between releases of the SDK.

    Args:
        row: the request's endpoint.
        request: as `plain` gives it; None where the endpoint takes none.
    """
    fields = _asked(request or {})
    if row.name == "forward":  # up to 0.24.1; later releases say the same by a flag
        fields["forward_backward_input"] = fields.pop("forward_input")
        fields["forward_only"] = True
    if "forward_backward_input" in fields:
        fields["forward_backward_input"] = _asked(fields["forward_backward_input"])
    return "forward_backward" if row.name == "forward" else row.name, fields


def _asked(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        key: item
        for key, item in fields.items()
        if key not in IGNORED and item != {} and not (key in UNASKED and item is False)
    }
