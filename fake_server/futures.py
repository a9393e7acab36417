"""`FutureStore`: promises, their outcomes, and who waits for them.

Two questions stay apart: when an outcome is computed (`resolve`) and when it shows. A `Hold` keeps a
computed outcome from showing, until it is over or the future is released.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from concurrent.futures import Future as Computation
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any

from contract import (
    ApiError,
    BadRequest,
    FutureResult,
    Gone,
    NotFound,
    QueueState,
    RequestErrorCategory,
    RequestFailedResponse,
    RequestFailure,
)
from contract.codec import encode
from fake_server.clock import Clock
from fake_server.executors import Load

__all__ = ["Completions", "Future", "FutureStore", "Hold", "Job"]

CLONE_BLOCK = 1_000_000_000
"""Numbers per client of a sampling session. Source: sdk 0.38.0 lib/public_interfaces/sampling_client.py."""
REMEMBERED_IDS = 100_000
"""Ours: ids of dropped futures that are still told apart from unknown ones."""

log = logging.getLogger("tinkerproof")
Outcome = FutureResult | RequestFailedResponse
CANCELLED = RequestFailedResponse(error="cancelled by the client", category=RequestErrorCategory.User)


@dataclass(slots=True)
class Hold:
    """What keeps an outcome from showing, and what it shows in its place."""

    polls: int = 0
    """How many polls are still answered at once, with nothing."""
    until: float = -inf
    """It does not show before that time; infinite where it never does by itself."""
    held: bool = False
    """Whether it waits for its release."""
    failure: RequestFailedResponse | None = None
    """What shows in the outcome's place: the work is done all the same."""

    def over(self, now: float) -> bool:
        """Whether a computed outcome shows."""
        return self.polls == 0 and self.until <= now and not self.held


@dataclass(slots=True, eq=False)
class Future:
    """One promise."""

    request_id: str
    operation: str
    owner: str
    """The model, sampling session or session that it belongs to."""
    seq_id: int | None
    digest: bytes
    """Of the request, to tell a replay from a clash."""
    created_at: float
    sample_sequence_ids: list[str] | None = None
    computation: Computation[Any] | None = None
    """What will give the outcome, where the backend works on it beside other requests."""
    outcome: Outcome | None = None
    hold: Hold | None = None
    """What keeps the outcome from showing, apart from its computation."""
    released: bool = False
    """Whether the outcome shows."""
    released_at: float = 0.0
    """Since when."""
    queue_state: QueueState = "active"
    """What a poll says while the outcome does not show."""
    queue_state_reason: str | None = None
    read: bool = False
    """Whether its client has asked for the outcome and got it."""
    cursor: int = 0
    """Its place among the completions of its sampling session, from 1."""
    waiters: list[Callable[[], None]] = field(default_factory=list)
    payloads: dict[str, bytes] = field(default_factory=dict)

    def shows_after(self, now: float) -> float:
        """The time to come at which it may show by itself; infinite where the clock changes nothing."""
        return self.hold.until if self.hold is not None and self.hold.until > now else inf

    @property
    def failed(self) -> bool:
        """Whether the outcome is a failure."""
        return isinstance(self.outcome, RequestFailedResponse)

    def payload(self, media_type: str) -> bytes:
        """The outcome as bytes, encoded once for each media type."""
        if media_type not in self.payloads:
            self.payloads[media_type] = encode(self.outcome, media_type)
        return self.payloads[media_type]


def _at_once(_: Future) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Job:
    """A future and the work that resolves it."""

    future: Future
    work: Callable[[], FutureResult | Computation[Any]]
    on_result: Callable[[Any], None]
    """Called with the result before it shows."""
    alongside: bool
    """Whether it may run beside the jobs that have an order."""


@dataclass(slots=True)
class Completions:
    """What one client of a sampling session can learn from `retrieve_futures`."""

    cursor: int = 0
    events: OrderedDict[int, Future] = field(default_factory=OrderedDict)
    pending: dict[str, Future] = field(default_factory=dict)
    """By id, those that do not show yet."""
    waiters: list[Callable[[], None]] = field(default_factory=list)


class FutureStore:
    """All futures of a tenant."""

    def __init__(
        self,
        clock: Clock,
        ttl_seconds: float,
        lock: threading.RLock,
        load: Load,
    ) -> None:
        self.clock = clock
        self._lock = lock
        self.settled = threading.Condition(lock)
        """Notified whenever an outcome is set."""
        self._load = load
        self._ttl_seconds = ttl_seconds
        self.plan: Callable[[Future], None] = _at_once
        """Called with each new future before its work is queued: may give it a hold, and a queue state."""
        self._futures: dict[str, Future] = {}
        self._released: OrderedDict[str, Future] = OrderedDict()
        """Those that show, first released first."""
        self._dropped: OrderedDict[str, None] = OrderedDict()
        self._completions: dict[tuple[str, int], Completions] = {}

    def __iter__(self) -> Iterator[Future]:
        """All futures that can still be fetched, oldest first."""
        return iter(list(self._futures.values()))

    def open(self, future: Future) -> tuple[Future, bool]:
        """Take a new future, or return the earlier one that it replays; and whether it is new.

        Raises:
            BadRequest: if the id was used by another request.
            Gone: if the earlier one was dropped.
        """
        self._expire()
        earlier = self._futures.get(future.request_id)
        if earlier is None:
            if future.request_id in self._dropped:
                raise Gone(self._gone(future.request_id))
            self._futures[future.request_id] = future
            completions = self._completions_of(future)
            if completions is not None:
                completions.pending[future.request_id] = future
            return future, True
        if earlier.digest != future.digest:
            raise BadRequest(
                f"request {future.request_id}: expected a replay of {earlier.operation}, "
                f"got {future.operation} with another body; use a new number"
            )
        return earlier, False

    def get(self, request_id: str) -> Future:
        """The future.

        Raises:
            Gone: if it was there and its result was fetched or expired.
            NotFound: if it never was.
        """
        self._expire()
        future = self._futures.get(request_id)
        if future is not None:
            return future
        if request_id in self._dropped:
            raise Gone(self._gone(request_id))
        raise NotFound(f"no future {request_id!r}; it was not submitted to this server")

    def find(self, request_id: str) -> Future | None:
        """The future, or None where there is none any more."""
        return self._futures.get(request_id)

    def known(self, request_id: str) -> bool:
        """Whether there is such a future, or was."""
        return request_id in self._futures or request_id in self._dropped

    def _gone(self, request_id: str) -> str:
        return f"future {request_id!r} is gone: it was acknowledged, or there for {self._ttl_seconds:g} s"

    def run(self, job: Job) -> None:
        """Do the work and resolve the future with what comes of it, now or later. Never raises."""
        if job.future.outcome is None:
            self._settle(job, job.work)

    def _settle(self, job: Job, compute: Callable[[], FutureResult | Computation[Any]]) -> None:
        given = self._tried(job, compute)
        if not isinstance(given, Computation):
            self.resolve(job.future, given)
            return
        with self._lock:
            job.future.computation = given
            late = job.future.outcome is not None
        if late:
            given.cancel()
        self._load.begin()
        given.add_done_callback(partial(self._settle_promise, job))

    def _settle_promise(self, job: Job, done: Computation[Any]) -> None:
        self._settle(job, done.result)
        self._load.end()

    def _tried(
        self, job: Job, compute: Callable[[], FutureResult | Computation[Any]]
    ) -> Outcome | Computation[Any]:
        """What comes of the work, failures included."""
        future = job.future
        try:
            given = compute()
            if not isinstance(given, Computation):
                job.on_result(given)
            return given
        except CancelledError:
            return CANCELLED
        except RequestFailure as failure:
            return RequestFailedResponse(error=failure.error, category=failure.category)
        except ApiError as error:
            return RequestFailedResponse(error=error.detail, category=RequestErrorCategory.User)
        except Exception:
            log.exception("%s failed, request %s", future.operation, future.request_id)
            return _bug(future)

    def spoil(self, future: Future) -> None:
        """Turn an outcome that could not be written into a failure of the server; log the exception."""
        log.exception("%s could not be written, request %s", future.operation, future.request_id)
        with self._lock:
            future.outcome = _bug(future)
            future.payloads.clear()

    def cancel(self, future: Future) -> None:
        """Fail a future that its client takes back, and stop its work; an outcome that is there stays."""
        with self._lock:
            computation = future.computation
            self.resolve(future, CANCELLED)
        if computation is not None:
            computation.cancel()

    def resolve(self, future: Future, outcome: Outcome) -> None:
        """Set the outcome; it shows at once, or when it is released. The first outcome counts."""
        with self._lock:
            future.computation = None
            if future.outcome is None:
                future.outcome = (future.hold and future.hold.failure) or outcome
                self.tick(future)
                self.settled.notify_all()

    def tick(self, future: Future) -> None:
        """Let a computed outcome show if nothing holds it any more, and wake those who wait for it."""
        with self._lock:
            over = future.hold is None or future.hold.over(self.clock.now())
            if over and future.outcome is not None and not future.released:
                self._release(future)

    def ask(self, future: Future) -> bool:
        """A poll asks for it; returns whether that is one of those which are answered with nothing."""
        hold = future.hold
        if hold is None or not hold.polls or future.released:
            return False
        hold.polls -= 1
        return True

    def release(self, future: Future) -> None:
        """Let it show, now or once it is computed, and wake those who wait for it."""
        with self._lock:
            if future.hold is not None:
                future.hold = Hold(failure=future.hold.failure)
            self.tick(future)

    def _release(self, future: Future) -> None:
        future.released = True
        future.released_at = self.clock.now()
        if future.request_id in self._futures:
            self._released[future.request_id] = future
        completions = self._completions_of(future)
        if completions is not None:
            completions.pending.pop(future.request_id, None)
            completions.cursor += 1
            completions.events[completions.cursor] = future
            future.cursor = completions.cursor
            _wake(completions.waiters)
        _wake(future.waiters)

    def _completions_of(self, future: Future) -> Completions | None:
        if future.seq_id is None or future.operation != "asample":
            return None
        return self.completions(future.owner, future.seq_id // CLONE_BLOCK)

    def completions(self, sampling_session_id: str, client: int) -> Completions:
        """What was completed for one client of a sampling session."""
        return self._completions.setdefault((sampling_session_id, client), Completions())

    def forget(self, owner: str, request_ids: list[str]) -> None:
        """Drop futures of `owner` whose results were fetched; ids of others are left alone."""
        for request_id in request_ids:
            future = self._futures.get(request_id)
            if future is not None and future.owner == owner and future.released:
                self._drop(request_id)

    def discard(self, future: Future) -> None:
        """Take back a future that was just opened and whose request is rejected."""
        del self._futures[future.request_id]
        completions = self._completions_of(future)
        if completions is not None:
            completions.pending.pop(future.request_id, None)

    def _expire(self) -> None:
        oldest = self.clock.now() - self._ttl_seconds
        while self._released:
            request_id, future = next(iter(self._released.items()))
            if future.released_at > oldest:
                return
            self._drop(request_id)

    def _drop(self, request_id: str) -> None:
        future = self._futures.pop(request_id)
        self._released.pop(request_id, None)
        if future.cursor and future.seq_id is not None:
            self.completions(future.owner, future.seq_id // CLONE_BLOCK).events.pop(future.cursor, None)
        _wake(future.waiters)
        self._dropped[request_id] = None
        if len(self._dropped) > REMEMBERED_IDS:
            self._dropped.popitem(last=False)


def _bug(future: Future) -> RequestFailedResponse:
    return RequestFailedResponse(
        error=f"internal error, request {future.request_id}; the server's log has the details",
        category=RequestErrorCategory.Server,
    )


def _wake(waiters: list[Callable[[], None]]) -> None:
    for wake in waiters[:]:
        wake()
