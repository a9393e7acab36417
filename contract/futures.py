"""Futures: what a submission answers, how it is polled, and the four outcomes of a poll.

Source: sdk 0.38.0 types/{future*,try_again*,request_failed*,shared/untyped_api_future}.py.
"""

from typing import Annotated, Literal

from pydantic import Field

from contract.errors import RequestErrorCategory
from contract.ids import ModelID, RequestID
from contract.model import Since, WireModel, WireResponse
from contract.sampling import SampleResponse
from contract.training import (
    CreateCustomLossResponse,
    CreateModelResponse,
    ForwardBackwardOutput,
    OptimStepResponse,
    UnloadModelResponse,
)
from contract.weights import (
    LoadWeightsResponse,
    SaveWeightsExternalResponseInternal,
    SaveWeightsForSamplerResponseInternal,
    SaveWeightsResponse,
)

__all__ = [
    "CancelFutureRequest",
    "FutureCompletion",
    "FutureFailed",
    "FutureFinished",
    "FutureMetadata",
    "FutureOutcome",
    "FutureResult",
    "FutureRetrieveRequest",
    "FuturesRetrieveRequest",
    "FuturesRetrieveResponse",
    "QueueState",
    "RequestFailedResponse",
    "SamplingSessionFuturesTarget",
    "TryAgainResponse",
    "UntypedAPIFuture",
]

QueueState = Literal["active", "paused_capacity", "paused_rate_limit"]


class UntypedAPIFuture(WireResponse):
    """The promise of a result."""

    request_id: RequestID
    """What to poll."""
    model_id: ModelID | None = None
    """The model that works on it."""
    sample_sequence_ids: Annotated[list[str] | None, Since("0.26.0")] = None
    """For samples: one id per sequence, in the order of the result."""


class FutureRetrieveRequest(WireModel):
    """Poll one future."""

    request_id: RequestID
    """The future's id."""
    allow_metadata_only: Annotated[bool, Since("0.14.0")] = False
    """Whether a large result may be answered by its size alone."""


class TryAgainResponse(WireResponse):
    """Not yet."""

    type: Literal["try_again"] = "try_again"
    request_id: str
    """The future that is still pending."""
    queue_state: Annotated[QueueState, Since("0.2.0")]
    """Whether it advances, and if not why."""
    queue_state_reason: str | None = None
    """The same, for people."""


class RequestFailedResponse(WireResponse):
    """It failed, for good."""

    error: str
    """What went wrong and what to do next."""
    category: Annotated[RequestErrorCategory, Since("0.3.0")]
    """Whose fault it was."""


class FutureMetadata(WireResponse):
    """It is done, and the result is large: poll again with `allow_metadata_only` off."""

    status: Literal["complete_metadata"] = "complete_metadata"
    response_payload_size: int
    """Size of the result in bytes."""


FutureResult = (
    ForwardBackwardOutput
    | OptimStepResponse
    | SaveWeightsResponse
    | LoadWeightsResponse
    | SaveWeightsForSamplerResponseInternal
    | SaveWeightsExternalResponseInternal
    | CreateModelResponse
    | UnloadModelResponse
    | CreateCustomLossResponse
    | SampleResponse
)
FutureOutcome = FutureResult | TryAgainResponse | RequestFailedResponse | FutureMetadata


class SamplingSessionFuturesTarget(WireModel):
    """All futures of one client of a sampling session."""

    type: Literal["sampling_session"] = "sampling_session"
    sampling_session_id: str
    cloned_sampler_id: int = 0
    """The client's number: its requests have `seq_id // 1_000_000_000` equal to it."""


class FuturesRetrieveRequest(WireModel):
    """Poll many futures at once."""

    target: SamplingSessionFuturesTarget
    prev_cursor: int = 0
    """The previous answer's cursor: events up to it are known. 0 starts from the beginning."""
    timeout: float | None = None
    """Longest wait in seconds; absent lets the server decide, 0 answers at once."""
    retrieved_request_ids: Annotated[list[str], Since("0.36.0")] = []
    """Futures whose results were fetched and may be dropped."""


class FutureFinished(WireResponse):
    """A future that has a result."""

    state: Literal["finished"] = "finished"
    request_id: RequestID
    response_payload_uncompressed_size: int | None = None
    """Size of the result in bytes."""


class FutureFailed(WireResponse):
    """A future that failed."""

    state: Literal["failed"] = "failed"
    request_id: RequestID


FutureCompletion = Annotated[FutureFinished | FutureFailed, Field(discriminator="state")]


class FuturesRetrieveResponse(WireResponse):
    """What was completed since the cursor."""

    completions: list[FutureCompletion]
    cursor: int
    """To be sent back as `prev_cursor`."""


class CancelFutureRequest(WireModel):
    """Stop working on a future."""

    request_id: RequestID
