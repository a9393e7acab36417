"""`Subject`: the server under test, in the words of the laws."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from contract.codec import JSON, PROTOBUF, decode
from contract.errors import ApiError
from contract.futures import RequestFailedResponse
from contract.ids import ModelID
from contract.inputs import Datum, ModelInput
from contract.laws.driver import Driver, Reply
from contract.laws.law import Broken, Skipped
from contract.laws.model import Model
from contract.laws.sampler import Sampler
from contract.training import CreateModelResponse, ForwardBackwardOutput
from contract.versions import SdkVersion, has_trait

__all__ = ["Subject"]

T = TypeVar("T")
MOST_POLLS = 10_000


@dataclass(slots=True)
class Subject:
    """A server, and what a law does with it."""

    driver: Driver
    base_model: str
    tolerance: float = 1e-4
    """How near two computations of the same number must be: float32 in any order of sums."""
    other_key: str | None = None
    """A key of another account; without it laws of isolation are skipped."""
    stride: dict[str, float] = field(default_factory=dict)
    """The step that `contract.laws.gradients` found for this server; empty until it did."""
    _known: dict[str, str | None] = field(default_factory=dict)
    """Features that were tried: None where there, else why not."""

    @property
    def profile(self) -> SdkVersion:
        """The release whose client the driver is."""
        return SdkVersion.parse(self.driver.sdk_version)

    @property
    def another_key(self) -> str:
        """A key of another account.

        Raises:
            Skipped: if none was given.
        """
        if self.other_key is None:
            raise Skipped("no key of another account was given; give one with --other-api-key")
        return self.other_key

    # Sessions and models

    def session(self, **fields: Any) -> str:
        """A new session's id."""
        body = {"tags": [], "user_metadata": {}, "sdk_version": self.driver.sdk_version, **fields}
        return self.named("create_session", body, "session_id")

    def model(self, session_id: str | None = None, number: int = 0, **lora: Any) -> Model:
        """A new model; `lora` are fields of its `LoraConfig`, rank 8 and seed 1 where absent."""
        session = session_id or self.session()
        promise = self.submit_model(session, number, **lora)
        return Model(self, ModelID(self.result(promise, CreateModelResponse).model_id))

    def learned(self, **lora: Any) -> Model:
        """A new model that three steps have moved away from its base model."""
        model = self.model(**lora)
        for _ in range(3):
            model.train([self.datum()])
        return model

    def submit_model(self, session_id: str, number: int = 0, **lora: Any) -> str:
        """Ask for a model; the id of the future."""
        config = {"rank": 8, "seed": 1, **lora}
        body = {"session_id": session_id, "model_seq_id": number, "base_model": self.base_model}
        return self.promise("create_model", {**body, "lora_config": config})

    def sampler(
        self, model_path: str | None = None, session_id: str | None = None, number: int = 0
    ) -> Sampler:
        """A new sampling session, of a checkpoint or of the base model."""
        session = session_id or self.session()
        source = {"base_model": self.base_model} if model_path is None else {"model_path": model_path}
        body = {"session_id": session, "sampling_session_seq_id": number, **source}
        return Sampler(self, self.named("create_sampling_session", body, "sampling_session_id"))

    def datum(
        self, tokens: Sequence[int] = (5, 6, 7, 8), weights: Sequence[float] | None = (), **inputs: Any
    ) -> Datum:
        """An example that predicts each next token; the last one predicts token 9.

        Where `weights` is empty they are 1 if no other inputs are given: other losses have none. None leaves
        them out.
        """
        targets = [*tokens[1:], 9]
        absent = weights is None or (not weights and inputs)
        weighed = None if absent else list(weights or [1.0] * len(targets))
        given = {"target_tokens": targets, "weights": weighed, **inputs}
        present = {name: value for name, value in given.items() if value is not None}
        return Datum(model_input=ModelInput.from_ints(list(tokens)), loss_fn_inputs=present)

    # Requests and answers

    def answer(self, operation: str, fields: Mapping[str, Any] | None = None) -> Any:
        """The JSON of a call that must succeed.

        Raises:
            Broken: if it does not.
        """
        reply = self.driver.call(operation, fields)
        if reply.status != 200:
            raise Broken(f"{operation}: expected 200, got {reply.status} {reply.body[:300]!r}")
        return reply.json

    def named(self, operation: str, fields: Mapping[str, Any], name: str) -> str:
        """An id in the answer of a call that must succeed.

        Raises:
            Broken: if it does not, or has no such id.
        """
        answer = self.answer(operation, fields)
        if not isinstance(answer, dict) or not isinstance(answer.get(name), str):
            raise Broken(f"{operation}: expected a {name}, got {answer!r}")
        return str(answer[name])

    def promise(self, operation: str, fields: Mapping[str, Any]) -> str:
        """The id of the future of a deferred call that must be taken."""
        return self.named(operation, fields, "request_id")

    def poll(self, request_id: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Polls until there is an outcome; the answer that has it."""
        accept = f"{PROTOBUF}, {JSON}" if has_trait(self.profile, "protobuf_alone") else JSON
        for _ in range(MOST_POLLS):
            sent = {"accept": accept, **(headers or {})}
            reply = self.driver.call("retrieve_future", {"request_id": request_id}, sent)
            if not reply.pending:
                return reply
        raise Broken(f"{request_id}: expected an outcome, got none in {MOST_POLLS} polls")

    def result(self, request_id: str, type_: type[T]) -> T:
        """The result of a future that must succeed.

        Raises:
            Broken: if it failed, or is of another type.
        """
        reply = self.poll(request_id)
        if reply.status != 200:
            raise Broken(f"retrieve_future: expected 200, got {reply.status} {reply.body[:300]!r}")
        return self.decoded(reply, type_)

    def decoded(self, reply: Reply, type_: type[T]) -> T:
        """The result in the answer to a poll, by its media type.

        Raises:
            Broken: if it is a failure, or of another type.
        """
        self._check_not_failed(reply)
        return _read(reply, type_, "result")

    def typed(self, operation: str, fields: Mapping[str, Any], type_: type[T]) -> T:
        """The answer of a call that must succeed, as the contract's type.

        Raises:
            Broken: if it does not succeed, or is of another type.
        """
        reply = self.driver.call(operation, fields)
        if reply.status != 200:
            raise Broken(f"{operation}: expected 200, got {reply.status} {reply.body[:300]!r}")
        return _read(reply, type_, operation)

    def passed(self, request_id: str) -> ForwardBackwardOutput:
        """The result of a training pass that must succeed."""
        return self.result(request_id, ForwardBackwardOutput)

    def _check_not_failed(self, reply: Reply) -> None:
        if reply.media_type == JSON and isinstance(reply.json, dict) and "error" in reply.json:
            raise Broken(f"retrieve_future: expected a result, got the failure {reply.json}")

    def failure(self, request_id: str) -> RequestFailedResponse:
        """The failure of a future that must fail.

        Raises:
            Broken: if it has a result.
        """
        reply = self.poll(request_id)
        body = reply.json if reply.media_type == JSON else None
        if reply.status != 200 or not isinstance(body, dict) or "error" not in body:
            shown = f"{reply.status} {reply.body[:300]!r}"
            raise Broken(f"retrieve_future: expected a failure with status 200, got {shown}")
        try:
            return RequestFailedResponse.model_validate(body)
        except ValidationError as error:
            raise Broken(f"retrieve_future: expected an error and a category, got {body}: {error}") from None

    def doomed(self, reply: Reply) -> str:
        """The id of a future, of a request that must fail.

        Raises:
            Skipped: if the server refuses it at once, so that there is none.
            Broken: if it breaks the server.
        """
        if 400 <= reply.status < 500:
            raise Skipped(f"such a request is refused at once, by {reply.status}")
        if reply.status != 200:
            raise Broken(f"expected a promise or a refusal, got {reply.status} {reply.body[:300]!r}")
        return str(reply.json["request_id"])

    def glance(self, request_id: str, seconds: float) -> Reply | None:
        """One poll that is given up after so many seconds; None if it was not answered in them."""
        return self.driver.glance("retrieve_future", {"request_id": request_id}, seconds)

    def refused(self, reply: Reply) -> None:
        """A request must be refused: at once by 4xx, or by a future that fails.

        Raises:
            Broken: if it is taken and succeeds, or breaks the server.
        """
        if 400 <= reply.status < 500:
            return
        body = reply.json if reply.status == 200 else None
        if not isinstance(body, dict) or "request_id" not in body:
            raise Broken(f"expected a refusal, got {reply.status} {reply.body[:300]!r}")
        self.failure(str(body["request_id"]))

    def refused_or_replayed(self, reply: Reply, first: str) -> None:
        """A request is refused, or has the future of the first one of its number.

        Raises:
            Broken: if it is taken as a new one.
        """
        body = reply.json if reply.status == 200 else None
        if not isinstance(body, dict) or body.get("request_id") != first:
            self.refused(reply)

    @contextmanager
    def as_another(self, **changed: str) -> Iterator["Subject"]:
        """The same server by another driver, as `api_key` or `sdk_version` say; the trace stays one."""
        own = self.driver
        fields = {"url": own.url, "api_key": own.api_key, "sdk_version": own.sdk_version, **changed}
        self.driver = Driver(**fields, trace=own.trace)
        try:
            yield self
        finally:
            self.driver = own

    # Features

    def need(self, name: str, probe: Callable[["Subject"], str | None]) -> None:
        """Make sure of a feature; each is tried once.

        Raises:
            Skipped: with the reason, if the server does not have it.
        """
        if name not in self._known:
            try:
                self._known[name] = probe(self)
            except Broken as broken:  # what the probe itself needs does not work
                self._known[name] = str(broken)
        if (reason := self._known[name]) is not None:
            raise Skipped(f"{name}: {reason}")


def _read(reply: Reply, type_: type[T], where: str) -> T:
    try:
        return decode(type_, reply.body, reply.media_type or JSON, on_unknown=lambda _: None)
    except ApiError as error:
        raise Broken(f"{where}: expected {type_.__name__}, got what does not fit: {error.detail}") from None
