"""Client settings, credentials, capabilities, audit and billing.

Source: sdk 0.38.0 types/{client_*,auth_*,audit_*,billing_*,get_server_capabilities*}.py and cli/auth_api.py.
"""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from contract.model import Since, Until, WireModel, WireResponse

__all__ = [
    "ApiKeyDetails",
    "ApiKeyResponse",
    "AuditLogEntry",
    "AuditLogRequest",
    "AuditLogResponse",
    "AuthTokenRequest",
    "AuthTokenResponse",
    "BillingEventInfo",
    "BillingUsageEvent",
    "BillingUsageResponse",
    "BillingUsageSession",
    "CheckpointBillingEvent",
    "ClientConfigRequest",
    "ClientConfigResponse",
    "ClientDynamicConfigResponse",
    "CurrentCheckpointStorageUsageItem",
    "CurrentCheckpointStorageUsageResponse",
    "EmptyRequest",
    "GetBillingUsageRequest",
    "GetCurrentCheckpointStorageUsageRequest",
    "GetServerCapabilitiesResponse",
    "HealthResponse",
    "OrgDetails",
    "SamplingPrefillBillingEvent",
    "SamplingSampleBillingEvent",
    "StorageBillingEvent",
    "SupportedModel",
    "TrainingBillingEvent",
    "UserDetails",
    "WhoamiResponse",
]


class EmptyRequest(WireModel):
    """Nothing is asked for but the operation itself."""


class HealthResponse(WireResponse):
    """The server answers."""

    status: Literal["ok"] = "ok"


class SupportedModel(WireResponse):
    """A base model that the server has."""

    model_name: str | None = None
    """Its name."""
    max_context_length: Annotated[int | None, Since("0.18.0")] = None
    """Most tokens of prompt and output together."""
    trainable: Annotated[bool | None, Since("0.26.0")] = None
    """Whether models can be created on it."""
    sampleable: Annotated[bool | None, Since("0.26.0")] = None
    """Whether it can be sampled from."""


class GetServerCapabilitiesResponse(WireResponse):
    """What the server has."""

    supported_models: list[SupportedModel]


class ClientConfigRequest(WireModel):
    """Ask for the flags of a client version."""

    sdk_version: str
    """The client's version."""


class ClientConfigResponse(WireResponse):
    """Flags that a client reads once, when it starts. Defaults: sdk 0.38.0."""

    pjwt_auth_enabled: bool = False
    """Exchange the API key for a token and use that."""
    credential_default_source: str = "api_key"
    """Where the client takes its credential from."""
    sample_dispatch_bytes_semaphore_size: int = 10 * 1024 * 1024
    """Bytes of samples that may be on their way."""
    inflight_response_bytes_semaphore_size: int = 50 * 1024 * 1024
    """Bytes of results that may be on their way back."""
    parallel_fwdbwd_chunks: Annotated[bool, Since("0.18.2")] = True
    """Send the chunks of one call at once, the first one last."""
    proto_compress_fwdbwd: Annotated[bool, Since("0.22.1")] = False
    """Compress training requests with zstd."""
    fwdbwd_max_chunk_len: Annotated[int, Since("0.25.0")] = 1024
    """Datums in a chunk."""
    fwdbwd_max_chunk_bytes_count: Annotated[int, Since("0.25.0")] = 5_000_000
    """Bytes in a chunk."""
    fwdbwd_dispatch_bytes_semaphore_size: Annotated[int, Since("0.25.0")] = 50 * 1000 * 1000
    """Bytes of training requests that may be on their way."""
    billing_exception_max_pause_duration_sec: Annotated[int, Since("0.20.0")] = 60 * 60
    """How long to wait on 402."""
    sample_no_retries: Annotated[bool, Since("0.21.0")] = False
    """Do not repeat samples."""
    sample_enable_stuck_detection: Annotated[bool, Since("0.22.3")] = True
    """Fail where no sample completes for two hours."""
    sample_max_concurrent_requests: Annotated[int, Since("0.22.4")] = 2000
    """Samples that a sampling client may have open."""
    use_pyqwest_transport: Annotated[bool, Since("0.22.0")] = True
    """Use the Rust transport; off means plain httpx, which Python mocks can see."""
    sample_use_retrieve_futures: Annotated[bool, Since("0.26.2")] = False
    """Poll samples in batches."""
    custom_loss_server_side: Annotated[bool, Since("0.36.0")] = False
    """Upload custom losses."""
    sample_join_sampling_session: Annotated[bool, Since("0.32.0")] = False
    """Ask the server for the number of a cloned sampler."""
    proto_write_fwdbwd: Annotated[bool, Since("0.19.0"), Until("0.24.1")] = False
    """Send training requests as protobuf."""
    fwd_via_fwdbwd: Annotated[bool, Since("0.22.3"), Until("0.24.1")] = False
    """Send forward passes through `forward_backward`."""
    create_model_via_load_weights: Annotated[bool, Since("0.24.1"), Until("0.36.0")] = False
    """Create models from checkpoints by one request."""


class ClientDynamicConfigResponse(WireResponse):
    """Flags that a client reads again and again."""

    refresh_interval_sec: int = 300
    """Seconds until the next look; clients use at least 10."""
    sample_cancel_enabled: Annotated[bool, Since("0.26.0")] = False
    """Send `cancel_future` for abandoned samples."""
    sample_cancel_max_batch_size: Annotated[int, Since("0.26.0")] = 64
    """Cancellations sent at once."""


class AuthTokenRequest(WireModel):
    """Exchange the credential in the header for a token."""


class AuthTokenResponse(WireResponse):
    """A token."""

    jwt: str
    """Signed JSON web token with `sub`, `org_id`, `email`, `iat` and `exp`."""


class OrgDetails(WireResponse):
    """An organisation."""

    name: str


class UserDetails(WireResponse):
    """A user."""

    email: str


class ApiKeyDetails(WireResponse):
    """Whose key it is."""

    org_details: OrgDetails
    user_details: UserDetails


class ApiKeyResponse(WireResponse):
    """The key in the header, described."""

    key_id: int
    name: str
    note: str
    details: ApiKeyDetails


class WhoamiResponse(WireResponse):
    """What a client reads from its token; no request asks for it."""

    user_urn: str
    org_urn: Annotated[str, Since("0.34.0")]
    email: str | None = None


class AuditLogRequest(WireModel):
    """A day's audit log."""

    event_type: Literal["all", "checkpoints", "projects", "teams", "organizations"] = "all"
    day: date | None = None
    """The day in UTC; absent means today."""


class AuditLogEntry(WireResponse):
    """Something that was done."""

    timestamp: datetime
    event: str
    """`<resource>_<action>`."""
    event_details: Annotated[dict[str, object], Since("0.26.2")] = {}
    model_id: str | None = None
    """As in the details; checkpoint events only."""
    tinker_path: str | None = None
    """As in the details; checkpoint events only."""
    purpose: str | None = None
    """As in the details; checkpoint reads only."""


class AuditLogResponse(WireResponse):
    """Entries by time."""

    entries: list[AuditLogEntry]


class GetBillingUsageRequest(WireModel):
    """Usage in a window of whole hours, at most 14 days."""

    starting_on: datetime
    """First hour, in UTC."""
    ending_before: datetime
    """Hour after the last one."""


class TrainingBillingEvent(WireResponse):
    """Tokens trained on."""

    type: Literal["training"] = "training"
    token_count: int


class SamplingPrefillBillingEvent(WireResponse):
    """Prompt tokens read."""

    type: Literal["sampling_prefill"] = "sampling_prefill"
    cached: bool
    """Whether a cache served them."""
    token_count: int


class SamplingSampleBillingEvent(WireResponse):
    """Tokens generated."""

    type: Literal["sampling_sample"] = "sampling_sample"
    token_count: int


class CheckpointBillingEvent(WireResponse):
    """Checkpoints saved."""

    type: Literal["checkpoint"] = "checkpoint"
    count: int


class StorageBillingEvent(WireResponse):
    """Storage used."""

    type: Literal["storage"] = "storage"
    free: Annotated[bool, Since("0.38.0")] = False
    gigabyte_hours: float


BillingEventInfo = Annotated[
    TrainingBillingEvent
    | SamplingPrefillBillingEvent
    | SamplingSampleBillingEvent
    | CheckpointBillingEvent
    | StorageBillingEvent,
    Field(discriminator="type"),
]


class BillingUsageEvent(WireResponse):
    """One hour of one kind of usage."""

    bucket_start: datetime
    bucket_end: datetime
    base_model: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    session_id: str | None = None
    project_id: str | None = None
    estimated_cost_usd: Annotated[float | None, Since("0.30.2")] = None
    effective_rate_usd_per_million_tokens: Annotated[float | None, Since("0.30.2")] = None
    effective_rate_usd_per_gigabyte_month: Annotated[float | None, Since("0.30.2")] = None
    event_info: BillingEventInfo


class BillingUsageSession(WireResponse):
    """What is known of a session in the usage."""

    user_metadata: dict[str, str] | None = None


class BillingUsageResponse(WireResponse):
    """Usage by hour."""

    data: list[BillingUsageEvent]
    sessions: dict[str, BillingUsageSession] = {}
    """The sessions named in `data`."""
    cost_data_through: Annotated[datetime | None, Since("0.30.2")] = None


class GetCurrentCheckpointStorageUsageRequest(WireModel):
    """Storage in use now."""

    project_id: str | None = None
    """Only this project's."""


class CurrentCheckpointStorageUsageItem(WireResponse):
    """Storage of one project and user."""

    project_id: str | None = None
    org_user_urn: str | None = None
    user_email: str | None = None
    user_name: str | None = None
    checkpoint_count: int
    size_bytes: int
    size_gigabytes: float
    estimated_monthly_cost_usd: float | None = None


class CurrentCheckpointStorageUsageResponse(WireResponse):
    """Storage in use now."""

    effective_rate_usd_per_gigabyte_month: float | None = None
    data: list[CurrentCheckpointStorageUsageItem]
