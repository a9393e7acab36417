"""`Model`: a model of the server under test; it counts its operations as a client does."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contract.codec import JSON, PROTOBUF
from contract.ids import ModelID
from contract.inputs import Datum
from contract.laws.driver import Reply
from contract.laws.law import Broken
from contract.laws.outputs import logprobs_of, loss_of
from contract.training import (
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ForwardRequest,
    OptimStepResponse,
)
from contract.versions import has_trait
from contract.weights import LoadWeightsResponse, SaveWeightsForSamplerResponseInternal, SaveWeightsResponse

if TYPE_CHECKING:
    from contract.laws.subject import Subject

__all__ = ["Model"]

TOKENS = (5, 6, 7, 8)


class Model:
    """One model."""

    def __init__(self, subject: "Subject", model_id: ModelID) -> None:
        self.id = model_id
        self._subject = subject
        self._last = 0

    def next(self) -> int:
        """The number of its next operation."""
        self._last += 1
        return self._last

    # Training

    def send_backward(
        self,
        data: Sequence[Datum],
        loss: str = "cross_entropy",
        config: Mapping[str, float | str] | None = None,
        *,
        seq_id: int | None = None,
        forward_only: bool = False,
    ) -> Reply:
        """Submit a training pass; the bare answer. `seq_id` is the next number where absent."""
        subject, number = self._subject, self.next() if seq_id is None else seq_id
        given = ForwardBackwardInput(
            data=list(data), loss_fn=loss, loss_fn_config=None if config is None else dict(config)
        )
        if has_trait(subject.profile, "protobuf_alone"):
            request = ForwardBackwardRequest(
                forward_backward_input=given, model_id=self.id, seq_id=number, forward_only=forward_only
            )
            return subject.driver.submit("forward_backward", request, PROTOBUF, {})
        if forward_only:
            old = ForwardRequest(forward_input=given, model_id=self.id, seq_id=number)
            return subject.driver.submit("forward", old, JSON, {})
        pass_ = ForwardBackwardRequest(forward_backward_input=given, model_id=self.id, seq_id=number)
        return subject.driver.submit("forward_backward", pass_, JSON, {})

    def backward(
        self, data: Sequence[Datum], loss: str = "cross_entropy", **options: Any
    ) -> ForwardBackwardOutput:
        """A training pass; its result."""
        reply = self.send_backward(data, loss, **options)
        return self._subject.result(promised(reply, "forward_backward"), ForwardBackwardOutput)

    def forward(
        self, data: Sequence[Datum], loss: str = "cross_entropy", **options: Any
    ) -> ForwardBackwardOutput:
        """A pass that leaves no gradients; its result."""
        return self.backward(data, loss, forward_only=True, **options)

    def loss(self, data: Sequence[Datum], loss: str = "cross_entropy", **options: Any) -> float:
        """`loss:sum` of a forward pass."""
        return loss_of(self.forward(data, loss, **options))

    def logprobs(self, tokens: Sequence[int] = TOKENS) -> list[float]:
        """Of each next token, after a forward pass; the last one's target is token 9."""
        return logprobs_of(self.forward([self._subject.datum(tokens)]), 0, len(tokens))

    def send_step(self, learning_rate: float = 1e-2, *, seq_id: int | None = None, **params: float) -> Reply:
        """Submit an optimizer step; the bare answer."""
        number = self.next() if seq_id is None else seq_id
        adam = {"learning_rate": learning_rate, **params}
        body = {"model_id": self.id, "seq_id": number, "adam_params": adam, "type": "optim_step"}
        return self._subject.driver.call("optim_step", body)

    def step(self, learning_rate: float = 1e-2, **params: float) -> dict[str, float]:
        """An optimizer step; its metrics."""
        reply = self.send_step(learning_rate, seq_id=None, **params)
        return self._subject.result(promised(reply, "optim_step"), OptimStepResponse).metrics or {}

    def train(self, data: Sequence[Datum], learning_rate: float = 1e-2, **params: float) -> None:
        """A training pass and a step."""
        self.backward(data)
        self.step(learning_rate, **params)

    # Weights

    def save(self, name: str, **fields: Any) -> str:
        """Save weights and optimizer; the path."""
        body = {"model_id": self.id, "seq_id": self.next(), "path": name, **fields}
        return self._subject.result(self._subject.promise("save_weights", body), SaveWeightsResponse).path

    def save_for_sampler(self, name: str, **fields: Any) -> str:
        """Save weights to sample from; the path."""
        body = {"model_id": self.id, "seq_id": self.next(), "path": name, **fields}
        promise = self._subject.promise("save_weights_for_sampler", body)
        path = self._subject.result(promise, SaveWeightsForSamplerResponseInternal).path
        if path is None:
            raise Broken("save_weights_for_sampler: expected a path for the name that was given, got none")
        return path

    def send_load(self, path: str, *, optimizer: bool) -> Reply:
        """Submit the load of a checkpoint; the bare answer."""
        body = {"model_id": self.id, "seq_id": self.next(), "path": path, "optimizer": optimizer}
        return self._subject.driver.call("load_weights", body)

    def load(self, path: str, *, optimizer: bool = True) -> None:
        """Load a checkpoint, with or without the optimizer's state."""
        reply = self.send_load(path, optimizer=optimizer)
        self._subject.result(promised(reply, "load_weights"), LoadWeightsResponse)


def promised(reply: Reply, operation: str) -> str:
    """The id of the future in an answer that must have one.

    Raises:
        Broken: if it has none.
    """
    body = reply.json if reply.status == 200 else None
    if not isinstance(body, dict) or not isinstance(body.get("request_id"), str):
        raise Broken(f"{operation}: expected 200 and a request_id, got {reply.status} {reply.body[:300]!r}")
    return str(body["request_id"])
