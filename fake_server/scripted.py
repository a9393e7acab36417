"""`ScriptedBackend`: trains and samples in microseconds, and every number is a stated pure function.

The model is the sparse bigram-context model of `fake_server.language`: a lot smaller than any real one, and
with real gradients, a real optimizer and exact probabilities. What it answers depends on the seed, the base
model, the model's earlier operations and the request; never on time, process, thread or machine.

Not as the real service: the model itself; images and audio are hashed, not seen; `stable_reinforce` follows a
formula of ours (`fake_server.scripted_loss`); string stops are matched against scripted text except for
`tinkerproof/pico` (`fake_server.scripted_text`); nothing is recorded for `record_stability_info`, so
`stable_reinforce` reads the provenance spans only; uploaded losses are refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, prod

import numpy as np

from contract import (
    Backend,
    BackendOptions,
    BackendState,
    BaseModelInfo,
    CreateCustomLossRequest,
    Datum,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    LoraConfig,
    LossFnOutput,
    ModelID,
    OptimizerConfig,
    OptimParams,
    OptimStepResponse,
    RequestFailure,
    SampleRequest,
    SampleResponse,
    TensorData,
    Weights,
    adam_params,
    check_adapter,
    check_data,
    ids_in_vocabulary,
    loss_settings,
)
from fake_server.base_models import BaseModel, find_base_model, known_base_models
from fake_server.elementary import Floats, Ints
from fake_server.language import START, TOKEN_BITS, Language, contexts_of
from fake_server.scripted_batch import Layout, flat
from fake_server.scripted_loss import token_terms
from fake_server.scripted_optimizer import Gradients, adamw_step
from fake_server.scripted_options import check_options
from fake_server.scripted_sampling import Sampler
from fake_server.scripted_state import Model, ScriptedState, read_state
from fake_server.scripted_tokens import tokens_of_all
from fake_server.scripted_weights import Moments, ScriptedWeights, fresh_weights, read_weights

__all__ = ["ScriptedBackend", "open_scripted"]


def open_scripted(options: BackendOptions) -> Backend:
    """A scripted backend for one tenant.

    Raises:
        ValueError: naming an option that it cannot honour.
    """
    check_options(options)
    return ScriptedBackend(options)


@dataclass(frozen=True, slots=True)
class Targets:
    """All targets of a batch, end to end."""

    keys: Ints
    """`context << TOKEN_BITS | token` of each, `[M]`."""
    layout: Layout
    shapes: list[tuple[int, ...]]
    """Of each datum's targets, `[N]` or `[N, K]`."""


class ScriptedBackend:
    """A backend without a neural network."""

    concurrent = False

    def __init__(self, options: BackendOptions) -> None:
        self._seed = options.seed
        self._bases = known_base_models(options.base_models)
        self._models: dict[ModelID, Model] = {}

    def base_models(self) -> Sequence[BaseModelInfo]:
        """The base models, in the order to list them."""
        return [model.info for model in self._bases.values()]

    def create_model(
        self, model_id: ModelID, base_model: str, lora: LoraConfig, optimizer: OptimizerConfig
    ) -> None:
        """Create a model with a fresh adapter: until it is trained it equals its base model.

        Raises:
            RequestFailure: for an unknown base model, an optimizer other than adamw, or an empty adapter.
        """
        base = find_base_model(self._bases, base_model)
        if optimizer.type != "adamw":
            raise RequestFailure(
                f"optimizer_config.type: expected 'adamw', got {optimizer.type!r}; "
                "the scripted backend has no other optimizer"
            )
        check_adapter(lora)
        self._models[model_id] = Model(base, fresh_weights(self._seed, base.name, lora))

    def unload_model(self, model_id: ModelID) -> None:
        """Forget a model."""
        self._model(model_id)
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

        The metrics are `loss:sum`, the loss, and `tokens:sum`, the number of input tokens. A `cross_entropy`
        without weights weighs every target 1; sparse targets are weighed 1 where they list something.

        Raises:
            RequestFailure: for an uploaded loss, or data that the loss cannot read; nothing is changed.
        """
        model = self._model(model_id)
        if custom_loss is not None or batch.loss_fn == "custom":
            raise RequestFailure(
                "loss_fn: expected a built-in loss, got 'custom'; the scripted backend does not run uploaded "
                "losses: leave the client flag custom_loss_server_side off, so that forward_backward_custom "
                "computes them at the client, or use a backend that runs them"
            )
        settings = loss_settings(batch.loss_fn, batch.loss_fn_config)
        inputs = tokens_of_all([datum.model_input for datum in batch.data], model.base, "model_input")
        check_data(batch.loss_fn, batch.data)
        targets = _targets(batch.data, *inputs, model.base)
        table = model.weights.table(Language.of(self._seed, model.base))
        logprobs = table.logprobs_of_pairs(targets.keys)
        terms = token_terms(batch.loss_fn, batch.data, logprobs, targets.layout, settings)
        loss = _sum(terms.values)
        if not forward_only:
            gradients = _gradients(targets.keys, terms.slopes)
            self._models[model_id] = replace(model, pending=(*model.pending, *gradients))
        return ForwardBackwardOutput(
            loss_fn_output_type="ArrayRecord",
            loss_fn_outputs=_outputs(targets, logprobs),
            metrics={"loss:sum": loss, "tokens:sum": float(len(inputs[0]))},
        )

    def optim_step(self, model_id: ModelID, params: OptimParams) -> OptimStepResponse:
        """Apply the accumulated gradients and clear them; without any, they count as zero.

        The metric `grad_norm` is the global gradient norm before clipping.

        Raises:
            RequestFailure: for parameters that AdamW cannot use; nothing is changed.
        """
        model = self._model(model_id)
        adam = adam_params(params)
        table = model.weights.table(Language.of(self._seed, model.base))
        weights, norm = adamw_step(model.weights, table, list(model.pending), adam)
        self._models[model_id] = Model(model.base, weights)
        return OptimStepResponse(metrics={"grad_norm": norm})

    def save_weights(self, model_id: ModelID, *, optimizer: bool) -> Weights:
        """The model's weights as they are now, with its optimizer's state if asked; nothing is copied."""
        weights = self._model(model_id).weights
        return weights if optimizer else weights.without_optimizer()

    def load_weights(self, model_id: ModelID, weights: Weights, *, optimizer: bool) -> None:
        """Replace a model's weights, and with `optimizer` its optimizer's state, else start that afresh.

        Accumulated gradients are dropped. The speed at which an adapter learns comes with its weights.

        Raises:
            RequestFailure: if they are of another base model or adapter shape, or lack the state asked for.
        """
        model = self._model(model_id)
        given = self._own(weights)
        ours = model.weights
        if (given.base_model, given.rank, given.parts) != (ours.base_model, ours.rank, ours.parts):
            raise RequestFailure(f"weights: expected those of {_told(ours)}, got those of {_told(given)}")
        moments = given.moments if optimizer else Moments(*np.zeros((2, len(given.pairs.keys))))
        if moments is None:
            raise RequestFailure(
                "weights: expected an optimizer state, got none; load them without, or save a training state"
            )
        self._models[model_id] = Model(model.base, replace(given, moments=moments))

    def read_weights(self, files: Mapping[str, bytes]) -> Weights:
        """Weights from the files that `Weights.files` gave.

        Raises:
            RequestFailure: naming the file that is missing or malformed, or an unknown base model.
        """
        weights = read_weights(files)
        vocab_size = find_base_model(self._bases, weights.base_model).vocab_size
        ids_in_vocabulary(weights.pairs.keys & (START - 1), vocab_size, "weights")
        return weights

    def sample(self, base_model: str, weights: Weights | None, request: SampleRequest) -> SampleResponse:
        """Sample from a base model, or from it with `weights`.

        Raises:
            RequestFailure: for an unknown base model, weights of another one, or parameters out of range.
        """
        base = find_base_model(self._bases, base_model)
        given = None if weights is None else self._own(weights)
        if given is not None and given.base_model != base.name:
            raise RequestFailure(f"weights: expected those of {base.name}, got those of {given.base_model}")
        return Sampler(self._seed, base, given).sample(request)

    def state(self) -> ScriptedState:
        """All models as they are now, and the seed; their arrays are shared."""
        return ScriptedState(self._seed, dict(self._models))

    def restore(self, state: BackendState) -> None:
        """Be as a scripted backend was when the state was taken.

        Raises:
            RequestFailure: for a state of another backend, or of base models that this one does not have.
        """
        given = state if isinstance(state, ScriptedState) else self.read_state(state.files())
        for base_model in {model.base.name for model in given.models.values()}:
            find_base_model(self._bases, base_model)
        self._seed = given.seed
        self._models = dict(given.models)

    def read_state(self, files: Mapping[str, bytes]) -> ScriptedState:
        """A state from the files that `ScriptedState.files` gave.

        Raises:
            RequestFailure: naming the file that is missing or malformed, or an unknown base model.
        """
        return read_state(files, self._bases)

    def reset(self, seed: int) -> None:
        """Forget all models; the seed makes other base models, too."""
        self.restore(ScriptedState(seed))

    def close(self) -> None:
        """Nothing to give back."""

    def _model(self, model_id: ModelID) -> Model:
        if model_id not in self._models:
            raise RequestFailure(f"no model {model_id!r}; create it first")
        return self._models[model_id]

    def _own(self, weights: Weights) -> ScriptedWeights:
        return weights if isinstance(weights, ScriptedWeights) else read_weights(weights.files())


def _told(weights: ScriptedWeights) -> str:
    return f"{weights.base_model} of rank {weights.rank} on {'+'.join(weights.parts)}"


def _targets(data: list[Datum], tokens: Ints, inputs: Layout, base: BaseModel) -> Targets:
    """The targets of checked data, whose input `tokens` lie end to end as `inputs` says."""
    given = [datum.loss_fn_inputs["target_tokens"] for datum in data]
    shapes = [tensor.dimensions for tensor in given]
    layout = Layout.of([prod(shape) for shape in shapes])
    wanted = np.concatenate([flat(tensor) for tensor in given])
    ids_in_vocabulary(wanted, base.vocab_size, "loss_fn_inputs['target_tokens']", layout.where)
    contexts = contexts_of(tokens, inputs.starts)
    if layout.sizes != inputs.sizes:  # several targets a position
        widths = np.array([prod(shape[1:]) for shape in shapes])
        contexts = np.repeat(contexts, inputs.spread(widths))
    return Targets(contexts << TOKEN_BITS | wanted, layout, shapes)


def _outputs(targets: Targets, logprobs: Floats) -> list[LossFnOutput]:
    """The logprobs of each datum, in the shape of its targets."""
    parts = targets.layout.split(logprobs.astype(np.float32))
    return [
        {"logprobs": TensorData.of_values(part, "float32", list(shape))}
        for part, shape in zip(parts, targets.shapes, strict=True)
    ]


def _sum(values: Floats) -> float:
    """The exact sum, rounded once: the same in whatever order."""
    try:
        return fsum(values.tolist())
    except OverflowError:
        raise RequestFailure("loss: expected a finite sum, got one beyond the range of float64") from None


def _gradients(keys: Ints, slopes: Floats) -> tuple[Gradients, ...]:
    """The derivatives that are not 0, each with its pair; nothing where all are 0."""
    moving = slopes != 0
    return (Gradients(keys[moving], slopes[moving]),) if moving.any() else ()
