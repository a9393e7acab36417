"""`Stage`: what a request needs to be there, made on the server the moment that it is asked for."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from contract.codec import JSON
from contract.laws.driver import Reply
from fake_server.fuzzing.fault import OPENAPI, Fault
from fake_server.fuzzing.plain import plain
from fake_server.fuzzing.request import LATER, NEXT, Request

__all__ = ["OWNERS", "Stage"]

OWNERS = {
    "seq_id": ("model_id", "sampling_session_id"),
    "model_seq_id": ("session_id",),
    "sampling_session_seq_id": ("session_id",),
    "custom_loss_seq_id": ("session_id",),
}
"""Whose numbers a field counts: the first of these fields that a request has."""
FROM_ONE = "seq_id"
MADE_BY = {
    "«session»": ("create_session", "session_id"),
    "«model»": ("create_model", "model_id"),
    "«sampler»": ("create_sampling_session", "sampling_session_id"),
    "«path»": ("save_weights", "path"),
    "«external_path»": ("save_weights_external", "path"),
    "«sampler_path»": ("save_weights_for_sampler", "path"),
}
"""The operation that makes it, and the field of its answer, or of its result."""
PARTS = {"«checkpoint»": "«path»", "«external»": "«external_path»"}
"""Names of checkpoints: the last part of their path."""
BASE_MODEL = "«base_model»"
PUBLIC = "«public»"
"""Name of the same checkpoint, once it was published."""
PROMISED = {"«future»": "optim_step", "«sample»": "asample"}
"""Ids of futures: the first has its outcome, the second is not polled."""
LISTED = {
    "«session»": (("get_session", "session_id"),),
    "«model»": (("get_info", "model_id"), ("list_checkpoints", "training_run_id")),
    "«sampler»": (("get_sampler", "sampling_session_id"),),
    "«path»": (("weights_info", "tinker_path"),),
}
"""What tells of it."""

ANSWERED = re.compile(r"«(\d+)\.(\w+)»")
"""A field of an earlier answer."""

IDS = ("_id", "path")
"""How fields end that are ids."""

Do = Callable[[Request], tuple[Reply, Any]]
"""Sends a request that must be taken; its answer, and the outcome of the future where it is deferred."""


class Stage:
    """The objects of one example."""

    def __init__(self, do: Do, base_model: str) -> None:
        self._do = do
        self._made: dict[str, str] = {BASE_MODEL: base_model}
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._names = 0
        self._answers: list[Any] = []

    def remember(self, reply: Reply) -> None:
        """Keep an answer: what is in it may be named later."""
        answer = reply.json if reply.media_type == JSON and reply.body else None
        self._answers.append(answer if isinstance(answer, dict) else {})

    def forget(self) -> None:
        """Make all anew that is asked for from now on: something has ended."""
        self._made = {BASE_MODEL: self._made[BASE_MODEL]}

    def named(self, value: Any) -> Any:
        """The same JSON with names in the place of texts that an earlier answer gave."""
        if isinstance(value, dict):
            return {key: self.named(item) for key, item in value.items()}
        for place, answer in enumerate(self._answers):
            for name, given in answer.items():
                if name.endswith(IDS) and given == value and isinstance(value, str):
                    return f"«{place}.{name}»"
        return value

    def resolved(self, value: Any) -> Any:
        """The same JSON with what its names stand for.

        Raises:
            Fault: if the server does not make what has to be there.
        """
        if isinstance(value, str):
            return self._value(value)
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        found = {key: self.resolved(item) for key, item in value.items()}
        for name, number in found.items():
            if number == NEXT:
                found[name] = self._next(name, found)
            elif number == LATER:
                found[name] = self._numbers[self._count_of(name, found)] + 2
        return found

    def pictures(self) -> Iterator[Request]:
        """Requests that tell of what was made so far."""
        for symbol, tellers in LISTED.items():
            if symbol in self._made:
                for operation, name in tellers:
                    yield Request(operation, {name: self._made[symbol]})

    def _value(self, symbol: str) -> str:
        """What a name stands for; any other text stands for itself."""
        if symbol == "«name»":
            self._names += 1
            return f"fuzz-{self._names}"
        if found := ANSWERED.fullmatch(symbol):
            return str(self._answers[int(found[1])][found[2]])
        if symbol not in {PUBLIC, *MADE_BY, *PARTS, *PROMISED, *self._made}:
            return symbol
        if symbol not in self._made:
            self._made[symbol] = self._make(symbol)
        return self._made[symbol]

    def _make(self, symbol: str) -> str:
        if symbol == PUBLIC:
            self._do(plain("publish_checkpoint"))
            return self._value("«checkpoint»")
        if symbol in PARTS:
            return self._value(PARTS[symbol]).rpartition("/")[2]
        if symbol in PROMISED:
            reply, _ = self._do(plain(PROMISED[symbol]))
            return str(reply.json["request_id"])
        operation, name = MADE_BY[symbol]
        reply, outcome = self._do(plain(operation))
        answer = reply.json if outcome is None else outcome
        value = answer.get(name)
        if not isinstance(value, str):
            raise Fault(operation, OPENAPI, f"{operation}: expected {name} in its answer, got {answer!r}")
        return value

    def _next(self, name: str, fields: dict[str, Any]) -> int:
        count = self._count_of(name, fields)
        self._numbers[count] += 1
        return self._numbers[count] - (name != FROM_ONE)

    def _count_of(self, name: str, fields: dict[str, Any]) -> tuple[str, str]:
        return name, next((str(fields[owner]) for owner in OWNERS.get(name, ()) if fields.get(owner)), "")
