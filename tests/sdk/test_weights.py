"""`TrainingClient` and `ServiceClient`: saving, loading, going on."""

import asyncio
from typing import Any

import pytest
import tinker
from tinker import types

from fake_server.fake import Fake
from tests.sdk.data import prompt, train, weighted

pytestmark = pytest.mark.sdk


def loss_of(training: tinker.TrainingClient) -> float:
    return float(training.forward([weighted()], "cross_entropy").result().metrics["loss:sum"])


def test_saved_states_are_named_by_model_and_name(training: tinker.TrainingClient) -> None:
    path = training.save_state("first").result().path
    assert path == f"tinker://{training.get_info().model_id}/weights/first"


def test_a_state_keeps_its_life_and_its_metadata(
    training: tinker.TrainingClient, rest: tinker.RestClient
) -> None:
    training.save_state("first", ttl_seconds=7200, user_metadata={"step": "1"}).result()
    (checkpoint,) = rest.list_checkpoints(training.get_info().model_id).result().checkpoints
    assert (checkpoint.checkpoint_id, checkpoint.checkpoint_type) == ("weights/first", "training")
    assert checkpoint.user_metadata == {"step": "1"}
    assert (checkpoint.expires_at - checkpoint.time).total_seconds() == pytest.approx(7200, abs=1)


def test_a_name_is_used_again_only_to_overwrite(training: tinker.TrainingClient) -> None:
    training.save_state("first", user_metadata={"a": "1", "b": "2"}).result()
    with pytest.raises(tinker.RequestFailedError, match="overwrite=True"):
        training.save_state("first").result()
    assert training.save_state("first", overwrite=True, user_metadata={"a": "3"}).result().path


def test_a_life_that_is_too_short_is_refused(training: tinker.TrainingClient) -> None:
    with pytest.raises(tinker.BadRequestError, match="ttl_seconds: expected 3600"):
        training.save_state("first", ttl_seconds=60).result()
    assert training.save_state("second").result().path.endswith("/weights/second")


def test_training_goes_on_from_a_state(
    service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    train(training, 2)
    path = training.save_state("first").result().path
    wanted = loss_of(training)
    again = service.create_training_client_from_state(path, user_metadata={"from": path}).result()
    assert loss_of(again) == wanted
    assert again.get_info().model_id.endswith(":train:1")


def test_training_goes_on_with_the_state_of_the_optimizer(
    service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    train(training, 2)
    path = training.save_state("first").result().path
    again = service.create_training_client_from_state_with_optimizer(path).result()
    fresh = service.create_training_client_from_state(path).result()
    wanted = train(training, 2)
    assert train(again, 2) == wanted
    assert train(fresh, 2) != wanted


def test_training_clients_from_states_are_created_in_coroutines(
    service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    path = training.save_state("first").result().path

    async def create() -> tuple[Any, Any]:
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            plain = await service.create_training_client_from_state_async(path)
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            whole = await service.create_training_client_from_state_with_optimizer_async(path)
        return plain, whole

    plain, whole = asyncio.run(create())
    assert loss_of(plain) == loss_of(whole)


def test_a_context_length_may_change_with_the_state(
    service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    path = training.save_state("first").result().path
    longer = "tinkerproof/pico:peft:8192"
    again = service.create_training_client_from_state(path, base_model=longer).result()
    assert again.get_info().model_data.model_name == longer


def test_a_state_that_is_not_there_fails(service: tinker.ServiceClient) -> None:
    with pytest.raises(tinker.TinkerError, match="no checkpoint"):
        service.create_training_client_from_state("tinker://nobody:train:0/weights/x").result()


def test_a_sampler_checkpoint_is_no_training_state(
    service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    path = training.save_weights_for_sampler("first").result().path
    with pytest.raises(tinker.RequestFailedError, match="save_state saves such"):
        service.create_training_client_from_state(path).result()


@pytest.mark.parametrize("optimizer", [False, True], ids=["weights", "with the optimizer"])
def test_a_state_is_loaded_into_a_model(training: tinker.TrainingClient, *, optimizer: bool) -> None:
    before = loss_of(training)
    path = training.save_state("first").result().path
    train(training, 2)
    load = training.load_state_with_optimizer if optimizer else training.load_state
    with pytest.warns(FutureWarning, match="DEPRECATED"):
        assert load(path).result().path == path
    assert loss_of(training) == before


def test_states_are_loaded_in_coroutines(training: tinker.TrainingClient) -> None:
    path = training.save_state("first").result().path

    async def load() -> list[str]:
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            plain = await training.load_state_async(path)
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            whole = await training.load_state_with_optimizer_async(path)
        return [(await plain).path, (await whole).path]

    assert asyncio.run(load()) == [path, path]


def test_weights_are_saved_in_coroutines(training: tinker.TrainingClient) -> None:
    async def save() -> list[str]:
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            state = await training.save_state_async("s")
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            sampler = await training.save_weights_for_sampler_async("s")
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            external = await training.save_weights_external_async("s")
        return [(await future).path for future in (state, sampler, external)]

    kinds = [path.rsplit("/", 2)[1] for path in asyncio.run(save())]
    assert kinds == ["weights", "sampler_weights", "external_weights"]


def test_saved_sampler_weights_sample_as_their_model_does(
    service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    train(training, 6)
    path = training.save_weights_for_sampler("s", ttl_seconds=3600, user_metadata={"a": "b"}).result().path
    sampling = training.create_sampling_client(path).result()
    base = service.create_sampling_client(base_model="tinkerproof/pico").result()
    learned, plain = (c.compute_logprobs(prompt(1, 2, 3)).result() for c in (sampling, base))
    assert learned[1] > plain[1] + 1


def test_sampling_clients_of_a_training_client_come_from_coroutines(training: tinker.TrainingClient) -> None:
    path = training.save_weights_for_sampler("s").result().path

    async def create() -> list[str]:
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            named = await training.create_sampling_client_async(path)
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            unnamed = await training.save_weights_and_get_sampling_client_async()
        return [named.get_base_model(), unnamed.get_base_model()]

    assert asyncio.run(create()) == ["tinkerproof/pico"] * 2


def test_a_snapshot_keeps_its_weights(training: tinker.TrainingClient) -> None:
    sampling = training.save_weights_and_get_sampling_client().result()
    before = sampling.compute_logprobs(prompt(1, 2, 3)).result()
    train(training, 2)
    training.save_weights_and_get_sampling_client().result()
    assert sampling.compute_logprobs(prompt(1, 2, 3)).result() == before


def test_inflight_clients_adopt_newer_weights(training: tinker.TrainingClient) -> None:
    first = training.save_weights_and_get_sampling_client(kind="inflight").result()
    before = first.compute_logprobs(prompt(1, 2, 3)).result()
    train(training, 2)
    second = training.save_weights_and_get_sampling_client(kind="inflight").result()
    newer = second.compute_logprobs(prompt(1, 2, 3)).result()
    assert first.compute_logprobs(prompt(1, 2, 3)).result() == newer != before


def test_the_name_of_an_ephemeral_sampler_is_deprecated(training: tinker.TrainingClient) -> None:
    with pytest.warns(DeprecationWarning, match="no effect"):
        sampling = training.save_weights_and_get_sampling_client(name="x").result()
    assert sampling.get_base_model() == "tinkerproof/pico"


def test_a_sampler_of_an_external_checkpoint_is_refused(
    service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    path = training.save_weights_external("e").result().path
    with pytest.raises(tinker.BadRequestError, match="expected weights or sampler_weights"):
        service.create_sampling_client(model_path=path).result()


def test_saving_counts_as_a_step_of_the_order(training: tinker.TrainingClient, tinker_fake: Fake) -> None:
    passes = [training.forward_backward([weighted()], "cross_entropy") for _ in range(3)]
    step = training.optim_step(types.AdamParams(learning_rate=0.1))
    saved = training.save_state("after the step")
    assert saved.result().path in [record.path for record in tinker_fake.service.store.checkpoints]
    assert all(future.result() for future in (*passes, step))
