"""A range of the journal as a test: the same requests, in the same order, must be answered the same way.

Ids that the server made are taken from the answers of the test's own run. What made them is taken along,
though it may lie before the range. Not taken along are requests that clients make on their own (heartbeats,
telemetry, flags) and the polls in between: the test polls by itself. Where a fault has struck, the test
begins at the first request and sets the same faults: they count calls.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from contract import ApiError, FutureRetrieveRequest, RequestFailedResponse, UntypedAPIFuture, WireModel
from contract.codec import JSON, encode
from fake_server.traffic import Exchange

__all__ = ["as_test"]

BACKGROUND = {"client_config", "client_dynamic_config", "retrieve_futures", "session_heartbeat", "telemetry"}
PENDING, BROKEN = 408, 0
POLL = "retrieve_future"
SHORTEST_ID = 8
"""Ours: shorter strings are words."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An id, as code that finds it in an earlier answer."""

    code: str


def as_test(entries: Iterable[Exchange], first: int, last: int, faults: str = "") -> str:
    """A pytest test of the entries from `first` to `last`, by number, both included.

    Args:
        entries: of the journal.
        first: number of the first one.
        last: number of the last one.
        faults: the schedule that is set, as JSON; for entries that it struck.

    Raises:
        LookupError: if the range has nothing to repeat.
    """
    known = sorted(filter(_repeatable, entries), key=lambda entry: entry.number)
    wanted = {entry.number for entry in known if first <= entry.number <= last}
    if not wanted:
        raise LookupError(
            f"entries: expected some to repeat from {first} to {last}, got none; "
            "heartbeats, telemetry and pending polls are not repeated"
        )
    if struck := any(entry.faults for entry in known if entry.number in wanted):
        wanted = {entry.number for entry in known if entry.number <= last}
    chosen = _with_makers(known, wanted)
    setting = [f"    tinker_fake.faults.add(Schedule.from_json({faults!r}))"] if struck else []
    head = f"def test_entries_{first}_to_{last}(tinker_fake):"
    body = [*setting, "    raw = tinker_fake.raw", *_lines(chosen)]
    return "\n".join([*_imports(chosen, struck=struck), *_marker(chosen), head, *body, ""])


def _imports(chosen: Sequence[Exchange], *, struck: bool) -> list[str]:
    broken = any(entry.status == BROKEN for entry in chosen)
    lines = [
        *(["from http.client import HTTPException", ""] if broken else []),
        *(["import pytest"] if broken or _marker(chosen) else []),
        *(["from fake_server.faults import Schedule"] if struck else []),
    ]
    return [*lines, "", ""] if lines else []


def _marker(chosen: Sequence[Exchange]) -> list[str]:
    """Where a result was not fetched, it need not be."""
    polled = {e.request.request_id for e in chosen if isinstance(e.request, FutureRetrieveRequest)}
    made = {e.answer.request_id for e in chosen if isinstance(e.answer, UntypedAPIFuture)}
    return ["@pytest.mark.tinker_unread"] if made - polled else []


def _repeatable(entry: Exchange) -> bool:
    if entry.operation in BACKGROUND or entry.status == PENDING:
        return False
    return isinstance(entry.request, WireModel)  # else unreadable, or too large for the journal to keep


def _with_makers(known: Sequence[Exchange], wanted: set[int]) -> list[Exchange]:
    """The wanted entries and what they rest on.

    That is: whose answers made the ids that they name, a model's operations of lower numbers, and the polls
    that fetched the results.
    """
    makers: dict[str, int] = {}
    for entry in known:
        for made in _made(entry):
            makers.setdefault(made, entry.number)
    by_number = {entry.number: entry for entry in known}
    queue = sorted(wanted)
    while queue:
        entry = by_number[queue.pop()]
        named = {makers[text] for text in _strings(_fields(entry.request)) if text in makers}
        more = (named | _earlier(entry, known) | _polls(entry, known)) - wanted
        wanted |= more
        queue += more
    return [by_number[number] for number in sorted(wanted)]


def _earlier(entry: Exchange, known: Sequence[Exchange]) -> set[int]:
    """A model's operations before this one: it waits for their numbers."""
    model_id, seq_id = _place(entry)
    if model_id is None or seq_id is None:
        return set()
    places = ((other.number, *_place(other)) for other in known)
    return {number for number, model, seq in places if model == model_id and seq is not None and seq < seq_id}


def _place(entry: Exchange) -> tuple[str | None, int | None]:
    return getattr(entry.request, "model_id", None), getattr(entry.request, "seq_id", None)


def _polls(entry: Exchange, known: Sequence[Exchange]) -> set[int]:
    """The first poll that fetched what was promised."""
    if not isinstance(entry.answer, UntypedAPIFuture):
        return set()
    promised = entry.answer.request_id
    polls = (other.number for other in known if getattr(other.request, "request_id", None) == promised)
    return set(islice(polls, 1))


def _made(entry: Exchange) -> Iterator[str]:
    """The ids in an answer that a later request may name."""
    if entry.status == 200 and not isinstance(entry.answer, ApiError):
        asked = set(_strings(_fields(entry.request)))
        yield from (text for text in _strings(_fields(entry.answer)) if text not in asked)


def _fields(value: object) -> Any:
    return None if value is None else json.loads(encode(value, JSON))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) >= SHORTEST_ID:
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list) and value and not isinstance(value[0], int | float):
        for item in value:
            yield from _strings(item)


def _lines(chosen: Sequence[Exchange]) -> Iterator[str]:
    references: dict[str, Reference] = {}
    for entry in chosen:
        name = f"a{entry.number}"
        if entry.status == BROKEN:
            yield "    with pytest.raises((OSError, HTTPException)):"
            yield f"        {_call(entry, references)}"
            continue
        yield f"    {name} = {_call(entry, references)}"
        yield from (f"    assert {check}" for check in _checks(entry, name, references))
        if entry.status == 200:
            answer = _fields(entry.answer)
            for path, text in _places(answer, name):
                references.setdefault(text, Reference(path))


def _call(entry: Exchange, references: Mapping[str, Reference]) -> str:
    if isinstance(entry.request, FutureRetrieveRequest):
        return f"raw.result({_code(entry.request.request_id, references)})"
    body = _code(_fields(entry.request), references)
    return f'raw.call("{entry.operation}", {body})' if body != "{}" else f'raw.call("{entry.operation}")'


def _checks(entry: Exchange, name: str, references: Mapping[str, Reference]) -> Iterator[str]:
    yield f"{name}.status == {entry.status}"
    if isinstance(entry.answer, ApiError) and not _has_id(entry.answer.detail, references):
        yield f'{name}["detail"] == {entry.answer.detail!r}'
    if isinstance(entry.answer, RequestFailedResponse):
        yield f'{name}["category"] == {entry.answer.category.value!r}'
        if not _has_id(entry.answer.error, references):
            yield f'{name}["error"] == {entry.answer.error!r}'
    elif entry.operation == POLL and entry.status == 200:
        yield f'"error" not in {name}.json'


def _has_id(text: str, references: Mapping[str, Reference]) -> bool:
    return any(known in text for known in references) or bool(re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text))


def _places(value: Any, code: str) -> Iterator[tuple[str, str]]:
    """Each string in an answer, and the code that finds it."""
    if isinstance(value, str) and len(value) >= SHORTEST_ID:
        yield code, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _places(item, f'{code}["{key}"]')
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _places(item, f"{code}[{number}]")


def _code(value: Any, references: Mapping[str, Reference]) -> str:
    """A JSON value as Python code, with references in the place of ids; nulls are left out."""
    if isinstance(value, str) and value in references:
        return references[value].code
    if isinstance(value, Mapping):
        pairs = (f"{key!r}: {_code(item, references)}" for key, item in value.items() if item is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_code(item, references) for item in value) + "]"
    return repr(value)
