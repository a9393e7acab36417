"""`Trial`: one example: what it needs is made, it is sent, and what comes of it is looked at."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from contract.codec import JSON
from contract.laws.driver import TIMEOUT_SECONDS, Driver, Reply
from contract.laws.law import Broken
from fake_server.fuzzing.fault import OPENAPI, Fault
from fake_server.fuzzing.judge import Judge
from fake_server.fuzzing.plain import plain
from fake_server.fuzzing.request import LATER, NEXT, Request
from fake_server.fuzzing.sending import Ready, ready
from fake_server.fuzzing.stage import Stage

__all__ = ["Bench", "Step", "Trial"]

ENDING = ("unload_model", "finish_session", "delete_checkpoint", "delete_api_key")
"""Operations after which what was there may not be any more."""
WAITING = "FUT-41"
"""The law of what has no outcome in time."""
GLANCE_SECONDS = 1.0
SLACK_SECONDS = 15.0
"""Ours: so much later than the `timeout` of a request its answer may come, on a busy machine."""
VOLATILE = ("last_request_time",)
"""Fields of what tells of objects that a request may change which is refused."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a trial, and its answer."""

    request: Request
    """Its fields resolved."""
    sent: Ready
    reply: Reply


@dataclass(slots=True)
class Bench:
    """The server under test, and what was found out about it."""

    driver: Driver
    base_model: str
    judge: Judge
    patience: float
    """Seconds that a future may take."""
    fresh: Callable[[], None] | None = None
    """Makes the server forget all; there for a server in this process."""
    picture: Callable[[], bytes] | None = None
    """Digest of all that the server has; there for a server in this process."""
    reached: Counter[str] = field(default_factory=Counter)
    """Successes by operation."""
    request_ids: set[str] = field(default_factory=set)
    """Of all futures that were promised for different requests."""


class Trial:
    """One example on a server."""

    def __init__(self, bench: Bench) -> None:
        if bench.fresh is not None:
            bench.fresh()
            bench.request_ids.clear()
        self._bench = bench
        self._stage = Stage(self.take, bench.base_model)
        self.steps: list[Step] = []
        """All that was sent, with what was made for it and what was asked of it later."""
        self.asked: list[Request] = []
        """What was to be tried: sent again in this order, it does the same on any server."""
        self.place = 0
        """Of the last of them, or of what was made for it, among the steps."""

    def run(self, request: Request) -> Step:
        """Send a request and look at all that comes of it.

        Raises:
            Fault: naming the law that is broken.
        """
        self.asked.append(replace(request, fields=self._stage.named(request.fields)))
        self.place = len(self.steps)
        fields = self._stage.resolved(request.fields)
        before = None if request.expected == "taken" else self._picture()
        self.place = len(self.steps)
        reply = self._in_time(request, fields)
        self._stage.remember(reply)
        if reply.status < 300 and request.operation in ENDING:
            self._stage.forget()
        if reply.status >= 400:
            self._after_refusal(request, reply, before)
        elif LATER in request.fields.values():
            self._early(request, reply)
        elif request.deferred and _in_turn(request):
            self._follow(request, fields, reply)
        return self.steps[self.place]

    def take(self, request: Request) -> tuple[Reply, Any]:
        """Send a request that must be taken; its answer, and its outcome where it is deferred."""
        fields = self._stage.resolved(request.fields)
        reply = self._send(request, fields)
        waits = request.deferred and request.operation != "asample"
        return reply, self._outcome(request, self._promised(request, reply)) if waits else None

    def _in_time(self, request: Request, fields: dict[str, Any]) -> Reply:
        """Send a request that may say itself how long its answer may take."""
        asked = fields.get("timeout")
        if not isinstance(asked, float) or not 0 < asked < TIMEOUT_SECONDS - SLACK_SECONDS:
            return self._send(request, fields)
        try:
            return self._send(request, fields, asked + SLACK_SECONDS)
        except TimeoutError:
            text = f"{request.operation} {request.what}: expected an answer after the {asked:g} s asked for"
            late = f"{text}, got none in {SLACK_SECONDS:g} s more"
            raise Fault(request.operation, request.law or "FUT-53", late) from None

    def _send(self, request: Request, fields: dict[str, Any], patience: float = TIMEOUT_SECONDS) -> Reply:
        sent, bench = ready(request, fields), self._bench
        try:
            reply = bench.driver.send(sent.method, sent.target, sent.body, sent.headers, patience)
        except Broken as broken:
            raise Fault(request.operation, "WIRE-17", str(broken)) from None
        self.steps.append(Step(replace(request, fields=fields), sent, reply))
        bench.judge.check(request, sent, reply)
        if reply.status < 300 and not (request.method or request.suffix):
            bench.reached[request.operation] += 1
        return reply

    def _picture(self) -> object:
        if self._bench.picture is not None:
            return self._bench.picture()
        return [self._seen(request) for request in self._stage.pictures()]

    def _seen(self, request: Request) -> object:
        answer = self._send(request, request.fields).json
        return {key: value for key, value in answer.items() if key not in VOLATILE}

    def _after_refusal(self, request: Request, reply: Reply, before: object) -> None:
        """Nothing has changed, and the next operation of the model is done."""
        operation = request.operation
        if before is not None and self._picture() != before:
            text = (
                f"{operation} {request.what}: refused by {reply.status}, and it changed what the server has"
            )
            raise Fault(operation, "WIRE-44", text)
        self._goes_on(request, "FUT-25")

    def _goes_on(self, request: Request, law: str) -> None:
        """What was refused or failed holds no other operation of its model."""
        if len(self.asked) > 1 or not _uses_up(request):
            return
        try:
            told = str(self.take(plain("optim_step"))[1].get("error", ""))
        except Fault as fault:
            if fault.law != WAITING:
                raise
            told = fault.text
        if told:
            text = f"optim_step behind {request.operation} {request.what}: expected it done, got {told}"
            raise Fault(request.operation, law, text)

    def _early(self, request: Request, reply: Reply) -> None:
        """A promise that has to wait for the number before it."""
        request_id = self._promised(request, reply)
        poll = Request("retrieve_future", {"request_id": request_id}, accept=request.accept)
        with suppress(TimeoutError):  # a poll may last longer than we want to know it
            if not self._send(poll, poll.fields, GLANCE_SECONDS).pending:
                text = f"{request.operation} {request.what}: expected no outcome before its predecessor's"
                raise Fault(request.operation, "FUT-22", text)
        self.take(plain("optim_step"))
        self._outcome(request, request_id)

    def _follow(self, request: Request, fields: dict[str, Any], reply: Reply) -> None:
        request_id = self._promised(request, reply)
        outcome = self._outcome(request, request_id)
        failed = "error" in outcome
        if request.expected != "either" and failed == (request.expected == "taken"):
            expected = "a result" if failed else "a failure"
            law = request.law or OPENAPI
            text = f"{request.operation} {request.what}: expected {expected}, got {str(outcome)[:300]}"
            raise Fault(request.operation, law, text)
        _check_sequences(request, outcome)
        if self._outcome(request, request_id) != outcome:
            raise Fault(request.operation, "FUT-02", f"{request_id}: expected the same outcome again")
        if any(value == NEXT for value in request.fields.values()):
            self._replay(request, fields, request_id, outcome)
        if failed:
            self._goes_on(request, "FUT-27")

    def _replay(self, request: Request, fields: dict[str, Any], request_id: str, outcome: Any) -> None:
        """The same bytes once more have the same future, and its outcome."""
        again = self._send(request.having("sent again", request.expected, "FUT-03"), fields)
        body = again.json
        if body.get("request_id") != request_id:
            text = f"{request.operation} sent again: expected the future {request_id}, got {body}"
            raise Fault(request.operation, "FUT-03", text)
        if self._outcome(request, request_id) != outcome:
            text = f"{request.operation} sent again: expected the first one's outcome"
            raise Fault(request.operation, "FUT-14", text)

    def _promised(self, request: Request, reply: Reply) -> str:
        body, known = reply.json, self._bench.request_ids
        request_id = str(body["request_id"])
        if request_id in known and _has_own_number(request):
            text = f"{request.operation}: expected a request_id of its own, got {request_id} again"
            raise Fault(request.operation, "FUT-15", text)
        known.add(request_id)
        if request.operation == "asample":
            count, ids = request.fields.get("num_samples", 1), body.get("sample_sequence_ids")
            if not isinstance(ids, list) or len(set(ids)) != count:
                text = f"asample: expected {count} different sample_sequence_ids, got {ids!r}"
                raise Fault(request.operation, "SMP-14", text)
        return request_id

    def _outcome(self, request: Request, request_id: str) -> Any:
        """The outcome of a future, once there is one."""
        poll = Request("retrieve_future", {"request_id": request_id}, accept=request.accept)
        end = time.monotonic() + self._bench.patience
        while True:
            reply = self._send(poll, poll.fields)
            if not reply.pending:
                return self._bench.judge.check_result(request.operation, request, reply)
            if time.monotonic() > end:
                waited = f"{self._bench.patience:g} s"
                text = f"{request.operation} {request.what}: expected an outcome, got none in {waited}"
                raise Fault(request.operation, WAITING, text)


def _check_sequences(request: Request, outcome: dict[str, Any]) -> None:
    """As many sequences as were asked for."""
    count, sequences = request.fields.get("num_samples", 1), outcome.get("sequences")
    if request.operation == "asample" and sequences is not None and len(sequences) != count:
        raise Fault("asample", "SMP-13", f"asample: expected {count} sequences, got {len(sequences)}")


def _has_own_number(request: Request) -> bool:
    """Whether its number is the next one; what has none is the same each time that it is sent."""
    numbers = {name for name, value in plain(request.operation).fields.items() if value == NEXT}
    return bool(numbers) and all(request.fields.get(name) == NEXT for name in numbers)


def _in_turn(request: Request) -> bool:
    """Whether its outcome waits for no number that was never sent."""
    number = request.fields.get("seq_id")
    return number in (None, NEXT) or request.operation == "asample"


def _uses_up(request: Request) -> bool:
    """Whether the model and the number of a request could be read that was refused for something else."""
    readable = request.raw is None and request.body is None and request.media_type == JSON
    in_turn = request.fields.get("seq_id") == NEXT and request.fields.get("model_id") == "«model»"
    usual = not (request.method or request.suffix or request.headers or request.encoding or request.cut)
    return readable and in_turn and usual
