"""Samplers and samples."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import cache, partial

from contract import (
    BadRequest,
    CreateSamplingSessionRequest,
    CreateSamplingSessionResponse,
    GetSamplerRequest,
    GetSamplerResponse,
    JoinSamplingSessionRequest,
    JoinSamplingSessionResponse,
    SampleRequest,
    SampleResponse,
    Unprocessable,
    context_overflow,
    sampling_session_id_of,
)
from contract.versions import LEGACY_SESSION
from fake_server.handlers.base_models import check_same, sampleable
from fake_server.handlers.numbers import SEQ_ID_LIMIT, known_length
from fake_server.handlers.training import open_session
from fake_server.service import Call, Service, Submission
from fake_server.store import SamplerRecord

MOST_SAMPLES = 1024
"""Ours: sequences of one request; real clients ask for at most a few hundred."""


def create_sampling_session(
    call: Call, request: CreateSamplingSessionRequest
) -> CreateSamplingSessionResponse:
    """Open a sampler; a repeat of its number is a replay."""
    service = call.service
    if request.sampling_session_seq_id < 0:
        raise Unprocessable(
            f"sampling_session_seq_id: expected 0 or more, got {request.sampling_session_seq_id}"
        )
    session_id = request.session_id
    sampler_id = sampling_session_id_of(session_id, request.sampling_session_seq_id)
    earlier = service.store.samplers.find(sampler_id)
    if earlier is None:
        service.session(session_id)
        sampler = new_sampler(service, sampler_id, session_id, request.base_model, request.model_path)
        service.store.samplers.add(sampler_id, replace(sampler, opened_by=request))
    elif earlier.opened_by != request:
        raise BadRequest(f"sampling session {sampler_id!r} samples from another model; use a new number")
    return CreateSamplingSessionResponse(sampling_session_id=sampler_id)


def new_sampler(
    service: Service, sampler_id: str, session_id: str, base_model: str | None, model_path: str | None
) -> SamplerRecord:
    """A sampler on a checkpoint, else on a base model.

    Raises:
        BadRequest: if neither is given, or they do not fit.
        NotFound: if there is no such checkpoint.
    """
    if model_path is None:
        return SamplerRecord(sampler_id, session_id, sampleable(service, base_model or "").name)
    checkpoint = service.checkpoint(model_path)
    if checkpoint.checkpoint_type == "external":
        raise BadRequest(f"model_path: expected weights or sampler_weights, got {model_path!r}")
    if base_model:
        check_same(base_model, checkpoint.base_model, model_path)
    return SamplerRecord(
        sampler_id, session_id, checkpoint.base_model, model_path=model_path, weights=checkpoint.weights
    )


def get_sampler(call: Call, request: GetSamplerRequest) -> GetSamplerResponse:
    """What a sampler samples from."""
    sampler = call.service.store.samplers.get(request.sampling_session_id)
    return GetSamplerResponse(
        sampler_id=sampler.sampling_session_id, base_model=sampler.base_model, model_path=sampler.model_path
    )


def join_sampling_session(call: Call, request: JoinSamplingSessionRequest) -> JoinSamplingSessionResponse:
    """Number one more client."""
    samplers = call.service.store.samplers
    sampler = samplers.get(request.sampling_session_id)
    call.service.session(sampler.session_id)
    samplers.put(sampler.sampling_session_id, replace(sampler, clients=sampler.clients + 1))
    return JoinSamplingSessionResponse(client_counter=sampler.clients)


def asample(call: Call, request: SampleRequest) -> Submission[SampleResponse]:
    """Sample, or score a prompt."""
    service = call.service
    request_id, find_sampler = _addressed(call, request)
    if not 1 <= request.num_samples <= MOST_SAMPLES:
        raise Unprocessable(f"num_samples: expected 1 to {MOST_SAMPLES}, got {request.num_samples}")
    sequences = [f"{request_id}:{number}" for number in range(request.num_samples)]

    def admit() -> None:
        sampler = find_sampler()
        service.session(sampler.session_id)
        _check_context(service, sampler, request)

    def work() -> SampleResponse | Future[SampleResponse]:
        with service.lock:
            sampler = find_sampler()
        return service.backend.sample(sampler.base_model, sampler.weights, request)

    return Submission(
        request_id,
        request.sampling_session_id or LEGACY_SESSION,
        request.seq_id,
        work,
        admit,
        alongside=True,
        on_result=lambda response: _count(service, find_sampler(), request, response),
        sample_sequence_ids=sequences,
    )


def _check_context(service: Service, sampler: SamplerRecord, request: SampleRequest) -> None:
    """Refuse what the model cannot hold.

    Raises:
        BadRequest: in the service's words.
    """
    length, wanted = known_length(request.prompt), request.sampling_params.max_tokens or 0
    limit = service.base_model(sampler.base_model).max_context_length
    if length + wanted > limit:
        raise BadRequest(context_overflow(length, wanted, limit))


def _addressed(call: Call, request: SampleRequest) -> tuple[str, Callable[[], SamplerRecord]]:
    """The request's id, and what finds its sampler. Clients before 0.3.0 name weights, not a sampler."""
    service = call.service
    if request.sampling_session_id is None:
        key = call.idempotency_key or f"arrival-{service.ids.number('legacy sample')}"

        @cache
        def opened() -> SamplerRecord:
            """Names weights first: a session must not be there for a request that is refused."""
            named = (request.base_model, request.model_path)
            sampler = new_sampler(service, LEGACY_SESSION, LEGACY_SESSION, *named)
            open_session(service, LEGACY_SESSION)
            return sampler

        return f"{LEGACY_SESSION}:sample:{key}", opened
    if request.seq_id is None or not 0 <= request.seq_id < SEQ_ID_LIMIT:
        raise Unprocessable(f"seq_id: expected 0 to 2**63 - 1 in a sampling session, got {request.seq_id}")
    sampler_id = request.sampling_session_id
    service.store.samplers.get(sampler_id)
    return f"{sampler_id}:{request.seq_id}", partial(service.store.samplers.get, sampler_id)


def _count(
    service: Service, sampler: SamplerRecord, request: SampleRequest, response: SampleResponse
) -> None:
    now = service.clock.now()
    sampled = sum(len(sequence.tokens) for sequence in response.sequences)
    prompt = known_length(request.prompt)
    service.usage.add(now, "sampling_prefill", sampler.base_model, sampler.session_id, prompt)
    service.usage.add(now, "sampling_sample", sampler.base_model, sampler.session_id, sampled)
