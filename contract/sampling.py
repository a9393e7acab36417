"""Samplers and samples. Source: sdk 0.38.0 types/{sample_*,sampling_params,*_sampling_session*}.py."""

from typing import Annotated, Literal

from contract.inputs import ModelInput
from contract.model import Since, Until, WireModel, WireResponse
from contract.tensors import TensorData

__all__ = [
    "CreateSamplingSessionRequest",
    "CreateSamplingSessionResponse",
    "GetSamplerRequest",
    "GetSamplerResponse",
    "JoinSamplingSessionRequest",
    "JoinSamplingSessionResponse",
    "PromptAltTokens",
    "SampleRequest",
    "SampleResponse",
    "SampledSequence",
    "SamplingClientKind",
    "SamplingParams",
    "StopReason",
    "TopkLogprobs",
]

StopReason = Literal["length", "stop"]
SamplingClientKind = Literal["snapshot", "inflight"]
TopkLogprobs = list[list[tuple[int, float]] | None]
"""Per position, best first: up to k pairs of token id and logprob; None where not computed."""


class SamplingParams(WireResponse):
    """How tokens are drawn."""

    max_tokens: int | None = None
    """Most tokens to generate; absent lets the server decide."""
    seed: int | None = None
    """Seed of the draws; any integer below 2**64."""
    stop: str | list[str] | list[int] | None = None
    """Text, texts or token ids that end a sequence. Absent: the end-of-text token does. `[]`: none does."""
    temperature: float = 1
    """Divides the logits; 0 is greedy."""
    top_k: int = -1
    """Draw among the k likeliest tokens; -1 means all."""
    top_p: float = 1
    """Draw among the likeliest tokens that together have this probability."""


class SampleRequest(WireModel):
    """Generate sequences after a prompt, or score the prompt, or both."""

    num_samples: int = 1
    """How many sequences; they are independent."""
    prompt: ModelInput
    """The prompt, N tokens."""
    sampling_params: SamplingParams
    base_model: str | None = None
    """Base model to sample from, where neither a path nor a sampling session says so."""
    model_path: str | None = None
    """Tinker path of the weights to sample from."""
    sampling_session_id: Annotated[str | None, Since("0.3.0")] = None
    """The sampling session whose model is used."""
    seq_id: Annotated[int | None, Since("0.3.0")] = None
    """Identifies the request in its sampling session (64 bits); a repeat is a replay."""
    prompt_logprobs: bool | None = None
    """Whether to score the prompt's tokens."""
    topk_prompt_logprobs: Annotated[int, Since("0.3.0")] = 0
    """How many of the likeliest tokens to report at each prompt position."""
    topk_sample_logprobs: Annotated[int, Since("0.29.0")] = 0
    """How many of the likeliest tokens to report at each generated position."""
    target_prompt_logprobs: Annotated[TensorData | None, Since("0.30.0")] = None
    """Token ids `[N - 1, K]` to score: row i at prompt position i + 1; -1 asks for nothing."""
    prompt_alt_tokens_k: Annotated[int, Since("0.31.0")] = 0
    """How many tokens to draw, with replacement, at every prompt position after the first."""
    prompt_logprobs_last_n: Annotated[int | None, Since("0.33.0")] = None
    """Score only the last n prompt tokens, 1 to N - 1; needs `prompt_logprobs`."""
    record_stability_info: Annotated[bool | None, Since("0.26.2")] = None
    """Whether to keep what `stable_reinforce` later reads about each sequence."""
    type: Literal["sample"] = "sample"


class SampledSequence(WireResponse):
    """One generated sequence."""

    stop_reason: StopReason
    """`stop` where a stop sequence or the end-of-text token was drawn, else `length`."""
    tokens: list[int]
    """Generated token ids, M of them, the stop token included."""
    logprobs: list[float] | None = None
    """Logprob of each generated token, `[M]`."""
    topk_logprobs: Annotated[TopkLogprobs | None, Since("0.29.0")] = None
    """The likeliest tokens at each generated position."""


class PromptAltTokens(WireResponse):
    """Tokens drawn at every prompt position after the first."""

    tokens: TensorData
    """Token ids, int64 `[N - 1, k]`; row i are alternatives to prompt token i + 1."""
    logprobs: TensorData
    """Their logprobs, float32 `[N - 1, k]`."""


class SampleResponse(WireResponse):
    """Sequences and scores."""

    sequences: list[SampledSequence]
    """As many as asked for, in the order of their ids."""
    prompt_logprobs: list[float | None] | None = None
    """Logprob of each prompt token, `[N]`; None where not computed, the first always."""
    topk_prompt_logprobs: Annotated[TopkLogprobs | None, Since("0.3.0")] = None
    """The likeliest tokens at each prompt position, `[N]`."""
    target_prompt_logprobs: Annotated[TensorData | None, Since("0.30.0")] = None
    """Logprobs of the asked ids: same shape and layout, 0.0 where the request had -1."""
    prompt_cache_hit_tokens: Annotated[int, Since("0.23.0")] = 0
    """Prompt tokens that a cache served, counted once per prompt."""
    prompt_alt_tokens: Annotated[PromptAltTokens | None, Since("0.31.0")] = None
    """The draws that `prompt_alt_tokens_k` asked for."""
    type: Annotated[Literal["sample"], Until("0.24.1")] = "sample"


class CreateSamplingSessionRequest(WireModel):
    """Open a sampler on a base model or on saved weights."""

    session_id: str
    """The session that owns the sampler."""
    sampling_session_seq_id: int
    """Counts the session's samplers from 0; a repeat is a replay."""
    base_model: str | None = None
    """Base model; needed where no path is given."""
    model_path: str | None = None
    """Tinker path of the weights."""
    type: Literal["create_sampling_session"] = "create_sampling_session"


class CreateSamplingSessionResponse(WireResponse):
    """The new sampler."""

    type: Literal["create_sampling_session"] = "create_sampling_session"
    sampling_session_id: str
    """Its id."""


class JoinSamplingSessionRequest(WireModel):
    """Register one more client of a sampling session."""

    sampling_session_id: str
    type: Literal["join_sampling_session"] = "join_sampling_session"


class JoinSamplingSessionResponse(WireResponse):
    """The client's number."""

    type: Literal["join_sampling_session"] = "join_sampling_session"
    client_counter: int
    """Unique in the sampling session, from 1; the original client is 0."""


class GetSamplerRequest(WireModel):
    """Ask what a sampler samples from."""

    sampling_session_id: str


class GetSamplerResponse(WireResponse):
    """What a sampler samples from."""

    sampler_id: str
    """The sampling session's id."""
    base_model: str
    """Name of its base model."""
    model_path: str | None = None
    """Its weights; absent for a base model."""
