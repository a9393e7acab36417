"""Rules of futures: they are polled, patiently, to their end, and once."""

from collections.abc import Iterator

from fake_server.entries import Entry
from fake_server.history import History
from fake_server.rules.attempts import lost
from fake_server.rules.rule import Found, Rule

__all__ = ["FUTURES"]

IMPATIENT, IMPATIENT_SECONDS = 5, 1.0
"""Ours: that many polls of one future that the client gave up, each after less than so many seconds."""
AT_ONCE = 3
"""Ours: that many polls of one future that wait at the same time."""
AGAIN = 3
"""Ours: results fetched so often; once more is what a client does whose connection broke."""


def impatient(history: History) -> Iterator[Found]:
    """Polls that are given up early and sent again, or many of one future at once."""
    for request_id, polls in history.polls.items():
        left = [poll for poll in polls if poll.status == 0 and not poll.faults and _lasted(poll)]
        if len(left) >= IMPATIENT:
            yield Found(
                f"{request_id} was polled {len(polls)} times; {len(left)} polls were given up within "
                f"{IMPATIENT_SECONDS:g} s",
                left[:IMPATIENT],
            )
            continue
        beside = _most_at_once(polls)
        if len(beside) >= AT_ONCE:
            yield Found(f"{len(beside)} polls of {request_id} waited at the same time", beside)


def _lasted(poll: Entry) -> bool:
    ended = poll.arrived_at if poll.answered_at is None else poll.answered_at
    return ended - poll.arrived_at < IMPATIENT_SECONDS


def _most_at_once(polls: list[Entry]) -> list[Entry]:
    most: list[Entry] = []
    for poll in polls:
        waiting = [
            other
            for other in polls
            if other.arrived_at <= poll.arrived_at and (other.answered_at or 0.0) > poll.arrived_at
        ]
        most = max(most, waiting, key=len)
    return most


def _unread(history: History) -> Iterator[tuple[str, Entry, list[Entry]]]:
    """Promises whose outcome was not fetched, with their polls."""
    cancelled = {entry.request_id for entry in history if entry.operation == "cancel_future"}
    told = {
        event.get("request_id")
        for entry in history
        if entry.operation == "retrieve_futures" and isinstance(entry.answer, dict)
        for event in entry.answer.get("completions", ())
    }
    for request_id, promises in history.promises.items():
        polls = history.polls.get(request_id, [])
        waits = request_id in history.open_polls or request_id in cancelled or request_id in told
        unheard = all(lost(promise) for promise in promises)
        if not waits and not unheard and not any(poll.is_final for poll in polls):
            yield request_id, promises[0], polls


def never_polled(history: History) -> Iterator[Found]:
    """Promises that nobody asked after."""
    for request_id, promise, polls in _unread(history):
        if not polls:
            yield Found(f"{promise.operation} was promised as {request_id}, and never polled", (promise,))


def never_read(history: History) -> Iterator[Found]:
    """Promises that were polled, but not to the end."""
    for request_id, promise, polls in _unread(history):
        if polls and not _ended(polls[-1]):
            yield Found(
                f"{promise.operation} {request_id} was polled {len(polls)} times, and not to its outcome",
                (promise, polls[-1]),
            )


def _ended(poll: Entry) -> bool:
    """Whether the poll was told that there is nothing to wait for."""
    return poll.status >= 400 and not poll.is_pending


def read_again(history: History) -> Iterator[Found]:
    """Results that were fetched again and again."""
    for request_id, polls in history.polls.items():
        fetched = [poll for poll in polls if poll.is_final and not poll.faults]
        if len(fetched) >= AGAIN:
            yield Found(f"the outcome of {request_id} was fetched {len(fetched)} times", fetched[:AGAIN])


FUTURES = (
    Rule(
        "CLI-09",
        "warning",
        "impatient polls",
        "A poll waits at the server for up to 30 s. Giving it up early, or having many wait for one result, "
        "makes a request of what should be silence.",
        "one poll at a time for each future, with a timeout of 45 s or more; poll again after 408",
        impatient,
    ),
    Rule(
        "CLI-10",
        "warning",
        "never polled",
        "The operation may have failed, and nobody knows: training goes on as if it had not.",
        "call .result() on what the operation returned, at the latest before the session is finished",
        never_polled,
    ),
    Rule(
        "CLI-11",
        "warning",
        "outcome never read",
        "The client stopped to ask before there was an answer; a failure after that goes unseen, and results "
        "are dropped after a while.",
        "poll until the answer is neither 408 nor try_again nor metadata alone, or cancel the future",
        never_read,
    ),
    Rule(
        "CLI-12",
        "note",
        "outcome read again and again",
        "A result does not change; large ones cost time to send.",
        "keep the result of a future once it is there",
        read_again,
    ),
)
"""Rules 9 to 12."""
