"""`ServiceClient`: sessions, clients, the end."""

import asyncio
import time
from typing import Any

import pytest
import tinker
from tinker import types

from fake_server.fake import Fake
from tests.sdk.data import PICO, post, prompt, train

pytestmark = pytest.mark.sdk


def test_capabilities_list_the_base_models(rest: tinker.RestClient) -> None:
    models = rest.get_server_capabilities().result().supported_models
    pico = next(model for model in models if model.model_name == PICO)
    assert (pico.trainable, pico.sampleable) == (True, True)
    assert pico.max_context_length == 4096


def test_capabilities_come_from_a_service_client_too(service: tinker.ServiceClient) -> None:
    with pytest.warns(FutureWarning, match="DEPRECATED"):
        answer = service.get_server_capabilities()
    with pytest.warns(FutureWarning, match="DEPRECATED"):
        assert asyncio.run(service.get_server_capabilities_async()) == answer


def test_a_training_client_gets_what_it_was_asked_for(service: tinker.ServiceClient, seen: list[Any]) -> None:
    training = service.create_lora_training_client(
        PICO,
        rank=4,
        seed=11,
        train_mlp=False,
        train_attn=False,
        user_metadata={"run": "first"},
        optimizer=types.AdamOptimizerConfig(),
    ).result()
    request = next(e.request for e in seen if e.operation == "create_model")
    assert request.lora_config.model_dump() == {
        "rank": 4,
        "seed": 11,
        "train_unembed": True,
        "train_mlp": False,
        "train_attn": False,
    }
    assert (request.user_metadata, request.optimizer_config.type) == ({"run": "first"}, "adamw")
    assert training.get_info().lora_rank == 4


def test_two_models_of_a_session_are_numbered(service: tinker.ServiceClient) -> None:
    ids = [service.create_lora_training_client(PICO).result().get_info().model_id for _ in range(2)]
    assert [model_id.rpartition(":train:")[2] for model_id in ids] == ["0", "1"]


def test_training_clients_are_created_in_coroutines(service: tinker.ServiceClient) -> None:
    async def create() -> str:
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            training = await service.create_lora_training_client_async(PICO, rank=2)
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            return (await training.get_info_async()).model_id

    assert asyncio.run(create()).endswith(":train:0")


def test_an_unknown_base_model_is_refused_with_the_known_ones(service: tinker.ServiceClient) -> None:
    with pytest.raises(tinker.BadRequestError, match="tinkerproof/pico"):
        service.create_lora_training_client("nobody/knows").result()


def test_an_optimizer_that_is_not_there_fails_the_creation(service: tinker.ServiceClient) -> None:
    with pytest.raises(tinker.RequestFailedError, match="dimuon") as caught:
        service.create_lora_training_client(PICO, optimizer=types.DimuonOptimizerConfig()).result()
    assert str(caught.value.category).endswith(("User", "user"))


def test_a_sampling_client_of_a_base_model_samples(service: tinker.ServiceClient) -> None:
    sampling = service.create_sampling_client(base_model=PICO).result()
    answer = sampling.sample(prompt(), 1, types.SamplingParams(max_tokens=3)).result()
    assert len(answer.sequences[0].tokens) <= 3
    assert sampling.get_base_model() == PICO


def test_sampling_clients_are_created_in_coroutines(service: tinker.ServiceClient) -> None:
    async def create() -> tinker.SamplingClient:
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            return await service.create_sampling_client_async(base_model=PICO)

    sampling = asyncio.run(create())
    assert sampling.get_base_model() == PICO


def test_a_sampling_client_of_weights_learns_its_base_model(
    service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    path = training.save_weights_for_sampler("mine").result().path
    sampling = service.create_sampling_client(model_path=path).result()
    assert sampling.get_base_model() == PICO


def test_a_sampling_client_of_weights_that_are_not_there_is_refused(service: tinker.ServiceClient) -> None:
    with pytest.raises(tinker.NotFoundError, match="no checkpoint"):
        service.create_sampling_client(model_path="tinker://nobody:train:0/sampler_weights/x").result()


def test_a_session_carries_metadata_name_project_and_tags(
    tinker_fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINKER_TAGS", "night,small")
    service = tinker_fake.service_client(
        user_metadata={"a": "b"}, project_id="project-7", display_name="A run"
    )
    service.create_sampling_client(base_model=PICO).result()
    (session,) = tinker_fake.service.store.sessions
    assert (session.user_metadata, session.project_id) == ({"a": "b"}, "project-7")
    assert (session.display_name, sorted(session.tags)) == ("A run", ["night", "small"])


def test_a_session_without_a_client_is_never_opened(service: tinker.ServiceClient, tinker_fake: Fake) -> None:
    assert service.get_console_url()
    assert len(tinker_fake.service.store.sessions) == 0


def test_consoles_of_clients_name_their_session(
    service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    session = service.holder.get_session_id()
    assert session in service.get_console_url()
    assert session in training.get_console_url()


def test_telemetry_is_off_where_the_environment_says_so(
    service: tinker.ServiceClient,
    training: tinker.TrainingClient,
    sampling: tinker.SamplingClient,
    rest: tinker.RestClient,
    admin: tinker.AdminClient,
) -> None:
    given = [
        service.get_telemetry(),
        training.get_telemetry(),
        sampling.get_telemetry(),
        rest.get_telemetry(),
        admin.get_telemetry(),
    ]
    assert given == [None] * 5


def test_telemetry_is_taken(tinker_fake: Fake, seen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_TELEMETRY", "1")
    service = tinker_fake.service_client()
    service.create_lora_training_client(PICO).result()
    service.close("success").result()
    (exchange, *_) = [e for e in seen if e.operation == "telemetry"]
    assert exchange.status == 200
    assert exchange.request.events[0].event == "SESSION_START"


def test_telemetry_does_not_hold_an_error_back(tinker_fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_TELEMETRY", "1")
    service = tinker_fake.service_client()
    start = time.monotonic()
    with pytest.raises(tinker.BadRequestError):
        service.create_lora_training_client("nobody/knows").result()
    assert time.monotonic() - start < 5


def test_a_closed_session_is_finished_and_says_why(service: tinker.ServiceClient, tinker_fake: Fake) -> None:
    service.create_sampling_client(base_model=PICO).result()
    service.close("interrupted", detail="power cut").result()
    (session,) = tinker_fake.service.store.sessions
    status = tinker_fake.service.status_of(session)
    assert status.model_dump() == {
        "type": "client_finished",
        "reason": {"type": "interrupted"},
        "detail": "power cut",
    }


def test_heartbeats_stop_at_the_end_of_a_session(service: tinker.ServiceClient, tinker_fake: Fake) -> None:
    session = {"session_id": service.holder.get_session_id()}
    assert post(tinker_fake, "/api/v1/session_heartbeat", session)[0] == 200
    service.close("success").result()
    assert post(tinker_fake, "/api/v1/session_heartbeat", session)[0] == 410


def test_the_end_of_a_with_block_closes_the_session(tinker_fake: Fake) -> None:
    with tinker_fake.service_client() as service:
        service.create_sampling_client(base_model=PICO).result()
    (session,) = tinker_fake.service.store.sessions
    assert session.ended.reason.type == "success"
    with pytest.raises(RuntimeError, match="closed"):
        service.create_sampling_client(base_model=PICO)


def test_a_finished_session_takes_no_more_operations(
    tinker_fake: Fake, training: tinker.TrainingClient
) -> None:
    train(training, 1)
    session = training.get_info().model_id.partition(":")[0]
    reason = {"reason": {"type": "success"}, "detail": "enough"}
    assert post(tinker_fake, f"/api/v1/sessions/{session}/finish", reason) == (204, "")
    with pytest.raises(tinker.BadRequestError, match=r"has ended \(success: enough\)"):
        training.optim_step(types.AdamParams()).result()
