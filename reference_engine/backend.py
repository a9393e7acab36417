"""`TorchBackend`: one tenant's models on the shared engine. It composes, and has no maths of its own."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from hashlib import blake2b
from weakref import WeakSet

import torch

from contract import (
    Backend,
    BackendOptions,
    BackendState,
    BaseModelInfo,
    CreateCustomLossRequest,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    LoraConfig,
    ModelID,
    OptimizerConfig,
    OptimParams,
    OptimStepResponse,
    RequestFailure,
    SampleRequest,
    SampleResponse,
    TensorData,
    Weights,
    check_adapter,
)
from reference_engine.batching import Example, examples_of, token_ids
from reference_engine.checkpoints import AdapterWeights, Origin, read_weights
from reference_engine.custom_loss import CompiledLoss, compile_loss
from reference_engine.engine import BaseModel, Engine
from reference_engine.lora import Adapter, AdapterLayout
from reference_engine.losses import check_batch
from reference_engine.optimizer import Moments, adamw_step
from reference_engine.saved_weights import SavedWeights
from reference_engine.scores import PromptScores, check_request
from reference_engine.sequences import Ask
from reference_engine.shelf import Place
from reference_engine.states import TorchState, read_state, weights_of
from reference_engine.stops import StopRule
from reference_engine.trained_model import TrainedModel
from reference_engine.trainer import Pass, run_pass

__all__ = ["TorchBackend", "open_torch"]


class TorchBackend:
    """Trains and samples for one tenant."""

    concurrent = True

    def __init__(self, engine: Engine, options: BackendOptions) -> None:
        self._engine = engine
        self._seed = options.seed
        self._strict = options.strict_losses
        self._raw = options.raw_logprobs
        self._models: dict[ModelID, Place[TrainedModel]] = {}
        self._saved: WeakSet[Place[AdapterWeights]] = WeakSet()
        self._compiled: dict[int, tuple[CreateCustomLossRequest, CompiledLoss]] = {}
        self._asked: WeakSet[Future[SampleResponse]] = WeakSet()

    def base_models(self) -> Sequence[BaseModelInfo]:
        """The base models, in the order to list them."""
        return self._engine.infos()

    def create_model(
        self, model_id: ModelID, base_model: str, lora: LoraConfig, optimizer: OptimizerConfig
    ) -> None:
        """Create a model with a fresh adapter: A from the seed, B zero, so that it equals its base model.

        Without a seed, it derives from the backend's and the model's number in its session: a program that
        is run again begins with the same adapters.

        Raises:
            RequestFailure: for an unknown base model, an optimizer other than adamw, or an adapter that
                cannot be.
        """
        if optimizer.type != "adamw":
            raise RequestFailure(
                f"optimizer_config.type: expected 'adamw', got {optimizer.type!r}; "
                "its maths is not published, so this engine has no other optimizer"
            )
        base = self._engine.model(base_model)
        _check_lora(lora, base)
        layout = AdapterLayout.of(base.config, lora)
        seed = derived_seed(self._seed, _number_in_session(model_id)) if lora.seed is None else lora.seed
        adapter = Adapter(layout, layout.fresh(seed).to(base.device))
        self._keep(model_id, TrainedModel(base_model, adapter, Moments.fresh(adapter.flat), seed))

    def unload_model(self, model_id: ModelID) -> None:
        """Forget a model."""
        self._place(model_id).drop()
        del self._models[model_id]

    def forward_backward(
        self,
        model_id: ModelID,
        batch: ForwardBackwardInput,
        *,
        forward_only: bool = False,
        custom_loss: CreateCustomLossRequest | None = None,
    ) -> ForwardBackwardOutput:
        """Compute a loss, and unless `forward_only` add its gradients to the model's.

        Raises:
            RequestFailure: for data that the loss cannot read, or numbers that are not finite; nothing is
                changed.
        """
        model = self._model(model_id)
        custom = None if custom_loss is None else self._compile(custom_loss)
        check_batch(batch, custom=custom, strict=self._strict)
        base = self._engine.model(model.base_model)
        context = self._engine.info(model.base_model).max_context_length
        examples = examples_of(batch.data, base.config, context)
        with self._engine.training:
            done = run_pass(
                base.transformer, model.adapter, batch, examples, custom, forward_only=forward_only
            )
        if done.gradients is not None:
            total = done.gradients if model.gradients is None else model.gradients + done.gradients
            self._keep(model_id, replace(model, gradients=total))
        return _output(done, examples)

    def _compile(self, request: CreateCustomLossRequest) -> CompiledLoss:
        """The uploaded loss, rebuilt once."""
        known = self._compiled.get(id(request))
        if known is None:
            known = self._compiled[id(request)] = (request, compile_loss(request))
        return known[1]

    def optim_step(self, model_id: ModelID, params: OptimParams) -> OptimStepResponse:
        """Apply the accumulated gradients and clear them; without any, they count as zero.

        The metric `grad_norm` is the adapter's global gradient norm before clipping.

        Raises:
            RequestFailure: for parameters that AdamW cannot use, or gradients that are not finite; nothing is
                changed.
        """
        model = self._model(model_id)
        with self._engine.training, torch.inference_mode():
            flat, moments, metrics = adamw_step(model.adapter.flat, model.gradients, model.moments, params)
        adapter = Adapter(model.adapter.layout, flat)
        self._keep(model_id, replace(model, adapter=adapter, moments=moments, gradients=None))
        return OptimStepResponse(metrics=metrics)

    def save_weights(self, model_id: ModelID, *, optimizer: bool) -> Weights:
        """The model's weights as they are now, with its optimizer's state if asked; nothing is copied.

        They stay in memory up to a limit, and beyond it on disk, until nobody refers to them any more.
        """
        model = self._model(model_id)
        return self._save(weights_of(model, self._origin(model.base_model).content_hash, optimizer=optimizer))

    def load_weights(self, model_id: ModelID, weights: Weights, *, optimizer: bool) -> None:
        """Replace a model's weights, and with `optimizer` its optimizer's state, else start that afresh.

        Accumulated gradients are dropped.

        Raises:
            RequestFailure: if they are of another base model or adapter shape, or lack the state asked for.
        """
        model = self._model(model_id)
        given = self._own(weights)
        _check_fits(given, self._engine.model(model.base_model))
        if given.layout.key != model.adapter.layout.key:
            raise RequestFailure(
                f"weights: expected an adapter of {_told(model.adapter.layout)}, got {_told(given.layout)}"
            )
        if optimizer and given.moments is None:
            raise RequestFailure(
                "weights: expected an optimizer state, got none; load them without, or save a training state"
            )
        moments = given.moments if optimizer else None
        loaded = TrainedModel(
            model.base_model,
            given.adapter,
            moments or Moments.fresh(given.flat),
            given.seed,
        )
        self._keep(model_id, loaded)

    def read_weights(self, files: Mapping[str, bytes]) -> Weights:
        """Weights from the files that `Weights.files` gave.

        Raises:
            RequestFailure: naming the file that is missing or malformed, or an unknown base model.
        """
        return self._save(read_weights(files, self._origin).on(self._engine.device))

    def _save(self, weights: AdapterWeights) -> SavedWeights:
        saved = SavedWeights.on(self._engine.shelf, weights)
        self._saved.add(saved.place)
        return saved

    def _origin(self, base_model: str) -> Origin:
        base = self._engine.model(base_model)
        return Origin(base.config, base.content_hash)

    def sample(
        self, base_model: str, weights: Weights | None, request: SampleRequest
    ) -> Future[SampleResponse]:
        """Sample from a base model, or from it with `weights`.

        Raises:
            RequestFailure: for an unknown base model, weights of another one, or parameters out of range.
        """
        base = self._engine.model(base_model)
        info = self._engine.info(base_model)
        adapter = None
        if weights is not None:
            given = self._own(weights)
            _check_fits(given, base)
            adapter = given.adapter
        tokens = token_ids(request.prompt, base.config, "prompt")
        max_tokens = check_request(request, tokens, info)
        params = request.sampling_params
        rule = StopRule.of(params, info.end_of_text_ids, base.tokenizer)
        ask = Ask(
            request=request,
            tokens=tokens,
            adapter=adapter,
            client=(id(self), request.sampling_session_id),
            rule=rule,
            max_tokens=max_tokens,
            seed=self._sampling_seed(request),
            raw=self._raw,
            scores=PromptScores.of(request, tokens, self._sampling_seed(request)),
        )
        self._asked.add(ask.future)
        self._engine.submit(base, ask)
        return ask.future

    def _sampling_seed(self, request: SampleRequest) -> int:
        """The request's seed, else one that derives from the backend's and the request's ids."""
        if request.sampling_params.seed is not None:
            return request.sampling_params.seed
        return derived_seed(self._seed, f"{request.sampling_session_id}:{request.seq_id}")

    def state(self) -> TorchState:
        """All models as they are now, and the seed; nothing is copied.

        Whoever has the state may have the weights that were saved so far, too: they are not dropped by
        `close` from then on, but when nobody refers to them any more.
        """
        self._saved.clear()
        kept = {}
        for name, place in self._models.items():
            model = place.get()
            kept[name] = self._engine.shelf.place(model), self._origin(model.base_model).content_hash
        return TorchState(self._seed, kept)

    def restore(self, state: BackendState) -> None:
        """Be as a torch backend was when the state was taken.

        Raises:
            RequestFailure: for a state of another backend, or of base models that this one does not have.
        """
        given = state if isinstance(state, TorchState) else self.read_state(state.files())
        models = {}
        for name, (place, base_hash) in given.models.items():
            models[name] = model = place.get()
            ours = self._origin(model.base_model).content_hash
            if ours != base_hash:
                raise RequestFailure(
                    f"state: expected models on {model.base_model} with the hash {ours[:12]}..., "
                    f"got {base_hash[:12]}..."
                )
        self.reset(given.seed)
        for name, model in models.items():
            self._keep(name, model)

    def read_state(self, files: Mapping[str, bytes]) -> TorchState:
        """A state from the files that `TorchState.files` gave.

        Raises:
            RequestFailure: naming the file that is missing or malformed, or an unknown base model.
        """
        return read_state(files, self._origin, self._engine.device, self._engine.shelf)

    def reset(self, seed: int) -> None:
        """Forget all models, and derive from another seed from now on."""
        for model in self._models.values():
            model.drop()
        self._models.clear()
        self._seed = seed

    def close(self) -> None:
        """Cancel the tenant's samples, and forget its models and saved weights."""
        for future in list(self._asked):
            future.cancel()
        self._engine.wake()
        self.reset(self._seed)
        for saved in list(self._saved):
            saved.drop()

    def _place(self, model_id: ModelID) -> Place[TrainedModel]:
        if model_id not in self._models:
            raise RequestFailure(f"no model {model_id!r}; create it first")
        return self._models[model_id]

    def _model(self, model_id: ModelID) -> TrainedModel:
        return self._place(model_id).get()

    def _keep(self, model_id: ModelID, model: TrainedModel) -> None:
        if model_id in self._models:
            self._models[model_id].put(model)
        else:
            self._models[model_id] = self._engine.shelf.place(model)

    def _own(self, weights: Weights) -> AdapterWeights:
        if isinstance(weights, SavedWeights):
            return weights.whole()
        return read_weights(weights.files(), self._origin).on(self._engine.device)


def _check_fits(weights: AdapterWeights, base: BaseModel) -> None:
    """Refuse weights of another base model."""
    if weights.base_hash not in ("", base.content_hash):
        raise RequestFailure(
            f"weights: expected those of the base model with the hash {base.content_hash[:12]}..., "
            f"got those of {weights.base_model} with {weights.base_hash[:12]}..."
        )


def _told(layout: AdapterLayout) -> str:
    parts = [name for name in ("train_attn", "train_mlp", "train_unembed") if getattr(layout, name)]
    return f"rank {layout.rank} on {', '.join(parts)}"


def derived_seed(seed: int, text: str) -> int:
    """A 63-bit seed that derives from another one and a name."""
    digest = blake2b(f"{seed}:{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _number_in_session(model_id: ModelID) -> str:
    """What follows the session in the id of a model; all of an id that names no session."""
    return model_id.partition(":")[2] or model_id


def _check_lora(lora: LoraConfig, base: BaseModel) -> None:
    """Refuse an adapter that cannot be, or would be larger than the matrices it adapts."""
    check_adapter(lora)
    most = base.config.hidden_size * 4
    if lora.rank > most:
        raise RequestFailure(
            f"lora_config.rank: expected 1 to {most}, four times the width of the base model, got {lora.rank}"
        )
    if lora.seed is not None and not -(2**63) <= lora.seed < 2**64:
        raise RequestFailure(f"lora_config.seed: expected an integer of 64 bits, got {lora.seed}")


def _output(done: Pass, examples: Sequence[Example]) -> ForwardBackwardOutput:
    flat, start, outputs = done.logprobs.cpu().numpy(), 0, []
    for example in examples:
        own = flat[start : start + example.targets.size].reshape(example.targets.shape)
        outputs.append({"logprobs": TensorData.from_numpy(own)})
        start += example.targets.size
    return ForwardBackwardOutput(
        loss_fn_output_type="ArrayRecord", loss_fn_outputs=outputs, metrics=done.metrics
    )


class TorchFactory:
    """Opens tenants' backends; those of equal options share an engine."""

    def __init__(self) -> None:
        self._engines: dict[BackendOptions, Engine] = {}
        self._lock = threading.Lock()

    def __call__(self, options: BackendOptions) -> Backend:
        """Open a backend for one tenant.

        Raises:
            LookupError, ValueError, OSError: for options that cannot be honoured.
        """
        shared = replace(options, seed=0, strict_losses=False, raw_logprobs=False)
        with self._lock:
            if shared not in self._engines:
                self._engines[shared] = Engine(shared)
            return TorchBackend(self._engines[shared], options)


open_torch = TorchFactory()
"""The entry point `torch` of the group `tinkerproof.backends`."""
