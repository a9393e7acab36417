"""Models: creation, passes, steps."""

from dataclasses import replace
from functools import partial

from contract import (
    BadRequest,
    CreateCustomLossRequest,
    CreateCustomLossResponse,
    CreateModelRequest,
    CreateModelResponse,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ForwardRequest,
    GetInfoRequest,
    GetInfoResponse,
    LoraConfig,
    ModelData,
    OptimStepRequest,
    OptimStepResponse,
    RequestFailure,
    UnloadModelRequest,
    UnloadModelResponse,
    Unprocessable,
    check_custom_loss,
    model_id_of,
)
from contract.ids import ModelID
from contract.versions import LEGACY_SESSION, NEXT_MODEL
from fake_server.handlers.base_models import trainable
from fake_server.handlers.numbers import claim, claimed, is_taken, known_length, numbered_of
from fake_server.handlers.sessions import texts
from fake_server.service import Call, Service, Submission
from fake_server.store import CustomLossRecord, ModelRecord, SessionRecord

DEFAULT_RANK = 32
"""Source: sdk 0.38.0 lib/public_interfaces/service_client.py."""


def open_session(service: Service, session_id: str) -> SessionRecord:
    """The session; the one of clients that know no sessions is opened on first use, and never expires."""
    if session_id == LEGACY_SESSION and service.store.sessions.find(session_id) is None:
        service.open_implicit_session(session_id)
    return service.session(session_id)


def create_model(call: Call, request: CreateModelRequest) -> Submission[CreateModelResponse]:
    """Create a model; its id follows from its session and number."""
    service = call.service
    lora = request.lora_config or LoraConfig(rank=DEFAULT_RANK)
    check_lora(lora)
    base = trainable(service, request.base_model)
    number, request_id = _numbered(call, request)
    model_id = model_id_of(request.session_id, number)
    now = service.clock.now()
    record = ModelRecord(
        model_id=model_id,
        session_id=request.session_id,
        base_model=base.name,
        lora=lora,
        optimizer=request.optimizer_config,
        user_metadata=texts(request.user_metadata),
        created_at=now,
        used_at=now,
    )

    def admit() -> None:
        open_session(service, request.session_id)
        claim(service, model_id)

    def work() -> CreateModelResponse:
        with claimed(service, model_id):
            service.backend.create_model(model_id, base.name, lora, request.optimizer_config)
            with service.lock:
                service.store.models.add(model_id, record)
        return CreateModelResponse(model_id=model_id)

    return Submission(request_id or f"{model_id}:create", request.session_id, None, work, admit)


def _numbered(call: Call, request: CreateModelRequest) -> tuple[int, str | None]:
    """The model's number; and the request's id where the client counts no models, before 0.3.0."""
    if request.model_seq_id != NEXT_MODEL:
        if request.model_seq_id < 0:
            raise Unprocessable(f"model_seq_id: expected 0 or more, got {request.model_seq_id}")
        return request.model_seq_id, None
    number = call.service.ids.number("legacy model")
    while is_taken(call.service, model_id_of(LEGACY_SESSION, number)):
        number = call.service.ids.number("legacy model")
    return number, f"{LEGACY_SESSION}:create:{call.idempotency_key or number}"


def check_lora(lora: LoraConfig) -> None:
    """Refuse an adapter that cannot be.

    Raises:
        BadRequest: in the service's words.
    """
    if lora.rank < 1:
        raise BadRequest(f"lora_config.rank must be positive, got {lora.rank}")
    if not (lora.train_unembed or lora.train_mlp or lora.train_attn):
        raise BadRequest("At least one of train_unembed, train_mlp, or train_attn must be True")


def get_info(call: Call, request: GetInfoRequest) -> GetInfoResponse:
    """What a model is."""
    model = call.service.model(request.model_id)
    base = call.service.base_model(model.base_model)
    return GetInfoResponse(
        type="get_info",
        model_data=ModelData(arch=base.arch, model_name=model.base_model, tokenizer_id=base.tokenizer_id),
        model_id=model.model_id,
        optimizer_config=model.optimizer,
        is_lora=True,
        lora_rank=model.lora.rank,
        model_name=model.base_model,
    )


def unload_model(call: Call, request: UnloadModelRequest) -> Submission[UnloadModelResponse]:
    """Drop a model from the backend; its training run and checkpoints stay."""
    service, model_id = call.service, request.model_id
    service.store.models.get(model_id)

    def work() -> UnloadModelResponse:
        service.backend.unload_model(model_id)
        with service.lock:
            model = service.store.models.get(model_id)
            service.store.models.put(model_id, replace(model, loaded=False))
        return UnloadModelResponse(model_id=model_id, type="unload_model")

    number = service.lanes.next_seq_id(model_id)
    admit = partial(service.model, model_id)
    return Submission(f"{model_id}:unload", model_id, number, work, admit, ordered=True)


def forward_backward(call: Call, request: ForwardBackwardRequest) -> Submission[ForwardBackwardOutput]:
    """Compute a loss, and unless `forward_only` add its gradients."""
    batch, only = request.forward_backward_input, request.forward_only
    return _pass(call, request.model_id, request.seq_id, batch, only)


def forward(call: Call, request: ForwardRequest) -> Submission[ForwardBackwardOutput]:
    """Compute a loss."""
    return _pass(call, request.model_id, request.seq_id, request.forward_input, True)


def _pass(
    call: Call, model_id: ModelID, seq_id: int | None, batch: ForwardBackwardInput, forward_only: bool
) -> Submission[ForwardBackwardOutput]:
    service = call.service
    model = service.store.models.get(model_id)

    def work() -> ForwardBackwardOutput:
        loss = _custom_loss(service, model, batch)
        output = service.backend.forward_backward(
            model_id, batch, forward_only=forward_only, custom_loss=loss
        )
        tokens = sum(known_length(datum.model_input) for datum in batch.data)
        service.usage.add(service.clock.now(), "training", model.base_model, model.session_id, tokens)
        return output

    return numbered_of(call, model_id, seq_id, work)


def _custom_loss(
    service: Service, model: ModelRecord, batch: ForwardBackwardInput
) -> CreateCustomLossRequest | None:
    """The uploaded loss that a batch names, of the model's own session."""
    if batch.loss_fn != "custom":
        return None
    loss_id = (batch.loss_fn_config or {}).get("loss_id")
    record = service.store.losses.find(str(loss_id))
    if record is None or record.session_id != model.session_id:
        raise RequestFailure(
            f"loss_fn_config['loss_id']: expected a loss that this session uploaded, got {loss_id!r}"
        )
    return record.request


def optim_step(call: Call, request: OptimStepRequest) -> Submission[OptimStepResponse]:
    """Apply the accumulated gradients."""
    service = call.service

    def work() -> OptimStepResponse:
        return service.backend.optim_step(request.model_id, request.optim_params)

    return numbered_of(call, request.model_id, request.seq_id, work)


def create_custom_loss(call: Call, request: CreateCustomLossRequest) -> Submission[CreateCustomLossResponse]:
    """Keep an uploaded loss whose graph hangs together; the backend judges what it calls when it is used."""
    service = call.service
    if request.custom_loss_seq_id < 0:
        raise Unprocessable(f"custom_loss_seq_id: expected 0 or more, got {request.custom_loss_seq_id}")
    session_id = request.session_id
    loss_id = f"{session_id}:loss:{request.custom_loss_seq_id}"

    def work() -> CreateCustomLossResponse:
        check_custom_loss(request)
        with service.lock:
            service.store.losses.put(loss_id, CustomLossRecord(loss_id, session_id, request))
        return CreateCustomLossResponse(loss_id=loss_id)

    admit = partial(service.session, session_id)
    return Submission(f"{loss_id}:create", session_id, None, work, admit)
