"""Journals to ask: made by hand, or by a small life of a model."""

from itertools import count
from typing import Any

import pytest

from contract.versions import SdkVersion
from fake_server.journal import Journal
from fake_server.traffic import Exchange
from fake_server.verdict import rule_of
from tests.fake_server.driver import Driver

MODEL = "s:train:0"


def exchange(operation: str, number: int = 1, at: float | None = None, **fields: Any) -> Exchange:
    """An exchange that is over at once, at a time in seconds that is its number where none is given."""
    start = float(number if at is None else at)
    version = SdkVersion.parse(fields.pop("sdk", "0.38.0"))
    values = {"status": 200, "answered_at": start, "request": {}, "answer": {}, **fields}
    return Exchange(number, start, operation, version, **values)


class Script:
    """Makes exchanges one after the other, each a second later."""

    def __init__(self) -> None:
        self.journal = Journal()
        self._numbers = count(1)
        self.now = 0.0

    def add(self, operation: str, request: Any = None, answer: Any = None, **fields: Any) -> Exchange:
        self.now = fields.pop("at", self.now + 1)
        made = exchange(
            operation, next(self._numbers), self.now, request=request or {}, answer=answer, **fields
        )
        self.journal.add(made)
        return made

    def promise(self, operation: str, seq_id: int | None, **fields: Any) -> Exchange:
        """An operation of the model that was answered with a promise."""
        request = {"model_id": MODEL, "seq_id": seq_id, **fields.pop("request", {})}
        key = seq_id if seq_id is not None else fields.get("idempotency_key")
        answer = {"request_id": f"{MODEL}:{key}"}
        return self.add(operation, request, answer, **{"digest": repr(request).encode(), **fields})

    def read(self, seq_id: int, answer: Any = None, **fields: Any) -> Exchange:
        """A poll of it that got the outcome."""
        return self.add("retrieve_future", {"request_id": f"{MODEL}:{seq_id}"}, answer or {}, **fields)


def lived() -> Driver:
    """A driver that has trained a model for two steps and saved it."""
    driver = Driver(control=True)
    model = driver.model()
    for seq_id in (1, 3):
        driver.result("forward_backward", driver.train(model, seq_id))
        driver.result("optim_step", driver.step(model, seq_id + 1, learning_rate=seq_id / 1000))
    driver.result("save_weights", {"model_id": model, "seq_id": 5, "path": "last"})
    return driver


def message(claim: Any, *given: Any, **fields: Any) -> str:
    """What a claim says that is not true."""
    with pytest.raises(AssertionError) as caught:
        claim(*given, **fields)
    return str(caught.value)


def found(journal: Journal, rule_id: str) -> list[str]:
    """What one rule finds."""
    return [found.detail for found in rule_of(rule_id).check(journal.history())]
