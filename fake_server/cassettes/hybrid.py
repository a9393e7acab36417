"""`Hybrid`: one world of two servers. Most of it lives on one side; samples may come from the other.

The other side gets what it needs when the first sample is asked for: a session and a sampler of its own, on
the base model, since what was trained is not there. Clients see the ids of the side where the world lives.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from contract import ApiError, Endpoint, NotFound
from contract.codec import JSON, decode, decompress
from fake_server.cassettes.decoding import typed_request
from fake_server.cassettes.routes import SAMPLE, Route, Side, sides
from fake_server.cassettes.upstream import Upstream
from fake_server.handlers.sampling import new_sampler
from fake_server.service import Service
from fake_server.traffic import Exchange, Serve
from fake_server.wire import Answer, Headers, Incoming, error_answer

__all__ = ["Hybrid"]

SESSION_MARK = ":sample:"
"""Before the number of a session's sampler. Source: sdk 0.38.0 lib/public_interfaces/rest_client.py."""
OF_THE_BODY = frozenset({"content-length", "content-encoding", "content-type"})


class Refused(Exception):
    """The other side did not make what a sample needs; its answer is the sample's."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Hybrid:
    """An interceptor that asks one side or the other."""

    def __init__(
        self, service: Service, upstream: Upstream, routes: Iterable[Route], otherwise: Side = "local"
    ) -> None:
        """Check the routes.

        Raises:
            ValueError: for operations that cannot be kept apart.
        """
        self._service = service
        self._upstream = upstream
        self._sides = sides(routes, otherwise)
        self.home: Side = self._sides["create_session"]
        """Where sessions, models and checkpoints are."""
        self.sampling: Side = self._sides[SAMPLE]
        self._promised: dict[str, Side] = {}
        """Who made a promise."""
        self._sessions: dict[str, str] = {}
        """The other server's sessions, by the client's."""
        self._samplers: dict[str, str] = {}
        """The other server's samplers, by the client's."""
        self._opening = asyncio.Lock()

    @property
    def is_split(self) -> bool:
        """Whether samples come from elsewhere than the rest."""
        return self.sampling != self.home

    async def __call__(self, exchange: Exchange, row: Endpoint, incoming: Incoming, serve: Serve) -> Answer:
        """Ask whose turn it is."""
        request = typed_request(row, incoming, self._service.settings.max_body_bytes)
        side = self._side_of(row.name, request)
        if self.is_split and row.name in ("session_heartbeat", "finish_session") and self.home == "local":
            await self._tell(row, incoming, request)
        if side == "local":
            return await self._ask_here(row.name, request, incoming, serve)
        asked = incoming
        if self.is_split and row.name in (SAMPLE, "retrieve_futures"):
            try:
                asked = await self._translated(row.name, request, incoming)
            except Refused as refused:
                return refused.answer
        answer = await self._upstream(exchange, row, asked, serve)
        exchange.request = request
        request_id = getattr(exchange.answer, "request_id", None)
        if row.name == SAMPLE and request_id is not None:
            self._promised[request_id] = "upstream"
        return answer

    def _side_of(self, name: str, request: Any) -> Side:
        if name == "retrieve_future":
            return self._promised.get(getattr(request, "request_id", ""), self.home)
        if name in ("retrieve_futures", "cancel_future"):  # they are about samples alone
            return self.sampling
        return self._sides[name]

    async def _ask_here(self, name: str, request: Any, incoming: Incoming, serve: Serve) -> Answer:
        """Answer here; a sampler of the other server gets a namesake first."""
        sampler_id = _sampler_of(name, request)
        if self.home == "upstream" and sampler_id and self._service.store.samplers.find(sampler_id) is None:
            try:
                base_model = await self._base_model_there(sampler_id, incoming)
                with self._service.lock:
                    session = self._service.open_implicit_session()
                    sampler = new_sampler(
                        self._service, sampler_id, session.session_id, base_model, model_path=None
                    )
                    self._service.store.samplers.put(sampler_id, sampler)
            except Refused as refused:
                return refused.answer
            except ApiError as error:
                return error_answer(error)
        answer = await serve()
        if name == SAMPLE and answer.status == 200:
            self._promised[json.loads(answer.body)["request_id"]] = "local"
        return answer

    async def _base_model_there(self, sampler_id: str, incoming: Incoming) -> str:
        status, said = await self._upstream.ask(
            "GET", f"/api/v1/samplers/{sampler_id}", _credentials(incoming)
        )
        if status != 200:
            raise Refused(Answer(status, json.dumps(said).encode()))
        return str(said["base_model"])

    async def _translated(self, name: str, request: Any, incoming: Incoming) -> Incoming:
        """A request about a sampler of ours, about its namesake there.

        Raises:
            Refused: if there can be none.
        """
        sampler_id = _sampler_of(name, request)
        if not sampler_id:
            return incoming
        limit = self._service.settings.max_body_bytes
        body = decompress(incoming.body, incoming.headers.get("content-encoding"), limit)
        fields = decode(dict[str, Any], body, JSON)
        there = await self._sampler_there(sampler_id, incoming)
        (fields if name == SAMPLE else fields["target"])["sampling_session_id"] = there
        return _with_body(incoming, fields)

    async def _sampler_there(self, sampler_id: str, incoming: Incoming) -> str:
        async with self._opening:
            if sampler_id not in self._samplers:
                sampler = self._service.store.samplers.find(sampler_id)
                if sampler is None:
                    raise Refused(
                        error_answer(NotFound(f"no sampling session {sampler_id!r}; open one first"))
                    )
                session = await self._session_there(sampler_id.partition(SESSION_MARK)[0], incoming)
                opened = await self._made_there(
                    "create_sampling_session",
                    {
                        "session_id": session,
                        "sampling_session_seq_id": len(self._samplers),
                        "base_model": sampler.base_model,
                    },
                    incoming,
                )
                self._samplers[sampler_id] = opened["sampling_session_id"]
            return self._samplers[sampler_id]

    async def _session_there(self, session_id: str, incoming: Incoming) -> str:
        if session_id not in self._sessions:
            version = incoming.headers.get("x-stainless-package-version", "0.38.0")
            body = {"tags": [], "user_metadata": {}, "sdk_version": version}
            opened = await self._made_there("create_session", body, incoming)
            self._sessions[session_id] = opened["session_id"]
        return self._sessions[session_id]

    async def _made_there(self, operation: str, body: dict[str, Any], incoming: Incoming) -> Any:
        path = f"/api/v1/{operation}"
        status, said = await self._upstream.ask("POST", path, _credentials(incoming), body)
        if status != 200:
            raise Refused(Answer(status, json.dumps(said).encode()))
        return said

    async def _tell(self, row: Endpoint, incoming: Incoming, request: Any) -> None:
        """Let the other server's session live and end as ours does."""
        there = self._sessions.get(getattr(request, "session_id", ""))
        if there is None:
            return
        if row.name == "session_heartbeat":
            path, body = "/api/v1/session_heartbeat", {"session_id": there}
        else:
            path, body = f"/api/v1/sessions/{there}/finish", json.loads(incoming.body)
        await self._upstream.ask("POST", path, _credentials(incoming), body)

    async def serve_stray(self, incoming: Incoming, serve: Serve) -> Answer:
        """Downloads come from where the checkpoints are."""
        if self.home == "upstream":
            return await self._upstream.serve_stray(incoming, serve)
        return await serve()

    def close(self) -> None:
        """Close the connections."""
        self._upstream.close()


def _sampler_of(name: str, request: Any) -> str:
    """The sampler that a request is about; empty for none."""
    about = getattr(request, "target", None) if name == "retrieve_futures" else request
    return getattr(about, "sampling_session_id", None) or "" if name in (SAMPLE, "retrieve_futures") else ""


def _credentials(incoming: Incoming) -> dict[str, str]:
    """A client's headers for requests of our own in its name."""
    return {
        name: value
        for name, value in incoming.headers
        if name.startswith(("x-api-key", "cf-", "authorization", "user-agent", "x-stainless-package"))
    }


def _with_body(incoming: Incoming, fields: Any) -> Incoming:
    headers = [
        (n.encode("latin-1"), v.encode("latin-1")) for n, v in incoming.headers if n not in OF_THE_BODY
    ]
    headers.append((b"content-type", JSON.encode()))
    return replace(incoming, body=json.dumps(fields).encode(), headers=Headers(headers))
