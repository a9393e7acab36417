"""`run`: a program on a server, by bare HTTP; what came of each step. `Run`: the same, step by step."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

from contract.codec import JSON, decode
from contract.errors import ApiError, Unprocessable
from contract.laws.driver import ROWS, Reply
from contract.laws.law import Broken
from contract.laws.subject import Subject
from contract.operations import Deferred
from contract.programs.names import Names
from contract.programs.program import Program
from contract.programs.replays import Await, Replay, altered
from contract.programs.shapes import numbers_of, shape_of
from contract.programs.step import Ask, Makes, ModelStep, Step, Submission
from contract.programs.training_steps import UnloadModel
from contract.programs.transcript import Event, Fate, Transcript

__all__ = ["Run", "run"]

GLANCE_SECONDS = 0.05
"""Ours: how long an operation that waits for a number is looked at; it has waited all along."""
MADE = {
    "session": "session_id",
    "model": "model_id",
    "sampler": "sampling_session_id",
    "checkpoint": "path",
}
"""Where an answer has the id of what was made."""


@dataclass(slots=True)
class Sent:
    """A request that was sent, and what is known of it."""

    ask: Ask
    request_id: str | None = None
    """Of its future."""
    place: tuple[int, int] | None = None
    """Model and place of an operation that waits for lower places."""
    makes: tuple[Makes, int] | None = None
    pending: bool = False
    """Whether its outcome is still to be fetched."""
    is_replay: bool = False


@dataclass(slots=True)
class Run:
    """A program on its way. The server is asked by bare HTTP and nothing is repeated; nothing raises."""

    subject: Subject
    names: Names
    sent: dict[int, Sent] = field(default_factory=dict)
    """By the step's place in the program."""
    events: dict[int, Event] = field(default_factory=dict)

    @classmethod
    def on(cls, subject: Subject) -> Self:
        """A program without steps, so far."""
        return cls(subject, Names(subject.base_model, subject.driver.sdk_version))

    @property
    def transcript(self) -> Transcript:
        """What came of the steps so far; of those that wait for others it may change."""
        return Transcript(tuple(self.events[number] for number in range(len(self.events))))

    def take(self, step: Step) -> Event:
        """Do the next step; what came of it."""
        number = len(self.events)
        if isinstance(step, Await):
            self._await(number, step)
        elif isinstance(step, Replay):
            self._replay(number, step)
        else:
            self._submit(number, step)
        return self.events[number]

    def look(self, step: Step) -> Event:
        """Ask what a step asks, which is answered at once and has no number; it is no part of the program."""
        return self._send(repr(step), step.ask(self.names), None)[0]

    def survey(self) -> list[Event]:
        """What the server has: sessions, what belongs to each, runs and checkpoints."""
        page = {"limit": self.names.page}
        asks = [
            Ask("list_sessions", page),
            *(Ask("get_session", {"session_id": known}) for known in self.names.known("session")),
            Ask("list_training_runs", page),
            Ask("list_user_checkpoints", page),
        ]
        return [self._send("survey", ask, None)[0] for ask in asks]

    def _submit(self, number: int, step: Step) -> None:
        ask = step.ask(self.names)
        session = getattr(step, "session", 0)
        makes = None if step.makes is None else (step.makes, self.names.add(step.makes, session))
        sent = self.sent[number] = Sent(ask, makes=makes)
        event, sent.request_id = self._send(repr(step), ask, makes)
        self.events[number] = event
        if sent.request_id is not None:
            sent.pending = True
            if isinstance(step, ModelStep):
                sent.place = (step.model, int(ask.fields["seq_id"]))
            elif isinstance(step, UnloadModel):
                sent.place = (step.model, self.names.last_place(step.model) + 1)
            if makes is not None or not isinstance(step, Submission) or step.wait:
                self._fetch(number)
        if isinstance(step, ModelStep):
            self._let_go(step.model)

    def _let_go(self, model: int) -> None:
        """Fetch what waited for a place of the model that has come since, in the order of places."""
        held = [(sent.place, number) for number, sent in self.sent.items() if sent.pending and sent.place]
        for place, number in sorted(held):
            step_waits = self.events[number].fate == "held"
            if place[0] == model and step_waits and not self.names.is_held(*place):
                self._fetch(number)

    def _fetch(self, number: int) -> None:
        """The outcome of a step's future, unless it is held."""
        sent = self.sent[number]
        if sent.place is not None and self.names.is_held(*sent.place):
            self.events[number] = replace(self.events[number], fate="held")
            return
        assert sent.request_id is not None
        sent.pending = False
        self.events[number] = self._outcome(self.events[number].step, sent.ask, sent.request_id, sent.makes)

    def _await(self, number: int, step: Await) -> None:
        if (sent := self.sent.get(step.step)) is None or not sent.pending:
            self.events[number] = Event(repr(step), "await", "nothing", 0)
            return
        self._fetch(step.step)
        self.events[number] = Event(repr(step), "await", "answer", 200)

    def _replay(self, number: int, step: Replay) -> None:
        first = self.sent.get(step.step)
        if first is None:
            self.events[number] = Event(repr(step), "replay", "nothing", 0)
            return
        ask = altered(first.ask) if step.changed else first.ask
        event, request_id = self._send(repr(step), ask, None)
        self.sent[number] = Sent(ask, request_id, is_replay=True)
        if request_id is None:
            self.events[number] = event
        elif request_id != first.request_id:
            outcome = self._outcome(repr(step), ask, request_id, None)
            self.events[number] = replace(outcome, shape={"promise": "another", "outcome": outcome.shape})
        else:
            self.events[number] = replace(event, shape={"promise": "the same", **self._again(step.step)})

    def _again(self, number: int) -> dict[str, str]:
        """Whether the future of a step whose outcome is known still has that outcome."""
        sent, before = self.sent[number], self.events[number]
        if sent.pending or sent.request_id is None or sent.is_replay:
            return {}
        after = self._outcome(before.step, sent.ask, sent.request_id, None)
        return {"outcome": "the same" if after == before else "another"}

    def finish(self) -> None:
        """Fetch all that is left, and look at what is held."""
        for number, sent in sorted(self.sent.items()):
            if not sent.pending:
                continue
            self._fetch(number)
            if sent.pending and sent.request_id is not None:
                self.events[number] = self._glanced(self.events[number], sent)

    def _glanced(self, event: Event, sent: Sent) -> Event:
        assert sent.request_id is not None
        try:
            reply = self.subject.glance(sent.request_id, GLANCE_SECONDS)
            if reply is None or reply.pending:
                return event
        except Broken as broken:
            return replace(event, fate="lost", text=str(broken))
        return self._read(event.step, sent.ask, reply, None)

    # Requests

    def _send(self, step: str, ask: Ask, makes: tuple[Makes, int] | None) -> tuple[Event, str | None]:
        """The event of a request, and the id of the future that it is promised."""
        try:
            if ask.request is None:
                reply = self.subject.driver.call(ask.operation, ask.fields)
            else:
                reply = self.subject.driver.submit(ask.operation, ask.request, ask.media_type, {})
        except Broken as broken:
            return Event(step, ask.operation, "lost", 0, text=str(broken)), None
        except Unprocessable as error:  # no client could write it
            return Event(step, ask.operation, "nothing", 0, text=error.detail), None
        row = ROWS[ask.operation]
        if reply.status != 200 or not isinstance(row, Deferred):
            return self._read(step, ask, reply, makes), None
        body = _json(reply)
        request_id = body.get("request_id") if isinstance(body, dict) else None
        if not isinstance(request_id, str):
            return Event(step, ask.operation, "malformed", 200, text="a promise without a request_id"), None
        return Event(step, ask.operation, "answer", 200), request_id

    def _outcome(self, step: str, ask: Ask, request_id: str, makes: tuple[Makes, int] | None) -> Event:
        try:
            reply = self.subject.poll(request_id)
        except Broken as broken:
            return Event(step, ask.operation, "lost", 0, text=str(broken))
        return self._read(step, ask, reply, makes, fate_of_success=True)

    def _read(
        self,
        step: str,
        ask: Ask,
        reply: Reply,
        makes: tuple[Makes, int] | None,
        *,
        fate_of_success: bool = False,
    ) -> Event:
        """The event of an answer, or of an outcome."""
        body = _json(reply)
        if reply.status // 100 != 2:
            return Event(step, ask.operation, "refused", reply.status, text=_text(body))
        if isinstance(body, dict) and "error" in body and "category" in body:
            category, text = str(body["category"]), str(body["error"])
            return Event(step, ask.operation, "failure", 200, category, text=text)
        row = ROWS[ask.operation]
        assert hasattr(row, "response")
        try:
            value = _decoded(row.response, reply)
        except ApiError as error:
            return Event(step, ask.operation, "malformed", reply.status, text=error.detail)
        if makes is not None:
            self._learn(makes, body)
        fate: Fate = "result" if fate_of_success else "answer"
        shown = value if reply.media_type != JSON or _is_computed(ask.operation) else body
        shape, numbers = shape_of(shown, self.names, ask.fields), numbers_of(value, ask.fields)
        return Event(step, ask.operation, fate, reply.status, shape=shape, numbers=numbers)

    def _learn(self, makes: tuple[Makes, int], body: Any) -> None:
        kind, number = makes
        server_id = body.get(MADE[kind]) if isinstance(body, dict) else None
        if isinstance(server_id, str):
            self.names.learn(kind, number, server_id)


def run(program: Program, subject: Subject, *, survey: bool = True) -> Transcript:
    """Carry out a program.

    The server is asked by bare HTTP and nothing is repeated. Whatever it answers is an event; nothing raises.

    Args:
        program: The steps.
        subject: The server, and the base model to train.
        survey: Whether to ask at the end what the server has of the program.
    """
    doing = Run.on(subject)
    for step in program.walk():
        doing.take(step)
    doing.finish()
    return Transcript((*doing.transcript.events, *(doing.survey() if survey else ())))


def _is_computed(operation: str) -> bool:
    return operation in ("forward", "forward_backward", "optim_step", "asample")


def _decoded(type_: Any, reply: Reply) -> object:
    if type_ is type(None):
        return None
    return decode(type_, reply.body, reply.media_type or JSON, on_unknown=lambda _: None)


def _json(reply: Reply) -> Any:
    try:
        return reply.json if reply.media_type == JSON else None
    except Broken:
        return None


def _text(body: Any) -> str:
    return str(body.get("detail", body)) if isinstance(body, dict) else ""
