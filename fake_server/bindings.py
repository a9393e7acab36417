"""Bindings: which handler serves which row of the contract, and how a URL finds its row."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from contract import (
    Deferred,
    Endpoint,
    FutureResult,
    MethodNotAllowed,
    NotFound,
    NotServed,
    Operation,
    Unserved,
    WireModel,
)
from fake_server.service import Call, Submission
from fake_server.wire import Answer

__all__ = ["Binding", "Routes", "bind", "bind_deferred", "bind_unserved"]

Q = TypeVar("Q", bound=WireModel)
A = TypeVar("A")
R = TypeVar("R", bound=FutureResult)
FIELD = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Binding:
    """A row of the contract and what serves it."""

    row: Endpoint
    serve: Callable[[Call, Any], Any]
    """Request to answer, or to an awaitable of one."""
    is_async: bool


def bind(row: Operation[Q, A], handler: Callable[[Call, Q], A | Answer | Awaitable[A | Answer]]) -> Binding:
    """Serve an operation that answers at once."""
    return Binding(row, handler, inspect.iscoroutinefunction(handler))


def bind_deferred(row: Deferred[Q, R], handler: Callable[[Call, Q], Submission[R]]) -> Binding:
    """Serve an operation that answers a promise."""
    return Binding(row, handler, False)


def bind_unserved(row: Unserved) -> Binding:
    """Answer an operation that is known and makes no sense here."""

    def refuse(_call: Call, _request: Any) -> None:
        raise NotServed(f"{row.name} is not served: {row.reason}")

    return Binding(row, refuse, False)


class Routes:
    """Finds the binding of a method and path."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self._fixed: dict[tuple[str, str], Binding] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Binding]] = []
        for binding in bindings:
            method, route = binding.row.method, binding.row.route
            if "{" in route:
                pattern = FIELD.sub(r"(?P<\1>[^/]+)", route)
                self._patterns.append((method, re.compile(pattern + r"\Z"), binding))
            else:
                self._fixed[method, route] = binding

    def find(self, method: str, path: str) -> tuple[Binding, dict[str, str]]:
        """The binding, and the values in the path.

        Raises:
            NotFound: if no operation has that path.
            MethodNotAllowed: if some have, each for another method.
        """
        binding = self._fixed.get((method, path))
        if binding is not None:
            return binding, {}
        for wanted, pattern, candidate in self._patterns:
            match = pattern.match(path) if wanted == method else None
            if match:
                return candidate, match.groupdict()
        allowed = self._methods(path)
        if allowed:
            raise MethodNotAllowed(
                f"{path}: expected {' or '.join(allowed)}, got {method}",
                headers={"allow": ", ".join(allowed)},
            )
        raise NotFound(f"no operation {method} {path}; `tinkerproof operations` lists them")

    def _methods(self, path: str) -> list[str]:
        """The methods that operations of this path have."""
        fixed = {method for method, route in self._fixed if route == path}
        return sorted(fixed | {method for method, pattern, _ in self._patterns if pattern.match(path)})
