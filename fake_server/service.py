"""`Service`: one tenant's world. State, clock, ids, futures and backend; nothing of HTTP."""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future as Computation
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from contract import (
    AuditLogEntry,
    Backend,
    BadRequest,
    BaseModelInfo,
    CopyWeightsRequest,
    Endpoint,
    Forbidden,
    FutureResult,
    GetServerCapabilitiesResponse,
    NotFound,
    RequestFailure,
    SessionActive,
    SessionCancelled,
    SessionStatus,
    SupportedModel,
    split_base_model,
)
from contract.versions import SdkVersion
from fake_server.audit import AuditLog
from fake_server.clock import Clock
from fake_server.executors import Executor, Inline, Load, Worker
from fake_server.futures import Future, FutureStore, Job
from fake_server.ids import Ids
from fake_server.lanes import Lanes
from fake_server.settings import Settings
from fake_server.skipping import Skipper
from fake_server.store import CheckpointRecord, ModelRecord, SessionRecord, Store
from fake_server.times import utc
from fake_server.traffic import Exchange, Traffic
from fake_server.usage import Usage
from fake_server.wire import Answer, answer_of

if TYPE_CHECKING:
    from fake_server.controls import Controls

__all__ = ["Call", "Service", "Submission"]

log = logging.getLogger("tinkerproof")
A = TypeVar("A", bound=FutureResult)
DEFAULT_PROJECT = "default"
NEWEST_SDK = SdkVersion.parse(None)
RESOLUTION_SECONDS = 1.0
"""Times of last use are kept to the second: a record is not made anew for each of a thousand requests."""


StandIn = Callable[[Endpoint, Any, Callable[[], Any]], Any]
"""Of a request, and what its handler would give."""


def _nothing(_result: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Submission(Generic[A]):
    """What a deferred handler returns: the work, and where it belongs."""

    request_id: str
    """Derives from the operation's number, so that a replay has the same."""
    owner: str
    """The model, sampling session or session that it belongs to."""
    seq_id: int | None
    work: Callable[[], A | Computation[A]]
    admit: Callable[[], object]
    """Called before the work is queued, not for a replay; an `ApiError` that it raises refuses it."""
    ordered: bool = False
    """Whether it waits for the lower numbers of its owner."""
    alongside: bool = False
    """Whether it runs beside the tenant's other work, as samples do."""
    on_result: Callable[[A], None] = _nothing
    """Called with the result before it shows, on the thread that computed it."""
    sample_sequence_ids: list[str] | None = None


class Service:
    """One tenant."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        backend: Backend,
        clock: Clock,
        *,
        store: Store | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.backend = backend
        self.clock = clock
        self.store = store or Store()
        self.ids = Ids(settings.seed, name)
        self.lock = threading.RLock()
        """Held while state is read and changed: more than one thread may call."""
        self.load = Load()
        self.futures = FutureStore(clock, settings.future_ttl_seconds, self.lock, self.load)
        self.lanes = Lanes(clock, self.futures, self._start, settings.gap_timeout_seconds)
        self.usage = Usage(self.lock)
        self.audit = AuditLog()
        self.revoked_keys: set[str] = set()
        """Their hashes."""
        self.copies: dict[str, tuple[CopyWeightsRequest, str]] = {}
        """By idempotency key, the requests for the latest copies and the paths that they were given."""
        self.traffic = Traffic(clock)
        self.skipper = Skipper(self)
        self.stand_in: StandIn | None = None
        """Called in the place of a handler; None where nothing is stubbed."""
        self.controls: Controls | None = None
        """What a test author holds; None where controls are off."""
        self.executor: Executor = Worker("training") if backend.concurrent else Inline(self.lock)
        self.sampling_executor: Executor = Worker("sampling") if backend.concurrent else self.executor

    def _start(self, job: Job) -> None:
        executor = self.sampling_executor if job.alongside else self.executor
        self._work(executor, lambda: self.futures.run(job))

    def _work(self, executor: Executor, work: Callable[[], None]) -> None:
        """Let `work`, which does not raise, be done, and count it until it is."""

        def counted() -> None:
            work()
            self.load.end()

        self.load.begin()
        executor.submit(counted)

    def use_clock(self, clock: Clock) -> None:
        """Go on by another clock, which shows the same time or a later one. Who waits looks anew."""
        with self.lock:
            self.clock = self.futures.clock = self.lanes.clock = self.traffic.clock = clock
        self.skipper.attach(clock)
        self.traffic.wake_all()

    def sessions_alive(self) -> list[SessionRecord]:
        """Those that wait for heartbeats and were not late with them."""
        return [
            session
            for session in self.store.sessions
            if session.beats and isinstance(self.status_of(session), SessionActive)
        ]

    def keep_alive(self, sessions: Iterable[SessionRecord], since: float) -> None:
        """Count them as seen now: the time was moved from `since`, and their clients could not beat in it."""
        now = self.clock.now()
        self.traffic.skipped_seconds += now - since
        for session in sessions:
            self.store.sessions.put(session.session_id, replace(session, seen_at=now))

    def submit(self, submission: Submission[A], operation: str, digest: bytes) -> Future:
        """Open a future and start or queue its work; a replay gets the first one's future.

        Raises:
            ApiError: if the number was used by another request, its lane has passed it, or it is refused.
        """
        self.lanes.tick(submission.owner)
        future, new = self.futures.open(
            Future(
                request_id=submission.request_id,
                operation=operation,
                owner=submission.owner,
                seq_id=submission.seq_id,
                digest=digest,
                created_at=self.clock.now(),
                sample_sequence_ids=submission.sample_sequence_ids,
            )
        )
        if not new:
            return future
        job = Job(future, submission.work, submission.on_result, submission.alongside)
        try:
            submission.admit()
            self.futures.plan(future)
            if submission.ordered and submission.seq_id is not None:
                self._queue(job, submission.seq_id)
            else:
                self._start(job)
        except Exception:
            self.futures.discard(future)
            raise
        return future

    def _queue(self, job: Job, seq_id: int) -> None:
        owner = job.future.owner
        if not self.lanes.takes(owner, seq_id):
            raise BadRequest(
                f"seq_id: expected {self.lanes.next_seq_id(owner)}, got {seq_id}, which {owner} has passed; "
                "a rejected request uses its number up, too"
            )
        self.lanes.push(owner, seq_id, job)

    @cached_property
    def capabilities(self) -> Answer:
        """The backend's base models, which do not change, as they are answered."""
        models = [
            SupportedModel(
                model_name=model.name,
                max_context_length=model.max_context_length,
                trainable=model.trainable,
                sampleable=model.sampleable,
            )
            for model in self._base_models.values()
        ]
        return answer_of(GetServerCapabilitiesResponse(supported_models=models))

    @cached_property
    def _base_models(self) -> dict[str, BaseModelInfo]:
        return {model.name: model for model in self.backend.base_models()}

    def base_model(self, name: str) -> BaseModelInfo:
        """The base model of that name, a `:peft:LEN` suffix included.

        Raises:
            BadRequest: listing the base models that the backend has, or for a length that cannot be.
        """
        models = self._base_models
        if name in models:
            return models[name]
        try:
            plain, length = split_base_model(name)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        if plain not in models:
            known = ", ".join(models)
            raise BadRequest(f"base_model: expected one of {known}, got {name!r}; add it with --base-model")
        model = models[plain]
        return replace(model, name=name, max_context_length=length or model.max_context_length)

    def session(self, session_id: str) -> SessionRecord:
        """A session that is still open; asking counts as a sign of life.

        Raises:
            Forbidden: if there is none of that id, in the service's words.
            BadRequest: if it has ended.
        """
        try:
            session = self.store.sessions.get(session_id)
        except NotFound as error:
            raise Forbidden(f"Invalid session_id: {error}") from None
        status = self.status_of(session)
        if not isinstance(status, SessionActive):
            self.wind_up(session_id)
            raise BadRequest(f"session {session_id!r} has ended ({_told(status)}); open a new one")
        now = self.clock.now()
        if now - session.seen_at < RESOLUTION_SECONDS:
            return session
        return self.store.sessions.put(session_id, replace(session, seen_at=now))

    def open_implicit_session(
        self, session_id: str | None = None, project_id: str = DEFAULT_PROJECT
    ) -> SessionRecord:
        """A session that no client opened: it has no heartbeats and never expires."""
        now = self.clock.now()
        chosen = session_id or self.ids.next("session")
        record = SessionRecord(chosen, now, now, "", None, None, project_id, (), beats=False)
        return self.store.sessions.add(chosen, record)

    def status_of(self, session: SessionRecord) -> SessionStatus:
        """Whether the session runs, was ended by its client, or missed too many heartbeats."""
        if session.ended is not None:
            return session.ended
        silent = self.clock.now() - session.seen_at
        if session.beats and silent > self.settings.heartbeat_timeout_seconds:
            limit = self.settings.heartbeat_timeout_seconds
            return SessionCancelled(detail=f"no heartbeat for more than {limit:g} s")
        return SessionActive()

    def wind_up(self, session_id: str) -> None:
        """Free what an ended session holds.

        Operations that wait for a missing number fail; the models go, once what is in its turn is done.
        """
        told = _told(self.status_of(self.store.sessions.get(session_id)))
        for model in self.store.models:
            if model.session_id != session_id:
                continue
            reason = f"session {session_id!r} has ended ({told}); the operation was not applied"
            self.lanes.fail(model.model_id, reason)
            if model.loaded:
                self.store.models.put(model.model_id, replace(model, loaded=False))
                self._work(self.executor, partial(self._unload, model.model_id))

    def wind_up_silent_sessions(self) -> None:
        """Free what sessions hold whose clients are gone without a word."""
        for session_id in {model.session_id for model in self.store.models if model.loaded}:
            if not isinstance(self.status_of(self.store.sessions.get(session_id)), SessionActive):
                self.wind_up(session_id)

    def _unload(self, model_id: str) -> None:
        try:
            self.backend.unload_model(model_id)
        except RequestFailure:
            pass  # its client unloaded it before
        except Exception:
            log.exception("unloading %s failed", model_id)

    def model(self, model_id: str) -> ModelRecord:
        """A loaded model whose session is open; asking marks it as used.

        Raises:
            NotFound: if there is none of that id.
            BadRequest: if it was unloaded, or its session has ended.
        """
        model = self.store.models.get(model_id)
        self.session(model.session_id)
        if not model.loaded:
            raise BadRequest(f"model {model_id!r} was unloaded; load one of its checkpoints into a new model")
        now = self.clock.now()
        if now - model.used_at < RESOLUTION_SECONDS:
            return model
        return self.store.models.put(model_id, replace(model, used_at=now))

    def checkpoint(self, path: str) -> CheckpointRecord:
        """A checkpoint that has not expired.

        Raises:
            NotFound: if there is none of that path, or its time is over.
        """
        self.drop_expired_checkpoints()
        return self.store.checkpoints.get(path)

    def drop_expired_checkpoints(self) -> None:
        """Take away the checkpoints whose time is over."""
        now = self.clock.now()
        for record in self.store.checkpoints:
            if record.expires_at is not None and record.expires_at <= now:
                ended = utc(record.expires_at).isoformat()
                fate = f"expired at {ended}; give the next one a longer ttl_seconds, or none"
                self.store.checkpoints.remove(record.path, fate)

    def note(self, event: str, **details: object) -> None:
        """Add an entry to the audit log."""
        path = details.get("tinker_path")
        self.audit.add(
            AuditLogEntry(
                timestamp=utc(self.clock.now()),
                event=event,
                event_details=details,
                tinker_path=path if isinstance(path, str) else None,
            )
        )

    def close(self) -> None:
        """Answer who waits, and stop computing."""
        if self.controls is not None:
            self.controls.close()
        self.traffic.end_waits()
        self.executor.close()
        self.sampling_executor.close()
        self.backend.close()


def _told(status: SessionStatus) -> str:
    detail = getattr(status, "detail", None)
    reason = getattr(status, "reason", None)
    return ": ".join(filter(None, (getattr(reason, "type", status.type), detail)))


@dataclass(slots=True)
class Call:
    """One request's surroundings."""

    service: Service
    base_url: str
    """Scheme, host and prefix of the tenant, as the client wrote it."""
    sdk_version: SdkVersion
    credential: str = ""
    idempotency_key: str | None = None
    accept: str = ""
    exchange: Exchange = field(default_factory=lambda: Exchange(0, 0.0, "", NEWEST_SDK))
    """This request among the tenant's others."""

    @property
    def now(self) -> datetime:
        """The tenant's time."""
        return utc(self.service.clock.now())
