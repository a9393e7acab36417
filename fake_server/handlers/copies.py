"""Copying weights to a training run of their own."""

from dataclasses import replace

from contract import BadRequest, CopyWeightsRequest, CopyWeightsResponse, Unprocessable, model_id_of
from fake_server.handlers.numbers import check_free
from fake_server.handlers.weights import expiry
from fake_server.service import Call, Service
from fake_server.store import ModelRecord

MOST_COPIES = 10_000
"""Ours: copies whose repeats are known; clients repeat a request for minutes."""


def copy_weights(call: Call, request: CopyWeightsRequest) -> CopyWeightsResponse:
    """Copy a checkpoint to a training run of its own; a repeat with the same key is a replay.

    The latest `MOST_COPIES` keys are known; one that came before them would copy again.
    """
    service = call.service
    key = call.idempotency_key
    if key in service.copies:
        earlier, path = service.copies[key]
        if earlier != request:
            raise BadRequest("header X-Idempotency-Key: expected a new key, or a replay of the same copy")
        return CopyWeightsResponse(tinker_path=path)
    source = service.checkpoint(request.source_path)
    expires_at = expiry(service, request.ttl_seconds)
    session_id, run_id = _destination(service, request)
    check_free(service, run_id)
    service.store.models.add(
        run_id,
        ModelRecord(
            model_id=run_id,
            session_id=session_id,
            base_model=source.base_model,
            lora=source.lora,
            optimizer=source.optimizer,
            user_metadata=None,
            created_at=service.clock.now(),
            used_at=service.clock.now(),
            loaded=False,
        ),
    )
    copy = replace(
        source,
        run_id=run_id,
        session_id=session_id,
        created_at=service.clock.now(),
        expires_at=expires_at,
        public=False,
    )
    service.store.checkpoints.put(copy.path, copy)
    service.note("checkpoint_copy", tinker_path=copy.path, source=source.path)
    service.usage.add(copy.created_at, "checkpoint", copy.base_model, copy.session_id, 1)
    if key:
        service.copies[key] = request, copy.path
        if len(service.copies) > MOST_COPIES:
            del service.copies[next(iter(service.copies))]
    return CopyWeightsResponse(tinker_path=copy.path)


def _destination(service: Service, request: CopyWeightsRequest) -> tuple[str, str]:
    """Session and training run of a copy."""
    match (request.session_id, request.model_seq_id, request.destination_project_id or None):
        case (None, None, str(project)):
            session = service.open_implicit_session(project_id=project)
            return session.session_id, model_id_of(session.session_id, 0)
        case (str(session_id), int(number), None):
            if number < 0:
                raise Unprocessable(f"model_seq_id: expected 0 or more, got {number}")
            return service.session(session_id).session_id, model_id_of(session_id, number)
    raise BadRequest(
        "copy_weights: expected destination_project_id, or session_id and model_seq_id, got none or a mix"
    )
