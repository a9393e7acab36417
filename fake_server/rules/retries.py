"""Rules of trying again: not what is final, not too soon, not too often."""

from collections.abc import Iterator

from fake_server.entries import Entry
from fake_server.history import History
from fake_server.rules.attempts import attempts, numbered, pairs, retry_after, waited
from fake_server.rules.rule import Found, Rule

__all__ = ["RETRIES"]

FINAL = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})
"""Statuses that the next attempt will get as well. Source: contract.errors.STATUSES."""
BUSY = frozenset({409, 429, 500, 502, 503, 504})
BREAKING = frozenset({"truncate", "reset", "bad_http", "wrong_encoding"})
"""Faults after which a client may not know the status of an answer."""
POLLED_AGAIN = 3
"""How often a poll may be repeated after 400. Source: sdk 0.38.0 lib/api_future_impl.py."""
OWN_BACKOFF_SECONDS = 1.0
"""What samples and polls wait for after 429, whatever the answer says.

Source: sdk 0.38.0 lib/public_interfaces/sampling_client.py and lib/api_future_impl.py.
"""
STORM, STORM_SECONDS = 5, 1.0
"""Ours: that many attempts in so short a time; the SDK's backoff makes three."""
TOLERANCE = 0.95


def retried_final(history: History) -> Iterator[Found]:
    """A request sent again after an answer that will not change."""
    for first, second in pairs(history):
        if first.status in FINAL and not _may_change(first) and _is_retry(first, second):
            yield Found(
                f"{first.operation} was answered with {first.status} ({first.failure}) and sent again",
                (first, second),
            )
    for polls in history.polls.values():
        refused = [poll for poll in polls if poll.status == 400 and not _may_change(poll)]
        if len(refused) > POLLED_AGAIN + 1:
            yield Found(
                f"{refused[0].request_id} was polled {len(refused)} times, and each time answered with 400",
                (refused[0], refused[-1]),
            )


def _may_change(entry: Entry) -> bool:
    """Whether the answer says so: `x-should-retry`, an expired token, a 400 of some proxy's; or broke off."""
    if not BREAKING.isdisjoint(entry.faults):
        return True
    headers = {name.lower(): value for name, value in entry.exchange.answer_headers.items()}
    renewed = entry.status == 401 and "invalid_token" in headers.get("www-authenticate", "")
    empty = entry.status == 400 and not entry.exchange.answer_bytes and "empty_400" in entry.faults
    return renewed or empty or headers.get("x-should-retry") == "true"


def _is_retry(first: Entry, second: Entry) -> bool:
    """Whether it is one request, and not one that was asked twice on purpose."""
    if first.operation == "retrieve_future":
        return first.status != 400
    if first.operation == "session_heartbeat":
        return False
    same_key = first.idempotency_key is not None and first.idempotency_key == second.idempotency_key
    return numbered(first) is not None or same_key or second.retry_count > 0


def ignored_retry_after(history: History) -> Iterator[Found]:
    """A request sent again sooner than the answer asked."""
    for first, second in pairs(history):
        asked = retry_after(first)
        if asked is None or first.status < 400:
            continue
        own = first.status == 429 and first.operation in ("asample", "retrieve_future")
        needed = min(asked, OWN_BACKOFF_SECONDS) if own else asked
        if waited(first, second) < needed * TOLERANCE:
            yield Found(
                f"{first.operation} was told to wait {asked:g} s, and came again after "
                f"{waited(first, second):.2g} s",
                (first, second),
            )


def storms(history: History) -> Iterator[Found]:
    """Many attempts of one request in a short time."""
    for same in attempts(entry for entry in history if entry.status in BUSY).values():
        if same[0].operation == "retrieve_future":
            same = [entry for entry in same if entry.status == 429]  # clients poll at once after 5xx
        same = [entry for entry in same if retry_after(entry) is None]
        for start in range(len(same) - STORM + 1):
            first, last = same[start], same[start + STORM - 1]
            if waited(first, last) < STORM_SECONDS:
                yield Found(
                    f"{first.operation} was sent {STORM} times within {waited(first, last):.2g} s, and each "
                    f"time answered with {first.status}",
                    same[start : start + STORM],
                )
                break


RETRIES = (
    Rule(
        "CLI-06",
        "warning",
        "retried a final error",
        "The answer says that the request itself is wrong; it will be the same each time, and the user hears "
        "of it later, or never.",
        "raise on 4xx other than 408, 409 and 429; repeat only those, 5xx and lost connections",
        retried_final,
    ),
    Rule(
        "CLI-07",
        "warning",
        "ignored Retry-After",
        "The server said when it can serve the request. Sooner attempts are refused again, and keep it busy.",
        "sleep for the seconds of Retry-After (or retry-after-ms) before the next attempt",
        ignored_retry_after,
    ),
    Rule(
        "CLI-08",
        "warning",
        "retry storm",
        "Attempts without a pause keep a busy server busy; many clients at once keep it down.",
        "wait 0.5 s and double it after each attempt, up to 10 s, with some chance in it",
        storms,
    ),
)
"""Rules 6 to 8."""
