"""Checkpoints and training runs as resources: listed, shared, kept, deleted, downloaded."""

from collections.abc import Sequence
from dataclasses import replace
from email.utils import formatdate

from contract import (
    BadRequest,
    Checkpoint,
    CheckpointArchiveUrlResponse,
    CheckpointRequest,
    CheckpointsListResponse,
    ExternalWeightsUrlsResponse,
    GetTrainingRunRequest,
    ListCheckpointsRequest,
    ListTrainingRunsRequest,
    ListUserCheckpointsRequest,
    SetCheckpointTtlRequest,
    TrainingRun,
    TrainingRunsResponse,
    WeightsInfoRequest,
    WeightsInfoResponse,
)
from contract.versions import follows_archive_redirect, knows_checkpoint_type
from fake_server.auth import OWNER
from fake_server.handlers.files import FILE_LIFE_SECONDS, files_of, sign
from fake_server.handlers.pages import page
from fake_server.handlers.weights import expiry
from fake_server.service import Call
from fake_server.store import CheckpointRecord, ModelRecord
from fake_server.times import utc
from fake_server.wire import Answer


def list_training_runs(call: Call, request: ListTrainingRunsRequest) -> TrainingRunsResponse:
    """A page of training runs, newest first."""
    store = call.service.store
    runs = [
        model
        for model in list(store.models)[::-1]
        if request.project_id in (None, store.sessions.get(model.session_id).project_id)
    ]
    chosen, cursor = page(runs, request.offset, request.limit)
    return TrainingRunsResponse(training_runs=[_run(call, model) for model in chosen], cursor=cursor)


def get_training_run(call: Call, request: GetTrainingRunRequest) -> TrainingRun:
    """One training run."""
    return _run(call, call.service.store.models.get(request.training_run_id))


def _run(call: Call, model: ModelRecord) -> TrainingRun:
    newest = _newest(call, model.model_id)
    of_type = {record.checkpoint_type: record for record in newest[::-1]}
    training, sampler = of_type.get("training"), of_type.get("sampler")
    return TrainingRun(
        training_run_id=model.model_id,
        base_model=model.base_model,
        model_owner=OWNER,
        is_lora=True,
        lora_rank=model.lora.rank,
        last_request_time=utc(model.used_at),
        last_checkpoint=training.shown() if training else None,
        last_sampler_checkpoint=sampler.shown() if sampler else None,
        user_metadata=model.user_metadata,
    )


def _newest(call: Call, run_id: str | None = None) -> list[CheckpointRecord]:
    """Checkpoints that the client's version knows, newest first."""
    call.service.drop_expired_checkpoints()
    return [
        record
        for record in list(call.service.store.checkpoints)[::-1]
        if run_id in (None, record.run_id) and knows_checkpoint_type(call.sdk_version, record.checkpoint_type)
    ]


def list_checkpoints(call: Call, request: ListCheckpointsRequest) -> CheckpointsListResponse:
    """All checkpoints of a training run, newest first."""
    call.service.store.models.get(request.training_run_id)
    shown = _shown(_newest(call, request.training_run_id))
    return CheckpointsListResponse(checkpoints=shown)


def list_user_checkpoints(call: Call, request: ListUserCheckpointsRequest) -> CheckpointsListResponse:
    """A page of all checkpoints, newest first."""
    chosen, cursor = page(_newest(call), request.offset, request.limit)
    return CheckpointsListResponse(checkpoints=_shown(chosen), cursor=cursor)


def _shown(records: Sequence[CheckpointRecord]) -> list[Checkpoint]:
    return [record.shown() for record in records]


def _named(call: Call, request: CheckpointRequest) -> CheckpointRecord:
    return call.service.checkpoint(f"tinker://{request.training_run_id}/{request.checkpoint_id}")


def delete_checkpoint(call: Call, request: CheckpointRequest) -> None:
    """Delete a checkpoint; samplers that were opened on it go on."""
    record = _named(call, request)
    call.service.store.checkpoints.remove(record.path, f"was deleted at {call.now.isoformat()}")
    call.service.note("checkpoint_delete", tinker_path=record.path)


def publish_checkpoint(call: Call, request: CheckpointRequest) -> None:
    """Let others read a checkpoint."""
    _share(call, request, public=True)


def unpublish_checkpoint(call: Call, request: CheckpointRequest) -> None:
    """Keep a checkpoint to oneself."""
    _share(call, request, public=False)


def _share(call: Call, request: CheckpointRequest, *, public: bool) -> None:
    """The service answers 409 to a change that is none; clients would repeat that for minutes, so 400."""
    record = _named(call, request)
    state = "public" if public else "private"
    if record.public == public:
        raise BadRequest(f"checkpoint {record.path!r} is already {state}")
    call.service.store.checkpoints.put(record.path, replace(record, public=public))
    call.service.note(f"checkpoint_{'publish' if public else 'unpublish'}", tinker_path=record.path)


def set_checkpoint_ttl(call: Call, request: SetCheckpointTtlRequest) -> None:
    """Give a checkpoint a new life, from now."""
    record = _named(call, request)
    expires_at = expiry(call.service, request.ttl_seconds)
    call.service.store.checkpoints.put(record.path, replace(record, expires_at=expires_at))
    call.service.note("checkpoint_ttl", tinker_path=record.path, ttl_seconds=request.ttl_seconds)


def weights_info(call: Call, request: WeightsInfoRequest) -> WeightsInfoResponse:
    """What a checkpoint's model is."""
    record = call.service.checkpoint(request.tinker_path)
    return WeightsInfoResponse(
        base_model=record.base_model,
        optimizer_config=record.optimizer,
        is_lora=True,
        lora_rank=record.lora.rank,
        train_unembed=record.lora.train_unembed,
        train_mlp=record.lora.train_mlp,
        train_attn=record.lora.train_attn,
    )


def get_external_weights_urls(call: Call, request: CheckpointRequest) -> ExternalWeightsUrlsResponse:
    """Signed URLs of an external checkpoint's files."""
    record = _named(call, request)
    if record.checkpoint_type != "external":
        raise BadRequest(f"checkpoint_id: expected external_weights/<name>, got {request.checkpoint_id!r}")
    expires = call.service.clock.now() + FILE_LIFE_SECONDS
    folder = f"checkpoints/{record.run_id}/{request.checkpoint_id}"
    urls = {file: sign(call, f"{folder}/{file}", expires) for file in files_of(record.weights)}
    call.service.note("checkpoint_read", tinker_path=record.path, purpose="download")
    return ExternalWeightsUrlsResponse(urls=urls, expires=utc(expires))


def get_checkpoint_archive_url(
    call: Call, request: CheckpointRequest
) -> CheckpointArchiveUrlResponse | Answer:
    """Signed URL of a checkpoint as tar.gz; older clients are sent there."""
    record = _named(call, request)
    expires = call.service.clock.now() + FILE_LIFE_SECONDS
    file = f"archives/{record.run_id}/{request.checkpoint_id}.tar.gz"
    call.service.note("checkpoint_read", tinker_path=record.path, purpose="archive")
    url = sign(call, file, expires)
    if follows_archive_redirect(call.sdk_version):
        return Answer(302, b"", headers={"location": url, "expires": formatdate(expires, usegmt=True)})
    return CheckpointArchiveUrlResponse(url=url, expires=utc(expires))
