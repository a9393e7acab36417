"""`Stubs`: canned results and failures in the place of what a tenant would answer.

A stub decides for a request when it arrives; a replay gets what was decided first. A stub has no effect
on any model or store: nothing is computed. A result shows when the rules of delivery say, as any other.
The newest stub that fits decides; one that was used `times` often does not fit any more.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from contract import (
    OPERATIONS,
    ApiError,
    Deferred,
    Endpoint,
    ForwardBackwardOutput,
    Operation,
    RequestErrorCategory,
    RequestFailure,
    SampledSequence,
    SampleResponse,
    TensorData,
)
from fake_server.headers import check_headers
from fake_server.service import Service, Submission

__all__ = ["Stub", "StubbedAnswer", "Stubs", "UnusedStub"]

ROWS: dict[str, Operation[Any, Any] | Deferred[Any, Any]] = {row.name: row for row in OPERATIONS}
ALIASES = {"sample": "asample"}
POLLS = ("retrieve_future", "retrieve_futures")
RETRIED = frozenset({402, 408, 409, 429})
"""And all from 500 on. Source: `contract.errors.STATUSES`, what clients send again with the same number."""
Step = Callable[[Any], Any]
"""Gives the result of a request, or raises; `REAL` where nothing is in its place."""
REAL = object()


class UnusedStub(AssertionError):
    """A stub that a test asked for decided for no request, or for fewer than it should."""


class StubbedAnswer(ApiError):
    """A status that a stub answers."""

    @property
    def retried(self) -> bool:
        """Whether clients send the request again, under the same number."""
        return self.status in RETRIED or self.status >= 500


@dataclass(eq=False)
class Stub:
    """What happens to requests of one operation that have some values."""

    row: Operation[Any, Any] | Deferred[Any, Any]
    fields: Mapping[str, Any]
    predicate: Callable[[Any], bool] | None = None
    times: int | None = None
    strict: bool = True
    number: int = 0
    used: int = 0
    seen: int = 0
    """Requests of its operation that it was held against."""
    nearest: dict[str, Any] | None = None
    """Of the request that missed it by the fewest fields: what it had in their places."""
    _steps: list[Step] = field(default_factory=list)

    def returns(self, result: Any = None, **parts: Any) -> "Stub":
        """Answer a result: of the response's type, a dict of its fields, or by its parts.

        Of a sample the parts are `tokens`, `logprobs` and `stop_reason`, for each of its sequences, or `text`
        for tinkerproof/pico, whose tokens are bytes; of a pass `loss`, with logprobs of 0 shaped as its
        targets; of any other operation the fields of its response.

        Raises:
            ValueError: naming the field that does not fit.
        """
        if self.row.name == "asample" and result is None:
            return self._then(_sampled(parts))
        if "loss" in parts and self.row.response is ForwardBackwardOutput:
            return self._then(partial(_passed, float(parts["loss"])))
        value = _checked(self.row, parts if result is None and parts else result)
        return self._then(lambda _: value)

    def fails(
        self,
        category: str = "server",
        error: str = "failed by a stub",
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Stub":
        """Fail the future with a category, or answer the request itself with a status.

        Raises:
            ValueError: for an unknown category, a status that is none of an error, headers that cannot be
                sent, or no future to fail.
        """
        if status is None and isinstance(self.row, Deferred):
            failure = RequestFailure(error, _category(self.row.name, category))
            return self._then(lambda _: _raise(failure))
        if status is None or not 400 <= status <= 599:
            raise ValueError(f"stub of {self.row.name}: expected a status from 400 to 599, got {status}")
        check_headers(headers or {})
        answer = type("Answer", (StubbedAnswer,), {"status": status})
        return self._then(_Refusal(lambda: answer(error, headers=headers)))

    def calls(self, function: Callable[[Any], Any]) -> "Stub":
        """Answer what a function of the request gives; None answers as without a stub."""
        return self._then(function)

    def pass_through(self) -> "Stub":
        """Answer as without a stub."""
        return self._then(lambda _: None)

    @property
    def then(self) -> "Stub":
        """The same stub: what is said next is for the next request. The last is for all that follow."""
        return self

    def _then(self, step: Step) -> "Stub":
        self._steps.append(step)
        return self

    @property
    def wanted(self) -> int:
        """How often it must be used."""
        return self.times or max(1, len(self._steps))

    @property
    def missing(self) -> bool:
        """Whether it was used less often."""
        return self.strict and self.used < self.wanted

    def takes(self, request: Any) -> bool:
        """Whether it decides for a request; what misses is remembered."""
        self.seen += 1
        misses = {
            name: actual
            for name, expected in self.fields.items()
            if not _fits(expected, actual := _value(request, name))
        }
        if not misses and self.predicate is not None and not self.predicate(request):
            misses = {"predicate": "False"}
        if misses and (self.nearest is None or len(misses) < len(self.nearest)):
            self.nearest = misses
        spent = self.times is not None and self.used >= self.times
        return bool(self._steps) and not misses and not spent

    def next(self) -> Step:
        """What it does now."""
        self.used += 1
        return self._steps[min(self.used, len(self._steps)) - 1]

    def explain(self) -> str:
        """What it is for, how often it was used, and what missed it by least."""
        wanted = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        text = (
            f"stub {self.number}, {self.row.name}({wanted}): expected {self.wanted} uses, got {self.used}; "
        )
        if not self.seen:
            return f"{text}{self.row.name} was never called"
        text += f"{self.row.name} was called {self.seen} times"
        if self.nearest is None:
            return text
        parts = [
            f"{name} expected {self.fields.get(name, True)!r}, got {actual!r}"
            for name, actual in self.nearest.items()
        ]
        return f"{text}; closest: {', '.join(parts)}"


class _Refusal:
    """A step that answers a status: it is taken before anything is queued."""

    def __init__(self, make: Callable[[], ApiError]) -> None:
        self._make = make

    def __call__(self, _request: Any) -> Any:
        raise self._make()


class Stubs:
    """All stubs of one tenant."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stubs: list[Stub] = []
        service.stand_in = self._serve

    def on(
        self,
        operation: str,
        predicate: Callable[[Any], bool] | None = None,
        /,
        *,
        times: int | None = None,
        strict: bool = True,
        **fields: Any,
    ) -> Stub:
        """A stub for requests of an operation whose fields have these values.

        Args:
            operation: its name; `sample` is `asample`.
            predicate: what a request must fit beside the fields.
            times: how many requests it takes, and must take; any number from 1 on where absent.
            strict: whether it counts as unused where it is not used.
            fields: by name, at any depth, `a__b` for b of a; a value, or a function of the actual one.

        Raises:
            ValueError: for an operation or a field that is not there, naming what is.
        """
        row = ROWS.get(ALIASES.get(operation, operation))
        if row is None or row.name in POLLS:
            near = ", ".join(get_close_matches(operation, ROWS)) or "a row of `tinkerproof operations`"
            raise ValueError(f"stub: expected an operation other than a poll, got {operation!r}; try {near}")
        known = _names(row.request)
        for name in fields:
            if name.partition("__")[0] not in known:
                raise ValueError(
                    f"stub of {row.name}: expected a field of its request, got {name!r}; "
                    f"it has {', '.join(sorted(known))}"
                )
        number = max((stub.number for stub in self._stubs), default=0) + 1
        stub = Stub(row, fields, predicate, times, strict, number)
        with self._service.lock:
            self._stubs.append(stub)
        return stub

    @property
    def unused(self) -> list[Stub]:
        """Those that were used less often than they should."""
        return [stub for stub in self._stubs if stub.missing]

    def assert_used(self) -> None:
        """Check that all were used.

        Raises:
            UnusedStub: naming those that were not, with what missed them by least.
        """
        if self.unused:
            raise UnusedStub("\n".join(stub.explain() for stub in self.unused))

    def remove(self, stub: Stub) -> None:
        """Take one away."""
        with self._service.lock:
            self._stubs.remove(stub)

    def clear(self) -> None:
        """Take all away."""
        with self._service.lock:
            self._stubs.clear()

    def __iter__(self) -> Iterator[Stub]:
        """All, oldest first."""
        return iter(list(self._stubs))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._stubs)

    def _serve(self, row: Endpoint, request: Any, serve: Callable[[], Any]) -> Any:
        """Answer a request; the tenant's lock is held."""
        if not any(stub.row is row for stub in self._stubs):
            return serve()
        if not isinstance(row, Deferred):
            step = self._decide(row, request)
            given = None if step is None else step(request)
            return serve() if given is None else _checked(row, given)
        submission: Submission[Any] = serve()
        if self._service.futures.known(submission.request_id):
            return submission  # a replay
        step = self._decide(row, request)
        if step is None:
            return submission
        if isinstance(step, _Refusal):
            step(request)
        return replace(submission, work=_Canned(row, request, step, submission.work))

    def _decide(self, row: Endpoint, request: Any) -> Step | None:
        fitting = [stub for stub in self._stubs if stub.row is row and stub.takes(request)]
        return fitting[-1].next() if fitting else None


@dataclass(frozen=True)
class _Canned:
    """The work of a stubbed operation, in its turn."""

    row: Endpoint
    request: Any
    step: Step
    real: Callable[[], Any]

    def __call__(self) -> Any:
        given = self.step(self.request)
        return self.real() if given is None else _checked(self.row, given)


def _category(operation: str, name: str) -> RequestErrorCategory:
    known = sorted(category.value for category in RequestErrorCategory)
    if name not in known:
        raise ValueError(f"stub of {operation}: expected a category, one of {', '.join(known)}, got {name!r}")
    return RequestErrorCategory(name)


def _raise(error: Exception) -> Any:
    raise error


def _checked(row: Any, value: Any) -> Any:
    if value is None or isinstance(value, row.response if isinstance(row.response, type) else ()):
        return value
    try:
        return TypeAdapter(row.response).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "result"
        raise ValueError(
            f"stub of {row.name}: expected {getattr(row.response, '__name__', 'a response')}, "
            f"got another; {where}: {first['msg']}"
        ) from None


def _sampled(parts: Mapping[str, Any]) -> Step:
    fields = {"stop_reason": "stop", **parts}
    if "text" in fields:
        fields["tokens"] = list(str(fields.pop("text")).encode())
    try:
        sequence = SampledSequence.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where, got = ".".join(map(str, first["loc"])), ", ".join(sorted(parts)) or "none"
        raise ValueError(f"stub of asample: expected tokens, got {got}; {where}: {first['msg']}") from None
    return lambda request: SampleResponse(sequences=[sequence] * request.num_samples)


def _passed(loss: float, request: Any) -> ForwardBackwardOutput:
    batch = _value(request, "data")
    shapes = [datum.target_shape or (datum.model_input.length,) for datum in batch]
    return ForwardBackwardOutput(
        loss_fn_output_type="ArrayRecord",
        loss_fn_outputs=[{"logprobs": TensorData.from_numpy(np.zeros(s, np.float32))} for s in shapes],
        metrics={"loss:sum": loss},
    )


def _names(kind: Any) -> set[str]:
    """Names of the fields of a request, at any depth; `model` is the model of whichever name."""
    found = {"model"}
    waiting, seen = [kind], set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            if one not in seen:
                seen.add(one)
                found |= set(one.model_fields)
                waiting += [field.annotation for field in one.model_fields.values()]
        else:
            waiting += [part for part in getattr(one, "__args__", ()) if part is not None]
    return found


def _value(request: Any, name: str) -> Any:
    """The value of a field, found by its name nearest to the top; None where there is none."""
    if name == "model":
        names = (getattr(request, key, None) for key in ("model_id", "model_path", "base_model"))
        return next((one for one in names if one is not None), None)
    first, _, rest = name.partition("__")
    level = [request]
    while level:
        for one in level:
            if isinstance(one, BaseModel) and first in type(one).model_fields:
                found = getattr(one, first)
                return _value(found, rest) if rest else found
            if isinstance(one, dict) and first in one:
                return _value(one[first], rest) if rest else one[first]
        level = [value for one in level if isinstance(one, BaseModel) for value in dict(one).values()]
    return None


def _fits(expected: Any, actual: Any) -> bool:
    if callable(expected):
        return bool(expected(actual))
    return bool(expected == actual) or expected == to_jsonable_python(actual, fallback=repr)
