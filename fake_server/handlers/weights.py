"""Saving and loading weights."""

import re
from dataclasses import dataclass, replace

from contract import (
    AdamOptimizerConfig,
    BadRequest,
    CheckpointType,
    LoadWeightsRequest,
    LoadWeightsResponse,
    RequestFailure,
    SaveWeightsExternalRequest,
    SaveWeightsExternalResponseInternal,
    SaveWeightsForSamplerRequest,
    SaveWeightsForSamplerResponseInternal,
    SaveWeightsRequest,
    SaveWeightsResponse,
    Unprocessable,
    Weights,
    model_id_of,
    sampling_session_id_of,
    tinker_path,
)
from fake_server.handlers.base_models import check_same, trainable
from fake_server.handlers.encryption import encrypted
from fake_server.handlers.numbers import claim, claimed, numbered_of
from fake_server.handlers.sessions import texts
from fake_server.service import Call, Service, Submission
from fake_server.store import CheckpointRecord, ModelRecord, SamplerRecord

SHORTEST_LIFE, LONGEST_LIFE = 3600, 10 * 365 * 24 * 3600
"""Seconds. Source: sdk 0.38.0 types/save_weights_request.py."""
NAME = re.compile(r"[^/\\?#%\x00-\x1f\x7f]{1,255}\Z")
"""Clients put names into URLs as they are, so what ends or escapes a path would name another checkpoint."""


def expiry(service: Service, ttl_seconds: int | None) -> float | None:
    """When something saved now goes away.

    Raises:
        BadRequest: if the life is shorter than an hour or longer than ten years.
    """
    if ttl_seconds is None:
        return None
    if not SHORTEST_LIFE <= ttl_seconds <= LONGEST_LIFE:
        raise BadRequest(f"ttl_seconds: expected {SHORTEST_LIFE} to {LONGEST_LIFE}, got {ttl_seconds}")
    return service.clock.now() + ttl_seconds


def _check_name(name: str | None) -> None:
    if name is not None and (not NAME.match(name) or name in (".", "..")):
        raise BadRequest(f"path: expected a name of 1 to 255 characters without / \\ ? # %, got {name!r}")


@dataclass(frozen=True, slots=True)
class Saved:
    """What shall be saved, and under which name."""

    model: ModelRecord
    checkpoint_type: CheckpointType
    name: str | None
    ttl_seconds: int | None
    user_metadata: dict[str, str] | None = None
    overwrite: bool = False

    def check(self, service: Service) -> None:
        """Refuse names and lives that cannot be, before anything is queued."""
        _check_name(self.name)
        expiry(service, self.ttl_seconds)

    def _path(self, name: str) -> str:
        return tinker_path(self.model.model_id, self.checkpoint_type, name)

    def _free_name(self, service: Service) -> str:
        """The next number of the model's checkpoints whose name nobody chose for one."""
        while True:
            name = f"{service.ids.number(f'checkpoint of {self.model.model_id}') + 1:06d}"
            if service.store.checkpoints.find(self._path(name)) is None:
                return name

    def put(self, service: Service, weights: Weights) -> CheckpointRecord:
        """Keep the weights.

        Raises:
            RequestFailure: if the name is taken and may not be overwritten.
        """
        service.drop_expired_checkpoints()
        name = self.name or self._free_name(service)
        path = self._path(name)
        if service.store.checkpoints.find(path) is not None:
            if not self.overwrite:
                way_out = (
                    ", or pass overwrite=True to save_state" if self.checkpoint_type == "training" else ""
                )
                raise RequestFailure(
                    f"path: expected a new name, got {name!r}, which {path} has; choose another{way_out}"
                )
            service.store.checkpoints.remove(path, "was overwritten")
        record = CheckpointRecord(
            run_id=self.model.model_id,
            checkpoint_type=self.checkpoint_type,
            name=name,
            created_at=service.clock.now(),
            expires_at=expiry(service, self.ttl_seconds),
            weights=weights,
            base_model=self.model.base_model,
            lora=self.model.lora,
            optimizer=self.model.optimizer,
            session_id=self.model.session_id,
            user_metadata=self.user_metadata,
        )
        service.store.checkpoints.put(path, record)
        service.usage.add(record.created_at, "checkpoint", record.base_model, record.session_id, 1)
        service.note("checkpoint_create", tinker_path=path)
        return record


def save_weights(call: Call, request: SaveWeightsRequest) -> Submission[SaveWeightsResponse]:
    """Save weights and optimizer state."""
    service, model_id = call.service, request.model_id
    saved = Saved(
        service.store.models.get(model_id),
        "training",
        request.path,
        request.ttl_seconds,
        request.user_metadata,
        request.overwrite,
    )
    saved.check(service)

    def work() -> SaveWeightsResponse:
        weights = service.backend.save_weights(model_id, optimizer=True)
        with service.lock:
            return SaveWeightsResponse(path=saved.put(service, weights).path, type="save_weights")

    return numbered_of(call, model_id, request.seq_id, work)


def save_weights_for_sampler(
    call: Call, request: SaveWeightsForSamplerRequest
) -> Submission[SaveWeightsForSamplerResponseInternal]:
    """Save weights under a name, or straight into a new sampler."""
    service, model_id = call.service, request.model_id
    model = service.store.models.get(model_id)
    saved = Saved(model, "sampler", request.path, request.ttl_seconds, request.user_metadata)
    saved.check(service)
    _check_sampler(request)

    def work() -> SaveWeightsForSamplerResponseInternal:
        weights = service.backend.save_weights(model_id, optimizer=False)
        with service.lock:
            if request.sampling_session_seq_id is not None:
                sampler = _open_sampler(service, model, request, weights)
                return SaveWeightsForSamplerResponseInternal(
                    sampling_session_id=sampler, type="save_weights_for_sampler"
                )
            path = saved.put(service, weights).path
            return SaveWeightsForSamplerResponseInternal(path=path, type="save_weights_for_sampler")

    return numbered_of(call, model_id, request.seq_id, work)


def _check_sampler(request: SaveWeightsForSamplerRequest) -> None:
    """Refuse what is neither a checkpoint nor a sampler, or asks for what the other one has.

    Raises:
        ApiError: naming the field.
    """
    number = request.sampling_session_seq_id
    if number is None:
        if request.kind == "inflight":
            raise BadRequest(
                "kind: expected 'snapshot' for a checkpoint, got 'inflight'; leave the name out, "
                "and give a sampling_session_seq_id"
            )
        return
    if number < 0:
        raise Unprocessable(f"sampling_session_seq_id: expected 0 or more, got {number}")
    if request.path is not None:
        raise BadRequest("path, sampling_session_seq_id: expected a name or a number, got both")
    for name in ("ttl_seconds", "user_metadata"):
        if getattr(request, name):
            raise BadRequest(f"{name}: expected it with a name, got it for a sampler that has none")


def _open_sampler(
    service: Service, model: ModelRecord, request: SaveWeightsForSamplerRequest, weights: Weights
) -> str:
    """Open a sampler on weights that have no name; inflight ones share the newest weights."""
    assert request.sampling_session_seq_id is not None
    samplers = service.store.samplers
    sampler_id = sampling_session_id_of(model.session_id, request.sampling_session_seq_id)
    if samplers.find(sampler_id) is not None:
        raise RequestFailure(f"sampling_session_seq_id: expected a new number, got one that {sampler_id} has")
    if request.kind == "inflight":
        for other in samplers:
            if other.kind == "inflight" and other.model_id == model.model_id:
                samplers.put(other.sampling_session_id, replace(other, weights=weights))
    record = SamplerRecord(
        sampler_id,
        model.session_id,
        model.base_model,
        weights=weights,
        kind=request.kind,
        model_id=model.model_id,
    )
    samplers.add(sampler_id, record)
    return sampler_id


def save_weights_external(
    call: Call, request: SaveWeightsExternalRequest
) -> Submission[SaveWeightsExternalResponseInternal]:
    """Save weights as files for others, encrypted if there are recipients."""
    service, model_id = call.service, request.model_id
    saved = Saved(service.store.models.get(model_id), "external", request.path, request.ttl_seconds)
    saved.check(service)

    def work() -> SaveWeightsExternalResponseInternal:
        weights = service.backend.save_weights(model_id, optimizer=False)
        if request.age_encryption_recipients is not None:
            weights = encrypted(weights, request.age_encryption_recipients)
        with service.lock:
            record = saved.put(service, weights)
        return SaveWeightsExternalResponseInternal(
            path=record.path, size_bytes=weights.size_bytes, type="save_weights_external"
        )

    return numbered_of(call, model_id, request.seq_id, work)


def load_weights(call: Call, request: LoadWeightsRequest) -> Submission[LoadWeightsResponse]:
    """Load weights into a model, or create a model from them."""
    if request.session_id is None:
        return _load_into(call, request)
    if request.model_id is not None or request.model_seq_id is None or request.model_seq_id < 0:
        raise BadRequest(
            "load_weights: expected model_id and seq_id, or session_id and model_seq_id, got a mix"
        )
    return _create_from(call, request, request.session_id, request.model_seq_id)


def _trained(service: Service, path: str) -> CheckpointRecord:
    """The checkpoint, if one can train on from it."""
    with service.lock:
        record = service.checkpoint(path)
    if record.checkpoint_type != "training":
        raise RequestFailure(
            f"path: expected tinker://<run>/weights/<name>, got {path!r}; save_state saves such"
        )
    return record


def _load_into(call: Call, request: LoadWeightsRequest) -> Submission[LoadWeightsResponse]:
    service, model_id = call.service, request.model_id
    if model_id is None:
        raise BadRequest(
            "load_weights: expected model_id and seq_id, or session_id and model_seq_id, got none"
        )
    for name in ("base_model", "user_metadata", "optimizer_config"):
        if getattr(request, name) is not None:
            raise BadRequest(
                f"{name}: expected it with session_id and model_seq_id only, got it for {model_id}"
            )

    def work() -> LoadWeightsResponse:
        record = _trained(service, request.path)
        service.backend.load_weights(model_id, record.weights, optimizer=request.optimizer)
        return LoadWeightsResponse(path=record.path, model_id=model_id, type="load_weights")

    return numbered_of(call, model_id, request.seq_id, work)


def _create_from(
    call: Call, request: LoadWeightsRequest, session_id: str, model_seq_id: int
) -> Submission[LoadWeightsResponse]:
    service = call.service
    model_id = model_id_of(session_id, model_seq_id)

    def admit() -> None:
        service.session(session_id)
        claim(service, model_id)

    def work() -> LoadWeightsResponse:
        with claimed(service, model_id):
            source = _trained(service, request.path)
            model = _model_from(service, request, source, model_id, session_id)
            service.backend.create_model(model_id, model.base_model, model.lora, model.optimizer)
            try:
                service.backend.load_weights(model_id, source.weights, optimizer=request.optimizer)
            except Exception:
                service.backend.unload_model(model_id)
                raise
            with service.lock:
                service.store.models.add(model_id, model)
        return LoadWeightsResponse(path=source.path, model_id=model_id, type="load_weights")

    return Submission(f"{model_id}:create", session_id, None, work, admit)


def _model_from(
    service: Service, request: LoadWeightsRequest, source: CheckpointRecord, model_id: str, session_id: str
) -> ModelRecord:
    """The record of a model that starts from a checkpoint."""
    base_model = trainable(service, request.base_model or source.base_model).name
    check_same(base_model, source.base_model, source.path)
    optimizer = source.optimizer if request.optimizer else request.optimizer_config or AdamOptimizerConfig()
    if request.optimizer and request.optimizer_config not in (None, source.optimizer):
        raise RequestFailure("optimizer_config: expected none where the optimizer's state is loaded, got one")
    now = service.clock.now()
    return ModelRecord(
        model_id=model_id,
        session_id=session_id,
        base_model=base_model,
        lora=source.lora,
        optimizer=optimizer,
        user_metadata=texts(request.user_metadata),
        created_at=now,
        used_at=now,
    )
