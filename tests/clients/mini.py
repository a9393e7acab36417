"""`MiniClient`: a small client that does everything right. A method for each operation; it keeps no loop.

Methods that train, sample or save send their request and return a `Pending`, so that several may be under
way; `result()` waits for one. All errors are `ClientError`s. Nothing depends on the clock or on chance: time
is what `now` and `sleep` say. It splits no batches, and beats between requests, not from a thread.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from contract.codec import PROTOBUF, encode
from contract.errors import ApiError
from contract.ids import ModelID
from contract.inputs import Datum, ModelInput
from contract.sampling import SampleResponse
from contract.training import (
    AdamParams,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
)
from tests.clients.errors import BadInput, ClientError, SessionEnded, WrongAnswer
from tests.clients.poller import Pending, Poller
from tests.clients.readings import (
    check_data,
    nothing,
    numbers_in,
    read_pass,
    read_samples,
    text_in,
)
from tests.clients.records import Records

__all__ = ["MiniClient"]

Reason = Literal["success", "errored", "interrupted"]


class MiniClient(Records, Poller):
    """A client of one server; see `Caller` for what it takes."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.finished: set[str] = set()
        """Sessions that this client has ended."""

    # Sessions

    def create_session(self, tags: Sequence[str] = (), **metadata: str) -> str:
        """Open a session, which beats from now on; its id."""
        body = {"tags": list(tags), "user_metadata": metadata, "sdk_version": self.version}
        answer = self.call("create_session", {**body, "type": "create_session"})
        if not isinstance(session_id := answer.get("session_id"), str):
            raise WrongAnswer("create_session: expected a session_id, got none")
        self.beats[session_id] = self.now()
        return session_id

    def finish_session(self, session_id: str, reason: Reason = "success", detail: str | None = None) -> None:
        """Fetch what was promised in a session, and end it.

        Raises:
            ClientError: the first failure among the outcomes that nobody had fetched; the session has ended.
        """
        failure = self.drain(session_id)
        said = "errored" if failure else reason
        self.beats.pop(session_id, None)
        self.finished.add(session_id)
        self.tell("finish_session", {"session_id": session_id, "reason": {"type": said}, "detail": detail})
        if failure is not None and reason == "success":
            raise failure

    def drain(self, session_id: str) -> ClientError | None:
        """Fetch the outcomes of a session that nobody has fetched; the first failure among them."""
        first: ClientError | None = None
        for pending in [p for p in self.pending if p.owner.split(":")[0] == session_id]:
            try:
                pending.result()
            except ClientError as error:
                first = first or error
        return first

    def check_open(self, owner: str) -> None:
        """Refuse work of a session that this client has ended.

        Raises:
            SessionEnded: if it has.
        """
        if owner.split(":")[0] in self.finished:
            raise SessionEnded(f"{owner}: expected an open session, got one that was finished; open another")

    # Models

    def create_model(
        self, session_id: str, base_model: str, rank: int = 8, seed: int | None = None
    ) -> Pending[str]:
        """Create a model with a fresh adapter; its id."""
        lora = {"rank": rank, **({} if seed is None else {"seed": seed})}
        fields = {"session_id": session_id, "base_model": base_model, "lora_config": lora}
        return self._new_model("create_model", session_id, {**fields, "type": "create_model"})

    def load_weights(self, session_id: str, path: str, *, optimizer: bool = True) -> Pending[str]:
        """Create a model from a checkpoint, with its optimizer state or without; its id."""
        fields = {"session_id": session_id, "path": path, "optimizer": optimizer}
        return self._new_model("load_weights", session_id, {**fields, "type": "load_weights"})

    def _new_model(self, operation: str, session_id: str, fields: Mapping[str, Any]) -> Pending[str]:
        self.check_open(session_id)
        number = self.next_number("model_seq_id", session_id)
        reading = text_in(operation, "model_id", prefix=f"{session_id}:train:{number}")
        return self.promise(
            self.ask_of(operation, {**fields, "model_seq_id": number}, key=self.new_key()),
            session_id,
            lambda _: reading,
            kind="model_seq_id",
            number=number,
        )

    def load_state(self, model_id: str, path: str, *, optimizer: bool = True) -> Pending[None]:
        """Load a checkpoint into a model that is there."""
        fields = {"path": path, "optimizer": optimizer, "type": "load_weights"}
        return self.on_model("load_weights", model_id, fields, nothing("load_weights", "load_weights"))

    # Training

    def forward_backward(
        self,
        model_id: str,
        data: Sequence[Datum],
        loss_fn: str = "cross_entropy",
        config: Mapping[str, float | str] | None = None,
    ) -> Pending[ForwardBackwardOutput]:
        """Compute a loss, and add its gradients to the model's."""
        return self.run_pass(model_id, data, loss_fn, config, forward_only=False)

    def forward(
        self,
        model_id: str,
        data: Sequence[Datum],
        loss_fn: str = "cross_entropy",
        config: Mapping[str, float | str] | None = None,
    ) -> Pending[ForwardBackwardOutput]:
        """Compute a loss, and change nothing."""
        return self.run_pass(model_id, data, loss_fn, config, forward_only=True)

    def run_pass(
        self,
        model_id: str,
        data: Sequence[Datum],
        loss_fn: str,
        config: Mapping[str, float | str] | None,
        *,
        forward_only: bool,
    ) -> Pending[ForwardBackwardOutput]:
        """Send a pass.

        Raises:
            BadInput: for data that do not fit; no number is taken for them.
        """
        self.check_open(model_id)
        check_data(data)
        number = self.next_number("seq_id", model_id)
        try:
            request = ForwardBackwardRequest(
                forward_backward_input=ForwardBackwardInput(
                    data=self.prepared(data),
                    loss_fn=loss_fn,
                    loss_fn_config=dict(config) if config else None,
                ),
                model_id=ModelID(model_id),
                seq_id=number,
                forward_only=forward_only,
            )
            body = encode(request, PROTOBUF)
        except (ApiError, ValueError) as error:
            raise BadInput(f"data: expected what can be written, got {error}") from None
        ask = self.ask_of("forward_backward", {}, body=body, media_type=PROTOBUF, key=self.new_key())
        reading = read_pass("forward_backward", data)
        return self.promise(ask, model_id, lambda _: reading, kind="seq_id", number=number, protobuf=True)

    def prepared(self, data: Sequence[Datum]) -> list[Datum]:
        """Data as they are sent: as they are."""
        return list(data)

    def optim_step(
        self, model_id: str, learning_rate: float = 1e-4, **adam: float
    ) -> Pending[dict[str, float]]:
        """Apply the gradients and clear them; metrics, of which there may be none."""
        params = AdamParams(learning_rate=learning_rate, **adam).model_dump()
        fields = {"adam_params": params, "type": "optim_step"}
        return self.on_model("optim_step", model_id, fields, numbers_in("optim_step", "metrics"))

    def on_model(
        self, operation: str, model_id: str, fields: Mapping[str, Any], reading: Any
    ) -> Pending[Any]:
        """Send a numbered operation of a model, in JSON."""
        self.check_open(model_id)
        number = self.next_number("seq_id", model_id)
        ask = self.ask_of(operation, {"model_id": model_id, "seq_id": number, **fields}, key=self.new_key())
        return self.promise(ask, model_id, lambda _: reading, kind="seq_id", number=number)

    # Checkpoints

    def save_weights(
        self, model_id: str, name: str, *, overwrite: bool = False, ttl_seconds: int | None = None
    ) -> Pending[str]:
        """Save weights and optimizer state; the path."""
        life = {} if ttl_seconds is None else {"ttl_seconds": ttl_seconds}
        fields = {"path": name, "overwrite": overwrite, **life, "type": "save_weights"}
        return self.on_model("save_weights", model_id, fields, self._path_of("save_weights", model_id, name))

    def save_weights_for_sampler(self, model_id: str, name: str) -> Pending[str]:
        """Save weights to sample from; the path."""
        operation = "save_weights_for_sampler"
        fields = {"path": name, "kind": "snapshot", "type": operation}
        return self.on_model(operation, model_id, fields, self._path_of(operation, model_id, name))

    def _path_of(self, operation: str, model_id: str, name: str) -> Any:
        segment = "weights" if operation == "save_weights" else "sampler_weights"
        return text_in(operation, "path", prefix=f"tinker://{model_id}/{segment}/{name}")

    def sampler_of(self, model_id: str) -> Pending[str]:
        """Open a sampler on a model's weights as they are, without a name; its id."""
        session_id = model_id.split(":")[0]
        number = self.next_number("sampling_session_seq_id", session_id)
        fields = {"sampling_session_seq_id": number, "kind": "snapshot", "type": "save_weights_for_sampler"}
        reading = text_in("save_weights_for_sampler", "sampling_session_id", prefix=session_id)
        pending = self.on_model("save_weights_for_sampler", model_id, fields, reading)
        self.use_number("sampling_session_seq_id", session_id, number)
        return pending

    # Sampling

    def create_sampling_session(
        self, session_id: str, *, base_model: str | None = None, model_path: str | None = None
    ) -> str:
        """Open a sampler on a base model or a checkpoint; its id."""
        self.check_open(session_id)
        number = self.next_number("sampling_session_seq_id", session_id)
        source = {"base_model": base_model} if model_path is None else {"model_path": model_path}
        fields = {"session_id": session_id, "sampling_session_seq_id": number, **source}
        self.use_number("sampling_session_seq_id", session_id, number)
        answer = self.call("create_sampling_session", {**fields, "type": "create_sampling_session"})
        sampler_id = answer.get("sampling_session_id")
        if not isinstance(sampler_id, str) or not sampler_id.startswith(session_id):
            raise WrongAnswer(f"create_sampling_session: expected an id of {session_id}, got {sampler_id!r}")
        return sampler_id

    def sample(
        self,
        sampler_id: str,
        prompt: Sequence[int],
        num_samples: int = 1,
        *,
        prompt_logprobs: bool = False,
        **params: Any,
    ) -> Pending[SampleResponse]:
        """Sample after a prompt; `params` are `SamplingParams`."""
        self.check_open(sampler_id)
        number = self.next_number("sample", sampler_id)
        fields = {
            "sampling_session_id": sampler_id,
            "seq_id": number,
            "num_samples": num_samples,
            "prompt": ModelInput.from_ints(list(prompt)).model_dump(mode="json"),
            "sampling_params": {"temperature": 1.0, "top_k": -1, "top_p": 1.0, **params},
            "prompt_logprobs": prompt_logprobs,
            "type": "sample",
        }
        ask = self.ask_of(
            "asample", fields, key=self.new_key(), headers={"x-tinker-sampling-backpressure": "1"}
        )

        def reading(promise: dict[str, Any]) -> Any:
            ids = promise.get("sample_sequence_ids")
            if not isinstance(ids, list) or len(ids) != num_samples:
                raise WrongAnswer(f"asample: expected {num_samples} sample_sequence_ids, got {ids!r}")
            return read_samples("asample", ids, len(prompt), scores=prompt_logprobs)

        return self.promise(ask, sampler_id, reading, kind="sample", number=number, protobuf=True)

    def compute_logprobs(self, sampler_id: str, tokens: Sequence[int]) -> list[float | None]:
        """The logprob of each token after those before it; None for the first."""
        scored = self.sample(sampler_id, tokens, prompt_logprobs=True, max_tokens=1)
        return list(scored.result().prompt_logprobs or ())
