"""`OPERATIONS`: one typed row per endpoint. Routes, OpenAPI and the README's table are made from it.

`Operation[Q, A]` answers an A to a Q at once; `Deferred[Q, A]` answers a promise of an A.
A handler is bound to a row, and the row's types are the handler's: anything else is a mypy error.
Source of `since` and `until`: the first and last SDK release that has the endpoint.
"""

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, cast

from contract import account as a
from contract import futures as f
from contract import sampling as smp
from contract import sessions as s
from contract import telemetry as tel
from contract import training as t
from contract import weights as w
from contract.model import WireModel

__all__ = ["OPERATIONS", "UNSERVED", "Deferred", "Endpoint", "Operation", "Unserved"]

Q = TypeVar("Q", bound=WireModel)
A = TypeVar("A")
Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What every row says."""

    name: str
    method: Method
    summary: str
    path: str = field(kw_only=True, default="")
    """Path below the base URL, `{field}` where a field of the request stands in it."""
    area: str = field(kw_only=True, default="")
    """Groups the rows of one subject."""
    since: str = field(kw_only=True, default="0.1.0")
    """First SDK release that has it."""
    until: str | None = field(kw_only=True, default=None)
    """Last SDK release that has it; None where the newest does."""

    @property
    def route(self) -> str:
        """The path; `/api/v1/<name>` where the row gives none."""
        return self.path or f"/api/v1/{self.name}"


@dataclass(frozen=True, slots=True)
class Operation(Endpoint, Generic[Q, A]):
    """An endpoint that answers at once."""

    request: type[Q]
    response: type[A]
    protobuf: bool = field(kw_only=True, default=False)
    """Whether the answer may be protobuf."""
    open: bool = field(kw_only=True, default=False)
    """Whether it answers without a credential."""


@dataclass(frozen=True, slots=True)
class Deferred(Endpoint, Generic[Q, A]):
    """An endpoint that answers a promise; `response` is the type of the result."""

    request: type[Q]
    response: type[A]
    protobuf: bool = field(kw_only=True, default=False)
    """Whether the body may be protobuf."""


@dataclass(frozen=True, slots=True)
class Unserved(Endpoint):
    """An endpoint that exists, and that makes no sense here."""

    reason: str
    """Why, and what to use in its place."""


RUN = "/api/v1/training_runs/{training_run_id}"
CHECKPOINT = f"{RUN}/checkpoints/{{segment}}/{{name}}"
SESSION = "/api/v1/sessions/{session_id}"
NOTHING = type(None)

# fmt: off
CLIENT_CONFIG = Operation("client_config", "POST", "Flags a client reads once.", a.ClientConfigRequest, a.ClientConfigResponse, path="/api/v1/client/config", since="0.18.0", area="service")
CLIENT_DYNAMIC_CONFIG = Operation("client_dynamic_config", "POST", "Flags a client reads again and again.", a.ClientConfigRequest, a.ClientDynamicConfigResponse, path="/api/v1/client/dynamic_config", since="0.25.0", area="service")
GET_SERVER_CAPABILITIES = Operation("get_server_capabilities", "GET", "The base models.", a.EmptyRequest, a.GetServerCapabilitiesResponse, area="service")
HEALTHZ = Operation("healthz", "GET", "Whether the server answers.", a.EmptyRequest, a.HealthResponse, open=True, area="service")
TELEMETRY = Operation("telemetry", "POST", "What a client reports of itself.", tel.TelemetrySendRequest, tel.TelemetryResponse, area="service")
AUTH_TOKEN = Operation("auth_token", "POST", "Exchange the key for a token.", a.AuthTokenRequest, a.AuthTokenResponse, path="/api/v1/auth/token", since="0.18.0", area="auth")
GET_API_KEY = Operation("get_api_key", "GET", "Describe the key.", a.EmptyRequest, a.ApiKeyResponse, path="/api/v1/auth/apikey/me", since="0.26.2", area="auth")
DELETE_API_KEY = Operation("delete_api_key", "DELETE", "Revoke the key.", a.EmptyRequest, NOTHING, path="/api/v1/auth/apikey/me", since="0.26.0", area="auth")
CREATE_SESSION = Operation("create_session", "POST", "Open a session.", s.CreateSessionRequest, s.CreateSessionResponse, since="0.3.0", area="sessions")
SESSION_HEARTBEAT = Operation("session_heartbeat", "POST", "Keep a session alive.", s.SessionHeartbeatRequest, s.SessionHeartbeatResponse, since="0.3.0", area="sessions")
FINISH_SESSION = Operation("finish_session", "POST", "End a session; the first end counts.", s.FinishSessionRequest, NOTHING, path=f"{SESSION}/finish", since="0.27.2", area="sessions")
LIST_SESSIONS = Operation("list_sessions", "GET", "A page of sessions, newest first.", s.ListSessionsRequest, s.ListSessionsResponse, path="/api/v1/sessions", since="0.5.0", area="sessions")
GET_SESSION = Operation("get_session", "GET", "What belongs to a session.", s.GetSessionRequest, s.GetSessionResponse, path=SESSION, since="0.5.0", area="sessions")
SEARCH_SESSIONS = Operation("search_sessions", "POST", "Find sessions.", s.SessionSearchRequest, s.SessionSearchResponse, path="/api/v1/sessions/search", since="0.36.0", area="sessions")
ASSIGN_SESSION_PROJECT = Operation("assign_session_project", "PUT", "Move a session to a project.", s.AssignSessionProjectRequest, NOTHING, path=f"{SESSION}/project", since="0.22.0", area="sessions")
EXPORT_TRACE = Operation("export_trace", "GET", "A session's operations as a file.", s.TraceExportRequest, s.TraceExportResponse, path=f"{SESSION}/trace_export", since="0.24.0", area="sessions")
CREATE_MODEL = Deferred("create_model", "POST", "Create a model with a fresh adapter.", t.CreateModelRequest, t.CreateModelResponse, area="training")
GET_INFO = Operation("get_info", "POST", "What a model is.", t.GetInfoRequest, t.GetInfoResponse, area="training")
UNLOAD_MODEL = Deferred("unload_model", "POST", "Drop a model.", t.UnloadModelRequest, t.UnloadModelResponse, until="0.25.0", area="training")
FORWARD_BACKWARD = Deferred("forward_backward", "POST", "Compute a loss and add its gradients.", t.ForwardBackwardRequest, t.ForwardBackwardOutput, protobuf=True, area="training")
FORWARD = Deferred("forward", "POST", "Compute a loss.", t.ForwardRequest, t.ForwardBackwardOutput, until="0.24.1", area="training")
OPTIM_STEP = Deferred("optim_step", "POST", "Apply the gradients and clear them.", t.OptimStepRequest, t.OptimStepResponse, area="training")
CREATE_CUSTOM_LOSS = Deferred("create_custom_loss", "POST", "Upload a loss.", t.CreateCustomLossRequest, t.CreateCustomLossResponse, since="0.36.0", area="training")
CREATE_SAMPLING_SESSION = Operation("create_sampling_session", "POST", "Open a sampler.", smp.CreateSamplingSessionRequest, smp.CreateSamplingSessionResponse, since="0.3.0", area="sampling")
JOIN_SAMPLING_SESSION = Operation("join_sampling_session", "POST", "Number one more client of a sampler.", smp.JoinSamplingSessionRequest, smp.JoinSamplingSessionResponse, since="0.32.0", area="sampling")
GET_SAMPLER = Operation("get_sampler", "GET", "What a sampler samples from.", smp.GetSamplerRequest, smp.GetSamplerResponse, path="/api/v1/samplers/{sampling_session_id}", since="0.6.0", area="sampling")
ASAMPLE = Deferred("asample", "POST", "Sample, or score a prompt.", smp.SampleRequest, smp.SampleResponse, area="sampling")
SAVE_WEIGHTS = Deferred("save_weights", "POST", "Save weights and optimizer state.", w.SaveWeightsRequest, w.SaveWeightsResponse, area="weights")
SAVE_WEIGHTS_FOR_SAMPLER = Deferred("save_weights_for_sampler", "POST", "Save weights to sample from.", w.SaveWeightsForSamplerRequest, w.SaveWeightsForSamplerResponseInternal, area="weights")
SAVE_WEIGHTS_EXTERNAL = Deferred("save_weights_external", "POST", "Save weights as files for others.", w.SaveWeightsExternalRequest, w.SaveWeightsExternalResponseInternal, since="0.28.0", area="weights")
LOAD_WEIGHTS = Deferred("load_weights", "POST", "Load weights into a model, or create one from them.", w.LoadWeightsRequest, w.LoadWeightsResponse, area="weights")
COPY_WEIGHTS = Operation("copy_weights", "POST", "Copy a checkpoint.", w.CopyWeightsRequest, w.CopyWeightsResponse, since="0.26.2", area="weights")
WEIGHTS_INFO = Operation("weights_info", "POST", "What a checkpoint's model is.", w.WeightsInfoRequest, w.WeightsInfoResponse, since="0.6.0", area="weights")
LIST_TRAINING_RUNS = Operation("list_training_runs", "GET", "A page of training runs, newest first.", w.ListTrainingRunsRequest, w.TrainingRunsResponse, path="/api/v1/training_runs", area="weights")
GET_TRAINING_RUN = Operation("get_training_run", "GET", "One training run.", w.GetTrainingRunRequest, w.TrainingRun, path=RUN, area="weights")
LIST_CHECKPOINTS = Operation("list_checkpoints", "GET", "A training run's checkpoints, newest first.", w.ListCheckpointsRequest, w.CheckpointsListResponse, path=f"{RUN}/checkpoints", area="weights")
LIST_MODEL_CHECKPOINTS = Operation("list_model_checkpoints", "GET", "The same, under its first name.", w.ListCheckpointsRequest, w.CheckpointsListResponse, path="/api/v1/models/{training_run_id}/checkpoints", until="0.3.0", area="weights")
LIST_USER_CHECKPOINTS = Operation("list_user_checkpoints", "GET", "A page of all checkpoints, newest first.", w.ListUserCheckpointsRequest, w.CheckpointsListResponse, path="/api/v1/checkpoints", since="0.4.0", area="weights")
DELETE_CHECKPOINT = Operation("delete_checkpoint", "DELETE", "Delete a checkpoint.", w.CheckpointRequest, NOTHING, path=CHECKPOINT, area="weights")
PUBLISH_CHECKPOINT = Operation("publish_checkpoint", "POST", "Let others read a checkpoint.", w.CheckpointRequest, NOTHING, path=f"{CHECKPOINT}/publish", since="0.4.0", area="weights")
UNPUBLISH_CHECKPOINT = Operation("unpublish_checkpoint", "DELETE", "Keep a checkpoint to oneself.", w.CheckpointRequest, NOTHING, path=f"{CHECKPOINT}/publish", since="0.4.0", area="weights")
SET_CHECKPOINT_TTL = Operation("set_checkpoint_ttl", "PUT", "Give a checkpoint a new life.", w.SetCheckpointTtlRequest, NOTHING, path=f"{CHECKPOINT}/ttl", since="0.13.0", area="weights")
GET_EXTERNAL_WEIGHTS_URLS = Operation("get_external_weights_urls", "GET", "Signed URLs of a checkpoint's files.", w.CheckpointRequest, w.ExternalWeightsUrlsResponse, path=f"{CHECKPOINT}/external_weights_urls", since="0.28.0", area="weights")
GET_CHECKPOINT_ARCHIVE_URL = Operation("get_checkpoint_archive_url", "GET", "Signed URL of a checkpoint as tar.gz.", w.CheckpointRequest, w.CheckpointArchiveUrlResponse, path=f"{CHECKPOINT}/archive", until="0.35.0", area="weights")
RETRIEVE_FUTURE = Operation("retrieve_future", "POST", "Poll one future; waits up to 30 s.", f.FutureRetrieveRequest, cast("type[f.FutureOutcome]", f.FutureOutcome), protobuf=True, area="futures")
RETRIEVE_FUTURES = Operation("retrieve_futures", "POST", "Poll a sampler's futures; waits up to 30 s.", f.FuturesRetrieveRequest, f.FuturesRetrieveResponse, since="0.26.2", area="futures")
CANCEL_FUTURE = Operation("cancel_future", "POST", "Stop working on a future.", f.CancelFutureRequest, NOTHING, since="0.26.0", area="futures")
GET_AUDIT_LOG = Operation("get_audit_log", "GET", "What was done on a day.", a.AuditLogRequest, a.AuditLogResponse, path="/api/v1/audit", since="0.20.0", area="account")
GET_BILLING_USAGE = Operation("get_billing_usage", "GET", "Usage by hour.", a.GetBillingUsageRequest, a.BillingUsageResponse, path="/api/v1/billing/usage/events", since="0.23.4", area="account")
GET_CURRENT_CHECKPOINT_STORAGE_USAGE = Operation("get_current_checkpoint_storage_usage", "GET", "Storage in use now.", a.GetCurrentCheckpointStorageUsageRequest, a.CurrentCheckpointStorageUsageResponse, path="/api/v1/billing/usage/checkpoints/current", since="0.32.0", area="account")
# fmt: on

OPERATIONS: tuple[Operation[Any, Any] | Deferred[Any, Any], ...] = tuple(
    row for row in list(globals().values()) if isinstance(row, Operation | Deferred)
)
"""Every served endpoint, in the order above."""

UNSERVED: tuple[Unserved, ...] = (
    Unserved(
        "sample",
        "POST",
        "Sample and wait for the result.",
        "no public method of any SDK calls it; use asample",
        until="0.2.2",
    ),
    Unserved(
        "create_api_key",
        "POST",
        "Log in through a browser and get a key.",
        "needs an identity provider; any key that starts with tml- is accepted",
        path="/api/v1/auth/apikey",
        since="0.26.0",
        until="0.28.1",
    ),
    Unserved(
        "oai_completions",
        "POST",
        "OpenAI-compatible completions.",
        "not part of the Tinker API; needs a tokenizer on the server",
        path="/oai/api/v1/completions",
    ),
    Unserved(
        "oai_chat_completions",
        "POST",
        "OpenAI-compatible chat completions.",
        "not part of the Tinker API; needs a tokenizer and a chat template on the server",
        path="/oai/api/v1/chat/completions",
    ),
)
"""Every endpoint that is known and answered with a failure that says why."""
