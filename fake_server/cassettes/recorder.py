"""`Recorder`: writes down what a tenant is asked and what it answers, whoever makes the answers."""

import logging
import re
from base64 import b64encode
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from contract import ApiError, Deferred, Endpoint
from fake_server.cassettes.cassette import DOWNLOAD, Cassette, Entry
from fake_server.cassettes.decoding import json_of, request_of, result_of
from fake_server.cassettes.identities import PACKAGE
from fake_server.cassettes.references import substituted
from fake_server.cassettes.scrubbing import SECRET_HEADERS, Scrubber
from fake_server.cassettes.takes import CONFIGURATION, Names, Take, in_order, numbered
from fake_server.cassettes.urls import URL, WITH_URLS, own_url, urls_in
from fake_server.cassettes.values import ROWS, as_text
from fake_server.service import Service
from fake_server.traffic import Exchange, Serve
from fake_server.wire import Answer, Incoming

__all__ = ["AMBIENT", "POLLS", "Recorder"]

log = logging.getLogger("tinkerproof")
AMBIENT = frozenset({"telemetry", "session_heartbeat", "healthz", "auth_token"})
"""Comes as often as a clock or a credential wants it; never recorded, and a replay answers it by itself."""
POLLS = frozenset({"retrieve_future", "retrieve_futures", "cancel_future"})
"""Part of the promise that they poll."""
KEPT_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry", "www-authenticate", "location")
"""Those that clients act on. Source: sdk 0.38.0 _base_client.py."""
MOST_FILE_BYTES = 64 * 1024
"""Ours: downloads that are kept; a larger one would be most of the file."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")


class Recorder:
    """An interceptor that keeps each exchange, and writes them as a cassette."""

    def __init__(self, service: Service, path: Path, *, times: bool = False) -> None:
        self.path = path
        self._service = service
        self._times = times
        """Whether times are written as they were; else only whether they are past or to come."""
        self._takes: list[Take] = []
        self._promises: dict[str, Take] = {}
        self._scrubber = Scrubber()
        self._seen: set[bytes] = set()
        """Digests of what is not kept twice."""
        self._urls: set[str] = set()
        """Those that answers have sent clients to."""
        self._sdk = ""
        self.unread: list[str] = []
        """Requests that went by and are not in the cassette, with the reason."""

    async def __call__(self, exchange: Exchange, row: Endpoint, incoming: Incoming, serve: Serve) -> Answer:
        """Serve, and keep."""
        self._scrubber.learn({name: incoming.headers.get(name) for name in SECRET_HEADERS})
        answer = await serve()
        if answer.sending is None:  # else nobody knows what the client got
            self._sdk = max(self._sdk, str(exchange.sdk_version), key=_release)
            self._keep(exchange, row, incoming, answer)
        return answer

    def _keep(self, exchange: Exchange, row: Endpoint, incoming: Incoming, answer: Answer) -> None:
        limit = self._service.settings.max_body_bytes
        name = row.name
        if name in AMBIENT:
            return
        request = request_of(row, incoming, limit, exchange.request)
        if name in POLLS:
            if name == "retrieve_future":
                self._poll(request or {}, answer)
            return
        take = Take(exchange.number, name, request, answer.status, json_of(answer, limit))
        if answer.status == 200 and answer.body and take.answer is None:
            self.unread.append(f"answer of {name}: expected JSON, got {len(answer.body)} bytes that are not")
        take.headers = {h: v for h, v in (answer.headers or {}).items() if h in KEPT_HEADERS}
        if self._is_repeat(take):
            return
        self._takes.append(take)
        if name in WITH_URLS:
            self._urls.update(urls_in(take.answer))
        self._urls.update(urls_in(take.headers))
        if isinstance(row, Deferred) and isinstance(take.given("request_id"), str):
            self._promises[take.given("request_id")] = take
        if name == "finish_session":
            try:
                self.save()
            except OSError as error:  # the client has no part in it; who closes the deck hears of it again
                log.warning("%s: expected a file that can be written, got %s", self.path, error)

    def _is_repeat(self, take: Take) -> bool:
        """Whether it is a replay, or asks for the client's configuration again."""
        once = take.operation in CONFIGURATION
        if not once and not numbered(take.request):
            return False
        said = "" if once else as_text([take.request, take.answer])
        digest = blake2b(f"{take.operation}{said}".encode(), digest_size=16).digest()
        repeated = digest in self._seen
        self._seen.add(digest)
        return repeated

    def _poll(self, request: Any, answer: Answer) -> None:
        """What a poll said goes to its promise."""
        take = self._promises.get(request.get("request_id", ""))
        limit = self._service.settings.max_body_bytes
        if take is None or take.outcome is not None:
            return
        said = json_of(answer, limit) or {}
        if answer.status == 408 or said.get("type") == "try_again":
            states = {k: said[k] for k in ("queue_state", "queue_state_reason") if k in said}
            take.pending.append(states)
        elif answer.status in LASTING:
            take.refusal = {"status": answer.status, "answer": said}
        elif answer.status == 200 and said.get("status") != "complete_metadata":
            self._settle(take, answer, said, limit)

    def _settle(self, take: Take, answer: Answer, said: dict[str, Any], limit: int) -> None:
        row = ROWS[take.operation]
        assert isinstance(row, Deferred)  # only those have promises
        if "error" in said:
            take.outcome = said
            return
        try:
            take.outcome = result_of(row, answer, limit)
        except ApiError as error:
            self.unread.append(f"result of {take.operation}: {error.detail}")

    async def serve_stray(self, incoming: Incoming, serve: Serve) -> Answer:
        """Keep a file that is fetched by its URL; of one that is large only that it was fetched."""
        answer = await serve()
        url = own_url(incoming)
        if url not in self._urls:
            path = incoming.raw_path.decode("latin-1")
            self.unread.append(f"{incoming.method} {path}: no operation of the contract")
            return answer
        body = answer.body if answer.sending is None and len(answer.body) <= MOST_FILE_BYTES else b""
        arrival = self._takes[-1].arrival if self._takes else 0
        kept = b64encode(body).decode() or None
        self._takes.append(Take(arrival, DOWNLOAD, {"url": url}, answer.status, file=kept))
        return answer

    def cassette(self) -> Cassette:
        """What was recorded so far."""
        takes = list(self._takes)
        names = Names(takes)
        ordered = in_order(takes, names)
        for take in ordered:
            names.add_made_on_the_way(take)
        return Cassette([self._entry(take, names) for take in ordered], self._sdk, names.made_of)

    def _entry(self, take: Take, names: Names) -> Entry:
        def written(value: Any, *, given: bool = True) -> Any:
            seen = self._answered(value, names) if given else value
            return self._scrubber.clean(substituted(seen, names.of_id))

        return Entry(
            operation=take.operation,
            status=take.status,
            lane=names.lane(take),
            request=written(take.request, given=take.operation == DOWNLOAD),
            answer=written(take.answer),
            outcome=written(take.outcome),
            refusal=written(take.refusal),
            pending=tuple(written(take.pending)),
            headers=written(take.headers),
            file=take.file,
        )

    def _answered(self, value: Any, names: Names) -> Any:
        """An answer without what differs from run to run: URLs and times."""
        if isinstance(value, dict):
            return {k: v if k == "user_metadata" else self._answered(v, names) for k, v in value.items()}
        if isinstance(value, list):
            return [self._answered(item, names) for item in value]
        if not isinstance(value, str):
            return value
        if value.startswith(PACKAGE):
            return "<package>" + value.removeprefix(PACKAGE)
        if URL.match(value):
            names.add("url", value)
            return names.of_id[value]
        if TIME.match(value) and not self._times:
            later = datetime.fromisoformat(value).timestamp() > self._service.clock.now()
            return "<later>" if later else "<now>"
        return value

    def save(self) -> None:
        """Write the cassette as it is now."""
        self.cassette().save(self.path)

    def close(self) -> None:
        """Write the cassette, and say what is not in it."""
        self.save()
        for text in self.unread:
            log.warning("%s: not recorded: %s", self.path, text)


LASTING = frozenset({400, 401, 403, 404, 409, 410, 422})
"""Statuses of a poll that end it. Source: sdk 0.38.0 lib/api_future_impl.py."""


def _release(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]
