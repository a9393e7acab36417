"""Models and how they are trained: creation, forward and backward passes, optimizer steps.

Source: sdk 0.38.0 types/{create_model*,lora_config,optimizer,forward_backward*,optim_step*,get_info*}.py.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    ConfigDict,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from contract.ids import ModelID
from contract.inputs import Datum
from contract.losses import LossFnType
from contract.model import Since, WireModel, WireResponse
from contract.tensors import TensorData

__all__ = [
    "AdamOptimizerConfig",
    "AdamParams",
    "CreateCustomLossRequest",
    "CreateCustomLossResponse",
    "CreateModelRequest",
    "CreateModelResponse",
    "CustomLossGraph",
    "CustomLossInput",
    "CustomLossNode",
    "DimuonOptimizerConfig",
    "DimuonParams",
    "ForwardBackwardInput",
    "ForwardBackwardOutput",
    "ForwardBackwardRequest",
    "ForwardRequest",
    "GetInfoRequest",
    "GetInfoResponse",
    "LoraConfig",
    "LossFnOutput",
    "ModelData",
    "OptimParams",
    "OptimParamsBase",
    "OptimStepRequest",
    "OptimStepResponse",
    "OptimizerConfig",
    "OptimizerConfigBase",
    "UnloadModelRequest",
    "UnloadModelResponse",
]


class LoraConfig(WireModel):
    """The adapter of a new model."""

    rank: int
    """Inner dimension of the two low-rank matrices."""
    seed: int | None = None
    """Seed of the adapter's initial weights; the same seed gives the same adapter."""
    train_unembed: bool = True
    """Whether the output head gets an adapter."""
    train_mlp: bool = True
    """Whether the feed-forward layers, experts included, get adapters."""
    train_attn: bool = True
    """Whether the attention layers get adapters."""


class OptimizerConfigBase(WireModel):
    """An optimizer family by name, with whatever fields that family has."""

    model_config = ConfigDict(extra="allow")

    type: str
    """Name of the family."""


class AdamOptimizerConfig(OptimizerConfigBase):
    """AdamW, the default family."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["adamw"] = "adamw"


class DimuonOptimizerConfig(OptimizerConfigBase):
    """Dimuon, a family whose maths is not published."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["dimuon"] = "dimuon"
    version: Literal[1] = 1


OptimizerConfig = AdamOptimizerConfig | DimuonOptimizerConfig | SerializeAsAny[OptimizerConfigBase]


class AdamParams(WireModel):
    """Hyperparameters of one AdamW step."""

    learning_rate: float = 0.0001
    """Step size."""
    beta1: float = 0.9
    """Decay of the running mean of gradients."""
    beta2: float = 0.95
    """Decay of the running mean of squared gradients."""
    eps: float = 1e-12
    """Added to the denominator so that it is never zero."""
    weight_decay: Annotated[float, Since("0.7.0")] = 0.0
    """Decoupled weight decay: weights shrink by `learning_rate * weight_decay`."""
    grad_clip_norm: Annotated[float, Since("0.7.0")] = 0.0
    """Largest allowed global gradient norm; 0 means no clipping."""


class OptimParamsBase(WireModel):
    """Hyperparameters of one step of a family other than Adam."""

    model_config = ConfigDict(extra="allow")

    type: str
    """Name of the family."""


class DimuonParams(OptimParamsBase):
    """Hyperparameters of one Dimuon step."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    type: Literal["dimuon"] = "dimuon"
    learning_rate: float = Field(ge=0)
    """Step size."""
    grad_clip_norm: float = 0.0
    """Largest allowed global gradient norm; 0 or less means no clipping."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the momentum."""


OptimParams = AdamParams | DimuonParams | SerializeAsAny[OptimParamsBase]


class CreateModelRequest(WireModel):
    """Create a model with a fresh adapter in a session."""

    session_id: Annotated[str, Since("0.3.0")]
    """The session that owns the model."""
    model_seq_id: Annotated[int, Since("0.3.0")]
    """Counts the session's models from 0; a repeat is a replay."""
    base_model: str
    """Name of the frozen model below the adapter."""
    user_metadata: Annotated[dict[str, Any] | None, Since("0.2.0")] = None
    """Anything the user wants to keep with the training run."""
    lora_config: LoraConfig | None = None
    """The adapter."""
    optimizer_config: Annotated[OptimizerConfig, Since("0.29.1")] = AdamOptimizerConfig()
    """The optimizer family, fixed for the model's life."""
    type: Literal["create_model"] = "create_model"


class CreateModelResponse(WireResponse):
    """The new model."""

    model_id: ModelID
    type: Literal["create_model"] = "create_model"


class ForwardBackwardInput(WireModel):
    """A batch and the loss to compute on it."""

    data: list[Datum]
    """The examples; outputs come back in the same order."""
    loss_fn: LossFnType | str
    """Name of the loss, a row of `contract.losses`; unknown names fail the future."""
    loss_fn_config: Annotated[dict[str, float | str] | None, Since("0.3.0")] = None
    """Settings of the loss, for example `clip_low_threshold` of `ppo`."""


class ForwardBackwardRequest(WireModel):
    """Compute a loss and add its gradients to the model's."""

    forward_backward_input: ForwardBackwardInput
    model_id: ModelID
    seq_id: Annotated[int | None, Since("0.3.0")] = None
    """Place of the operation in the model's order, from 1."""
    forward_only: Annotated[bool, Since("0.22.3")] = False
    """Compute the loss without gradients; on the wire in protobuf only."""


class ForwardRequest(WireModel):
    """Compute a loss without gradients, as clients up to 0.24.1 ask for it."""

    forward_input: ForwardBackwardInput
    model_id: ModelID
    seq_id: Annotated[int | None, Since("0.3.0")] = None
    """Place of the operation in the model's order, from 1."""


LossFnOutput = dict[str, TensorData]


class ForwardBackwardOutput(WireResponse):
    """What a loss gave."""

    loss_fn_output_type: str
    """Kind of the per-datum records, for example `ArrayRecord`."""
    loss_fn_outputs: list[LossFnOutput]
    """One record per datum, in request order; `logprobs` has the shape of the targets."""
    metrics: dict[str, float] = {}
    """Numbers by `name:reduction`; the reduction says how chunks are combined."""


class OptimStepRequest(WireModel):
    """Apply the accumulated gradients and clear them."""

    optim_params: OptimParams = Field(
        validation_alias=AliasChoices("optim_params", "adam_params", "optimizer_params")
    )
    """Hyperparameters; `adam_params` on the wire for Adam, `optimizer_params` for other families."""
    model_id: ModelID
    seq_id: Annotated[int | None, Since("0.3.0")] = None
    """Place of the operation in the model's order, from 1."""
    type: Literal["optim_step"] = "optim_step"

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        if "optim_params" in fields:
            adam = isinstance(self.optim_params, AdamParams)
            fields["adam_params" if adam else "optimizer_params"] = fields.pop("optim_params")
        return fields


class OptimStepResponse(WireResponse):
    """An optimizer step was applied."""

    metrics: dict[str, float] | None = None
    """Numbers about the step, for example the gradient norm."""


class GetInfoRequest(WireModel):
    """Ask what a model is."""

    model_id: ModelID
    type: Literal["get_info"] = "get_info"


class ModelData(WireResponse):
    """Facts about a base model."""

    arch: str | None = None
    """Architecture, for example `qwen3`."""
    model_name: str | None = None
    """Name of the base model."""
    tokenizer_id: Annotated[str | None, Since("0.3.0")] = None
    """What the client hands to transformers' `AutoTokenizer`: a hub name or a local folder."""


class GetInfoResponse(WireResponse):
    """What a model is."""

    type: Literal["get_info"] | None = None
    model_data: ModelData
    """Facts about its base model."""
    model_id: ModelID
    optimizer_config: Annotated[OptimizerConfig, Since("0.29.1")] = AdamOptimizerConfig()
    """Its optimizer family."""
    is_lora: bool | None = None
    """Whether it is an adapter."""
    lora_rank: int | None = None
    """The adapter's rank."""
    model_name: str | None = None
    """Name of the base model, again."""


class UnloadModelRequest(WireModel):
    """Drop a model, as clients up to 0.25.0 may ask."""

    model_id: ModelID
    type: Literal["unload_model"] = "unload_model"


class UnloadModelResponse(WireResponse):
    """The model is gone; its checkpoints stay."""

    model_id: ModelID
    type: Literal["unload_model"] | None = None


class CustomLossInput(WireModel):
    """One argument of an uploaded loss."""

    name: str
    """`logprobs`, or the key of `loss_fn_inputs` that it reads."""
    rank: Literal[0, 1, 2]
    """Number of dimensions every datum's value has."""


class CustomLossNode(WireModel):
    """One step of an uploaded loss, as torch.fx traces it."""

    op: Literal["placeholder", "get_attr", "call_function", "call_method", "call_module", "output"]
    name: str
    """Unique in the graph; later steps refer to it."""
    target: str
    """Parameter, function (`torch.exp`, `operator.mul`), method or attribute name, or `output`."""
    args: list[Any] = []
    """Arguments; anything but a JSON scalar, text or list is an object with one key such as `ref`."""
    kwargs: dict[str, Any] = {}
    """Keyword arguments, encoded in the same way."""


class CustomLossGraph(WireModel):
    """An uploaded loss as data: steps in the order they run."""

    format: Literal[1] = 1
    nodes: list[CustomLossNode]


class CreateCustomLossRequest(WireModel):
    """Upload a loss for use in `forward_backward` by its id."""

    session_id: str
    custom_loss_seq_id: int
    """Counts the session's losses from 0; a repeat is a replay."""
    name: str
    inputs: list[CustomLossInput]
    """Arguments in order, `logprobs` first."""
    graph: CustomLossGraph
    type: Literal["create_custom_loss"] = "create_custom_loss"


class CreateCustomLossResponse(WireResponse):
    """The uploaded loss."""

    loss_id: str
    """What `loss_fn_config` names under `loss_id`."""
    type: Literal["create_custom_loss"] = "create_custom_loss"
