"""`Replay`: answers a tenant's requests from a cassette, by what they mean and not by their bytes.

An operation is found by its name and its decoded request, ids aside. Its promise becomes a future of the
tenant that already has its outcome: polls, batched polls, deliveries and encodings are the service's own.
"""

from pathlib import Path
from typing import Any

from contract import (
    ApiError,
    Deferred,
    Endpoint,
    Operation,
    RequestFailedResponse,
    SessionHeartbeatResponse,
    TelemetryResponse,
    TryAgainResponse,
    Unprocessable,
)
from contract.codec import JSON, decode
from fake_server.cassettes.cassette import Cassette
from fake_server.cassettes.decoding import request_of, typed_request
from fake_server.cassettes.downloads import download
from fake_server.cassettes.identities import Identities
from fake_server.cassettes.scrubbing import SECRET_HEADERS, Scrubber
from fake_server.cassettes.shelf import Shelf, Slot
from fake_server.cassettes.takes import CONFIGURATION
from fake_server.cassettes.values import as_text, compared, widened
from fake_server.futures import Future
from fake_server.service import Service
from fake_server.store import SamplerRecord
from fake_server.tenants import DEFAULT, PREFIX
from fake_server.traffic import Exchange, Serve
from fake_server.wire import Answer, Incoming, answer_of, error_answer

__all__ = ["Replay", "UnusedEntry"]

OWN = frozenset({"healthz", "auth_token"})
"""What the service answers by itself."""
ANY_TIME = {
    "telemetry": TelemetryResponse(status="accepted"),
    "session_heartbeat": SessionHeartbeatResponse(),
}
"""What comes as often as the client's clock wants."""


class UnusedEntry(AssertionError):
    """A replay ended with entries that nobody asked for, or with requests that it did not have."""


class Replay:
    """An interceptor that answers from a cassette.

    A request that is not in it is answered with 422, which no client repeats, and told in `misses`.
    """

    def __init__(self, service: Service, path: Path, *, strict: bool = False) -> None:
        """Read the cassette.

        Args:
            service: the tenant.
            path: the file.
            strict: whether each entry answers once and all have to, and polls that were answered with
                "not yet" in the recording are so again.

        Raises:
            FileNotFoundError: if there is no such file.
            CassetteError: if it is no cassette.
        """
        self.path = path
        self.cassette = Cassette.load(path)
        self.strict = strict
        self.misses: list[str] = []
        """What was asked for and is not in it, in words."""
        self._service = service
        self._shelf = Shelf(self.cassette.entries, strict=strict)
        self._identities = Identities(service, self.cassette.ids)
        self._scrubber = Scrubber()
        self._slots: dict[str, Slot] = {}
        """By the live id of their future."""

    async def __call__(self, exchange: Exchange, row: Endpoint, incoming: Incoming, serve: Serve) -> Answer:
        """Answer, if the cassette has it."""
        name = row.name
        if name in OWN or (name in CONFIGURATION and not self._shelf.has(name)):
            return await serve()
        if name in ANY_TIME:
            return answer_of(ANY_TIME[name])
        exchange.request = typed_request(row, incoming, self._service.settings.max_body_bytes)
        try:
            with self._service.lock:
                if name in ("retrieve_future", "retrieve_futures", "cancel_future"):
                    answer = self._polled(exchange)
                else:
                    answer = self._answer(exchange, row, incoming)
        except ApiError as error:
            exchange.answer, answer = error, error_answer(error)
        return await serve() if answer is None else answer

    def _answer(self, exchange: Exchange, row: Endpoint, incoming: Incoming) -> Answer:
        limit = self._service.settings.max_body_bytes
        self._scrubber.learn({name: incoming.headers.get(name) for name in SECRET_HEADERS})
        request = request_of(row, incoming, limit, exchange.request)
        operation, wanted = compared(row, self._identities.named(self._scrubber.clean(request)))
        slot = self._shelf.take(operation, wanted)
        if slot is None and row.name == "finish_session":  # a recording may end before its sessions do
            return answer_of(None)
        if slot is None:
            raise self._miss(f"{row.name}: {self._shelf.nearest(operation, wanted)}")
        value = self._identities.live(slot.entry.answer, self._base_url(incoming))
        if isinstance(row, Deferred) and isinstance(value, dict) and "request_id" in value:
            self._promise(row, slot, request, value)
        if row.name == "client_config":
            value = {**value, "pjwt_auth_enabled": self._service.settings.client_config.pjwt_auth_enabled}
        body = b"" if value is None else as_text(value).encode()
        exchange.answer = self._typed(row, body) if slot.entry.status == 200 else value
        headers = self._identities.live(slot.entry.headers, self._base_url(incoming))
        return Answer(slot.entry.status, body, headers=headers)

    def _typed(self, row: Endpoint, body: bytes) -> object:
        if not isinstance(row, Operation) or not body:
            return None
        return decode(row.response, body, JSON)

    def _base_url(self, incoming: Incoming) -> str:
        prefix = f"{PREFIX}{self._service.name}" if self._service.name != DEFAULT else ""
        return f"http://{incoming.headers.get('host', 'localhost')}{prefix}"

    def _promise(self, row: Deferred[Any, Any], slot: Slot, request: Any, promise: Any) -> None:
        """Open the future of an entry, with its outcome; a replayed request has one by now."""
        request_id = promise["request_id"]
        if request_id in self._slots:
            return
        self._slots[request_id] = slot
        owner = request.get("model_id") or request.get("sampling_session_id") or request.get("session_id", "")
        samplers = self._service.store.samplers
        if row.name == "asample" and samplers.find(owner) is None:  # batched polls ask for it
            samplers.add(owner, SamplerRecord(owner, "", ""))
        future = Future(
            request_id,
            row.name,
            owner,
            request.get("seq_id"),
            b"",
            self._service.clock.now(),
            sample_sequence_ids=promise.get("sample_sequence_ids"),
        )
        self._service.futures.open(future)
        self._service.futures.plan(future)
        if slot.entry.outcome is not None:
            self._service.futures.resolve(future, self._outcome(row, slot))

    def _outcome(self, row: Deferred[Any, Any], slot: Slot) -> Any:
        outcome = self._identities.live(widened(row, slot.entry.outcome), "")
        kind: Any = RequestFailedResponse if "error" in outcome else row.response
        try:
            return decode(kind, as_text(outcome).encode(), JSON)
        except ApiError as error:
            raise self._miss(
                f"{row.name}: the outcome of entry {slot.number} is none: {error.detail}"
            ) from None

    def _polled(self, exchange: Exchange) -> Answer | None:
        """What only a cassette knows of a poll; None where the service shall answer."""
        slot = self._slots.get(getattr(exchange.request, "request_id", ""))
        if slot is None or exchange.operation != "retrieve_future":
            return None
        if slot.pending and self.strict:
            said = {"queue_state": "active", **slot.pending.pop(0)}
            return answer_of(TryAgainResponse(request_id=getattr(exchange.request, "request_id", ""), **said))
        if slot.entry.refusal is not None:
            body = as_text(self._identities.live(slot.entry.refusal["answer"], "")).encode()
            return Answer(slot.entry.refusal["status"], body)
        if slot.entry.outcome is None:
            raise self._miss(f"retrieve_future: nobody fetched the outcome of entry {slot.number}")
        return None

    def _miss(self, text: str) -> ApiError:
        said = f"cassette {self.path.name}: {text}; undo the change, or record it again"
        self.misses.append(said)
        return Unprocessable(said)

    async def serve_stray(self, incoming: Incoming, serve: Serve) -> Answer:
        """Answer a download from the cassette."""
        return download(self.cassette, incoming) or await serve()

    @property
    def unused(self) -> list[str]:
        """Entries that nobody asked for, a line each."""
        return self._shelf.unused()

    def report(self) -> str:
        """What was missed and what was not used; empty where nothing was."""
        lines = [f"missed: {text}" for text in self.misses]
        return "\n".join([*lines, *(f"not used: {text}" for text in self.unused)])

    def assert_clean(self) -> None:
        """Check that everything asked for was there; and, if strict, that everything there was asked for.

        Raises:
            UnusedEntry: listing both.
        """
        if self.misses or (self.strict and self.unused):
            raise UnusedEntry(f"cassette {self.path.name}:\n{self.report()}")
