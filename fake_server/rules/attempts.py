"""Requests that are the same request, sent more than once; and how long their client waited between."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

from contract.versions import NEXT_MODEL
from fake_server.entries import Entry

__all__ = [
    "Identity",
    "attempts",
    "body_of",
    "identity",
    "lost",
    "numbered",
    "pairs",
    "retry_after",
    "waited",
]

Identity = tuple[Any, ...]
NUMBERS = (
    ("model_id", "seq_id"),
    ("sampling_session_id", "seq_id"),
    ("session_id", "model_seq_id"),
    ("session_id", "sampling_session_seq_id"),
    ("session_id", "custom_loss_seq_id"),
)
"""Owner and number that make a request itself, however often it is sent."""
HARMLESS = frozenset({"latency", "drip", "duplicate", "reorder"})
"""Faults after which the client still has the answer."""


def numbered(entry: Entry) -> Identity | None:
    """A request's owner and number; None where it has none."""
    for owner, number in NUMBERS:
        who, value = entry.own(owner), entry.own(number)
        if who is not None and value is not None and value != NEXT_MODEL:
            return owner, who, number, value
    return None


def identity(entry: Entry) -> Identity:
    """What makes two requests the same one: their number, or for want of one, what they ask."""
    if entry.operation == "retrieve_future":
        return "poll", entry.request_id
    return numbered(entry) or (entry.operation, body_of(entry))


def body_of(entry: Entry) -> str:
    """What a request asks, as text, but for its number."""
    fields = {name: value for name, value in entry.request.items() if name != "seq_id"}
    return json.dumps(fields, sort_keys=True)


def attempts(entries: Iterable[Entry]) -> Mapping[Identity, list[Entry]]:
    """Entries by what request they are, in the order of arrival."""
    found: dict[Identity, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[identity(entry)].append(entry)
    return found


def pairs(entries: Iterable[Entry]) -> Iterable[tuple[Entry, Entry]]:
    """Each attempt and the next one of the same request that was sent once the first was answered."""
    for same in attempts(entries).values():
        for earlier, later in pairwise(same):
            if earlier.answered_at is not None and later.arrived_at >= earlier.answered_at:
                yield earlier, later


def waited(earlier: Entry, later: Entry) -> float:
    """Seconds from one answer to the next attempt.

    On the tenant's clock; where a virtual one stood still and the client really waited, on the machine's.
    """
    since = earlier.arrived_at if earlier.answered_at is None else earlier.answered_at
    starts, ends = earlier.exchange.real_at, later.exchange.real_at
    return max(later.arrived_at - since, ends - starts if starts and ends else 0.0)


def retry_after(entry: Entry) -> float | None:
    """Seconds that an answer asks to wait; None where it does not."""
    headers = {name.lower(): value for name, value in entry.exchange.answer_headers.items()}
    try:
        if "retry-after-ms" in headers:
            return float(headers["retry-after-ms"]) / 1000
        return float(headers["retry-after"])
    except KeyError:
        return None
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(headers["retry-after"]).timestamp() - (entry.answered_at or 0.0)
    except (KeyError, ValueError):
        return None


def lost(entry: Entry) -> bool:
    """Whether the work was taken on, and the client may not have heard of it."""
    return entry.is_promise and (entry.status != 200 or not HARMLESS.issuperset(entry.faults))
