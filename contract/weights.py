"""Checkpoints, training runs, and how weights are saved, loaded, listed and shared.

Source: sdk 0.38.0 types/{save_weights*,load_weights*,checkpoint*,training_run*,copy_weights*}.py.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from contract.ids import CheckpointType, ModelID
from contract.model import Since, WireModel, WireResponse
from contract.sampling import SamplingClientKind
from contract.training import AdamOptimizerConfig, OptimizerConfig

__all__ = [
    "AccessScope",
    "Checkpoint",
    "CheckpointArchiveUrlResponse",
    "CheckpointRequest",
    "CheckpointsListResponse",
    "CopyWeightsRequest",
    "CopyWeightsResponse",
    "Cursor",
    "ExternalWeightsUrlsResponse",
    "GetTrainingRunRequest",
    "ListCheckpointsRequest",
    "ListTrainingRunsRequest",
    "ListUserCheckpointsRequest",
    "LoadWeightsRequest",
    "LoadWeightsResponse",
    "SaveWeightsExternalRequest",
    "SaveWeightsExternalResponse",
    "SaveWeightsExternalResponseInternal",
    "SaveWeightsForSamplerRequest",
    "SaveWeightsForSamplerResponse",
    "SaveWeightsForSamplerResponseInternal",
    "SaveWeightsRequest",
    "SaveWeightsResponse",
    "SetCheckpointTtlRequest",
    "TrainingRun",
    "TrainingRunsResponse",
    "WeightsInfoRequest",
    "WeightsInfoResponse",
]

AccessScope = Literal["owned", "accessible"]


class SaveWeightsRequest(WireModel):
    """Save a model's weights and optimizer state."""

    model_id: ModelID
    path: str | None = None
    """Name of the checkpoint, without slashes; absent lets the server choose."""
    seq_id: Annotated[int | None, Since("0.3.0")] = None
    """Place of the operation in the model's order, from 1."""
    ttl_seconds: Annotated[int | None, Since("0.9.0")] = None
    """Life in seconds, one hour to ten years; absent means for ever."""
    overwrite: Annotated[bool, Since("0.20.0")] = False
    """Whether a checkpoint of that name may be replaced."""
    user_metadata: Annotated[dict[str, str] | None, Since("0.27.1")] = None
    """Anything the user wants to keep with the checkpoint."""
    type: Literal["save_weights"] = "save_weights"


class SaveWeightsResponse(WireResponse):
    """Where the weights are."""

    path: str
    """Tinker path of the checkpoint."""
    type: Literal["save_weights"] | None = None


class SaveWeightsForSamplerRequest(WireModel):
    """Save a model's weights for sampling, under a name or straight into a new sampler."""

    model_id: ModelID
    path: str | None = None
    """Name of the checkpoint; absent for a sampler without one."""
    sampling_session_seq_id: Annotated[int | None, Since("0.3.0")] = None
    """Number of the sampler to open, where no name is given."""
    kind: Annotated[SamplingClientKind, Since("0.38.0")] = "snapshot"
    """Whether the sampler keeps these weights or follows the model's later inflight saves."""
    seq_id: Annotated[int | None, Since("0.3.0")] = None
    """Place of the operation in the model's order, from 1."""
    ttl_seconds: Annotated[int | None, Since("0.9.0")] = None
    """Life in seconds, one hour to ten years; absent means for ever."""
    user_metadata: Annotated[dict[str, str] | None, Since("0.27.1")] = None
    """Anything the user wants to keep with the checkpoint."""
    type: Literal["save_weights_for_sampler"] = "save_weights_for_sampler"


class SaveWeightsForSamplerResponseInternal(WireResponse):
    """Where the weights are, as it crosses the wire: one of the two is set."""

    path: str | None = None
    """Tinker path, where a name was given."""
    sampling_session_id: Annotated[str | None, Since("0.3.0")] = None
    """The new sampler, where none was."""
    type: Literal["save_weights_for_sampler"] | None = None


class SaveWeightsForSamplerResponse(WireResponse):
    """Where the weights are, as the client hands it to its user."""

    path: str
    """Tinker path of the checkpoint."""
    type: Literal["save_weights_for_sampler"] | None = None


class SaveWeightsExternalRequest(WireModel):
    """Save a model's weights as files that others can read."""

    model_id: ModelID
    path: str
    """Name of the checkpoint."""
    seq_id: int | None = None
    """Place of the operation in the model's order, from 1."""
    ttl_seconds: int | None = None
    """Life in seconds, one hour to ten years; absent means for ever."""
    age_encryption_recipients: Annotated[list[str] | None, Since("0.33.0")] = None
    """Public keys (`age1…` or SSH) to encrypt every file to; absent means plain files."""
    type: Literal["save_weights_external"] = "save_weights_external"


class SaveWeightsExternalResponseInternal(WireResponse):
    """Where the files are, as it crosses the wire."""

    path: str | None = None
    """Tinker path of the checkpoint."""
    size_bytes: int | None = None
    """Sum of the files' sizes."""
    type: Literal["save_weights_external"] | None = None


class SaveWeightsExternalResponse(WireResponse):
    """Where the files are, as the client hands it to its user."""

    path: str
    """Tinker path of the checkpoint."""
    type: Literal["save_weights_external"] | None = None


class LoadWeightsRequest(WireModel):
    """Load weights into a model, or create a model from them.

    Either `model_id` and `seq_id` name an existing model, or `session_id` and `model_seq_id` a new one.
    """

    model_id: ModelID | None = None
    """The model to load into."""
    seq_id: Annotated[int | None, Since("0.3.0")] = None
    """Place of the operation in the model's order, from 1."""
    session_id: Annotated[str | None, Since("0.24.1")] = None
    """The session of the new model."""
    model_seq_id: Annotated[int | None, Since("0.24.1")] = None
    """The new model's number in its session."""
    base_model: Annotated[str | None, Since("0.24.1")] = None
    """Another base model than the checkpoint's; it must be compatible."""
    user_metadata: Annotated[dict[str, Any] | None, Since("0.24.1")] = None
    """Anything the user wants to keep with the new training run."""
    path: str
    """Tinker path of the weights."""
    optimizer: Annotated[bool, Since("0.6.0")]
    """Whether the optimizer's state comes too."""
    optimizer_config: Annotated[OptimizerConfig | None, Since("0.29.1")] = None
    """Optimizer family of a new model that starts without optimizer state."""
    weights_access_token: Annotated[str | None, Since("0.18.0")] = None
    """Token for weights of another account."""
    type: Literal["load_weights"] = "load_weights"


class LoadWeightsResponse(WireResponse):
    """The weights are loaded."""

    path: str | None = None
    """Tinker path of the weights."""
    model_id: Annotated[str | None, Since("0.24.1")] = None
    """The model they are in."""
    type: Literal["load_weights"] | None = None


class WeightsInfoRequest(WireModel):
    """Ask what a checkpoint's model is."""

    tinker_path: str


class WeightsInfoResponse(WireResponse):
    """What one needs to know to load a checkpoint."""

    base_model: str
    """Name of its base model."""
    optimizer_config: Annotated[OptimizerConfig, Since("0.29.1")] = AdamOptimizerConfig()
    """Its optimizer family."""
    is_lora: bool
    """Whether it is an adapter."""
    lora_rank: int | None = None
    """The adapter's rank."""
    train_unembed: Annotated[bool | None, Since("0.8.0")] = None
    train_mlp: Annotated[bool | None, Since("0.8.0")] = None
    train_attn: Annotated[bool | None, Since("0.8.0")] = None


class Checkpoint(WireResponse):
    """A saved checkpoint."""

    checkpoint_id: str
    """Segment and name, for example `weights/0001`."""
    checkpoint_type: CheckpointType
    """What it is for: training, sampler or external."""
    time: datetime
    """When it was saved."""
    tinker_path: str
    """Its path."""
    size_bytes: Annotated[int | None, Since("0.4.0")] = None
    """Its size."""
    public: Annotated[bool, Since("0.4.0")] = False
    """Whether others may read it."""
    user_metadata: Annotated[dict[str, str] | None, Since("0.26.2")] = None
    """What the user kept with it."""
    expires_at: Annotated[datetime | None, Since("0.9.0")] = None
    """When it goes away; absent means never."""


class Cursor(WireResponse):
    """Where a page is in the whole list."""

    offset: int
    """Items before the page."""
    limit: int
    """Most items the page can have."""
    total_count: int
    """Items in the whole list."""


class CheckpointsListResponse(WireResponse):
    """Checkpoints, newest first."""

    checkpoints: list[Checkpoint]
    cursor: Annotated[Cursor | None, Since("0.4.0")] = None
    """Absent where the list is whole."""


class TrainingRun(WireResponse):
    """A model as a resource that outlives it."""

    training_run_id: str
    """The model's id."""
    base_model: str
    """Name of its base model."""
    model_owner: str
    """Who created it."""
    is_lora: bool
    """Whether it is an adapter."""
    corrupted: bool = False
    """Whether its state can no longer be used."""
    lora_rank: int | None = None
    """The adapter's rank."""
    last_request_time: datetime
    """When it was last used."""
    last_checkpoint: Checkpoint | None = None
    """Its newest training checkpoint."""
    last_sampler_checkpoint: Checkpoint | None = None
    """Its newest sampler checkpoint."""
    user_metadata: Annotated[dict[str, str] | None, Since("0.2.0")] = None
    """What the user kept with it."""


class TrainingRunsResponse(WireResponse):
    """Training runs, newest first."""

    training_runs: list[TrainingRun]
    cursor: Cursor


class ListTrainingRunsRequest(WireModel):
    """A page of training runs."""

    limit: int = 20
    offset: int = 0
    access_scope: Annotated[AccessScope, Since("0.15.0")] = "owned"
    project_id: Annotated[str | None, Since("0.22.6")] = None


class GetTrainingRunRequest(WireModel):
    """One training run."""

    training_run_id: str
    access_scope: Annotated[AccessScope, Since("0.15.0")] = "owned"


class ListCheckpointsRequest(WireModel):
    """All checkpoints of a training run."""

    training_run_id: str


class ListUserCheckpointsRequest(WireModel):
    """A page of all checkpoints of the caller."""

    limit: int = 100
    offset: int = 0


class CheckpointRequest(WireModel):
    """One checkpoint, named in the URL."""

    training_run_id: str
    segment: str
    """`weights`, `sampler_weights` or `external_weights`."""
    name: str

    @property
    def checkpoint_id(self) -> str:
        """Segment and name, for example `weights/0001`."""
        return f"{self.segment}/{self.name}"


class SetCheckpointTtlRequest(CheckpointRequest):
    """Give a checkpoint a new life."""

    ttl_seconds: int | None
    """Seconds from now, one hour to ten years; null means for ever."""


class CheckpointArchiveUrlResponse(WireResponse):
    """Where a checkpoint can be downloaded as one tar.gz file."""

    url: str
    """Signed URL."""
    expires: datetime
    """When the URL stops working."""


class ExternalWeightsUrlsResponse(WireResponse):
    """Where a checkpoint's files can be downloaded."""

    urls: dict[str, str]
    """Signed URL of each file, by its path below the checkpoint."""
    expires: datetime
    """When the URLs stop working."""


class CopyWeightsRequest(WireModel):
    """Copy a checkpoint, into a project or into a session's model slot."""

    session_id: str | None = None
    """The session that will own the copy; set with `model_seq_id`."""
    model_seq_id: int | None = None
    """The copy's place among the session's models."""
    destination_project_id: Annotated[str | None, Since("0.34.0")] = None
    """The project that will own the copy."""
    source_path: str
    """Tinker path of the weights."""
    ttl_seconds: int | None = None
    """The copy's life in seconds; the source's is not inherited."""
    weights_access_token: str | None = None
    """Token for weights of another account."""


class CopyWeightsResponse(WireResponse):
    """The copy."""

    tinker_path: str
    """Its path."""
