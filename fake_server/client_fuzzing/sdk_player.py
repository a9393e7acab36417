"""`SdkPlayer`: the installed SDK of the API, as something that plays programs."""

from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from contract import programs as p
from contract.inputs import Datum
from contract.programs.step import Step
from fake_server.client_fuzzing.player import Hang, Pending, Player
from fake_server.fake import Fake

__all__ = ["SdkPlayer"]

SECONDS = 10.0
"""Ours: how long an outcome may take; with `fast_sdk` most take milliseconds."""


class SdkPlayer(Player):
    """The SDK that is installed, 0.38.0 or later. Its first session lives as long as the player.

    Needs the SDK. Run it below `fast_sdk`, or each repetition costs seconds.
    """

    kinds = frozenset(
        {
            "create_model",
            "forward_backward",
            "optim_step",
            "forward",
            "save_weights",
            "save_for_sampler",
            "load_weights",
            "load_model",
            "create_sampler",
            "create_sampler_of_checkpoint",
            "sample",
            "logprobs",
        }
    )
    """Kinds of steps that it plays, as `contract.strategies.programs` names them."""

    def __init__(self, world: Fake) -> None:
        super().__init__()
        import tinker

        self._tinker = tinker
        self._world = world
        self._service: Any = None
        self.documented = (tinker.TinkerError,)

    def begin(self, step: Step) -> Pending:
        """Begin a step with the SDK's own methods."""
        begin = BEGIN.get(type(step))
        if begin is None:
            raise NotImplementedError(f"{type(step).__name__}: expected a step of {sorted(self.kinds)}")
        return begin(self, step)

    def session(self, _step: Any) -> Pending:
        """The client of a session; the first is kept from one program to the next."""
        if self._service is None:
            self._service = self._world.service_client()
        return lambda: self._service

    def model(self, step: p.CreateModel) -> Pending:
        """A client of a new model. Without a seed of its own it would not be the same in each run."""
        begun = self.thing("session", step.session).create_lora_training_client(
            base_model=step.base_model or self.base_model,
            rank=step.rank,
            seed=step.seed or 0,
            train_attn=step.train_attn,
            train_mlp=step.train_mlp,
            train_unembed=step.train_unembed,
        )
        return _outcome(begun)

    @property
    def base_model(self) -> str:
        """The first that the world has."""
        return self._world.service.backend.base_models()[0].name

    def backward(self, step: p.ForwardBackward) -> Pending:
        """Loss and metrics of a pass that leaves gradients."""
        model = self.thing("model", step.model)
        return _value(model.forward_backward(self._data(step), step.loss, step.config), _pass)

    def forward(self, step: p.Forward) -> Pending:
        """Loss and metrics of a pass that leaves nothing."""
        model = self.thing("model", step.model)
        return _value(model.forward(self._data(step), step.loss, step.config), _pass)

    def _data(self, step: Any) -> list[Any]:
        return [self._datum(example.datum(step.loss)) for example in step.data]

    def _datum(self, datum: Datum) -> Any:
        tensors = {
            name: self._tinker.TensorData(data=tensor.data, dtype=tensor.dtype, shape=tensor.shape)
            for name, tensor in datum.loss_fn_inputs.items()
        }
        tokens = datum.model_input.chunks[0].tokens  # type: ignore[union-attr] # a program's have one of text
        prompt = self._tinker.ModelInput.from_ints(list(tokens))
        return self._tinker.Datum(model_input=prompt, loss_fn_inputs=tensors)

    def optim(self, step: p.OptimStep) -> Pending:
        """Metrics of a step."""
        params = self._tinker.AdamParams(
            learning_rate=step.learning_rate,
            weight_decay=step.weight_decay,
            grad_clip_norm=step.grad_clip_norm,
            **({} if step.eps is None else {"eps": step.eps}),
        )
        return _value(self.thing("model", step.model).optim_step(params), lambda told: told.metrics)

    def save(self, step: p.SaveWeights) -> Pending:
        """A path to train on from."""
        name = self._name(step)
        begun = self.thing("model", step.model).save_state(
            name, ttl_seconds=step.ttl_seconds, overwrite=step.overwrite
        )
        return _path(begun)

    def save_for_sampler(self, step: p.SaveForSampler) -> Pending:
        """A path to sample from."""
        model = self.thing("model", step.model)
        return _path(model.save_weights_for_sampler(self._name(step), ttl_seconds=step.ttl_seconds))

    def _name(self, step: p.SaveWeights | p.SaveForSampler) -> str:
        return step.name or f"unnamed-{self.count('checkpoint')}"

    def load(self, step: p.LoadWeights) -> Pending:
        """Nothing, once a model has a checkpoint's weights."""
        model, path = self.thing("model", step.model), self.thing("checkpoint", step.checkpoint)
        load = model.load_state_with_optimizer if step.optimizer else model.load_state
        begun = load(path)
        return lambda: _result(begun) and None

    def model_of(self, step: p.LoadModel) -> Pending:
        """A client of a new model with a checkpoint's weights."""
        service, path = self.thing("session", step.session), self.thing("checkpoint", step.checkpoint)
        if step.optimizer:
            begun = service.create_training_client_from_state_with_optimizer(path)
        else:
            begun = service.create_training_client_from_state(path)
        return _outcome(begun)

    def sampler(self, step: p.CreateSampler) -> Pending:
        """A client that samples."""
        service = self.thing("session", step.session)
        if step.checkpoint is None:
            begun = service.create_sampling_client(base_model=self.base_model)
        else:
            begun = service.create_sampling_client(model_path=self.thing("checkpoint", step.checkpoint))
        return _outcome(begun)

    def sample(self, step: p.Sample) -> Pending:
        """Sequences. Without a seed of its own it would not be the same in each run."""
        params = self._tinker.SamplingParams(
            max_tokens=step.max_tokens,
            temperature=step.temperature,
            top_k=step.top_k,
            top_p=step.top_p,
            seed=step.seed or 0,
            stop=None if step.stop is None else list(step.stop),
        )
        prompt = self._tinker.ModelInput.from_ints(list(step.prompt))
        sampler = self.thing("sampler", step.sampler)
        return _value(sampler.sample(prompt, step.num_samples, params), _sequences)

    def logprobs(self, step: p.Logprobs) -> Pending:
        """Of each token of a prompt."""
        prompt = self._tinker.ModelInput.from_ints(list(step.prompt))
        return _value(self.thing("sampler", step.sampler).compute_logprobs(prompt), list)

    def close(self) -> None:
        """Forget the first session; the world ends it."""
        self._service = None


BEGIN: Mapping[type[Step], Callable[[Any, Any], Pending]] = {
    p.CreateSession: SdkPlayer.session,
    p.CreateModel: SdkPlayer.model,
    p.ForwardBackward: SdkPlayer.backward,
    p.Forward: SdkPlayer.forward,
    p.OptimStep: SdkPlayer.optim,
    p.SaveWeights: SdkPlayer.save,
    p.SaveForSampler: SdkPlayer.save_for_sampler,
    p.LoadWeights: SdkPlayer.load,
    p.LoadModel: SdkPlayer.model_of,
    p.CreateSampler: SdkPlayer.sampler,
    p.Sample: SdkPlayer.sample,
    p.Logprobs: SdkPlayer.logprobs,
}


def _result(future: Any) -> Any:
    """What a future comes to."""
    try:
        return future.result(timeout=SECONDS)
    except (TimeoutError, FutureTimeout) as error:
        raise Hang(f"no outcome after {SECONDS:.0f} s") from error


def _outcome(future: Any) -> Pending:
    return lambda: _result(future)


def _value(future: Any, read: Callable[[Any], Any]) -> Pending:
    return lambda: read(_result(future))


def _pass(output: Any) -> dict[str, Any]:
    """Metrics, and the numbers of each output by name."""
    outputs = [{name: list(tensor.data) for name, tensor in one.items()} for one in output.loss_fn_outputs]
    return {"metrics": dict(output.metrics), "outputs": outputs}


def _sequences(answer: Any) -> list[dict[str, Any]]:
    """Tokens, logprobs and reason to stop of each sequence."""
    return [
        {
            "tokens": list(one.tokens),
            "logprobs": None if one.logprobs is None else list(one.logprobs),
            "stop_reason": one.stop_reason,
        }
        for one in answer.sequences
    ]


def _path(future: Any) -> Pending:
    return lambda: _result(future).path
