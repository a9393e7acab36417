"""Checkpoints: saving, going on, copies, files."""

from tinker import types

from tests.sdk.matrix.feature import feature
from tests.sdk.matrix.world import World, prompt

__all__: list[str] = []

W = "weights"
FROM = "ServiceClient.create_training_client_from_state"
TTL = 7200


def checkpoint(world: World, path: str) -> object:
    run, _, name = path.removeprefix("tinker://").partition("/")
    listed = world.call(world.rest, "list_checkpoints", run).checkpoints
    return next(found for found in listed if found.checkpoint_id == name)


@feature(W, "save, resume", FROM, "TrainingClient.save_state")
def resume(world: World) -> None:
    world.step()
    path = world.saved()
    again = world.recorded(world.call(world.service, "create_training_client_from_state", path))
    assert world.loss(again) == world.loss()
    assert world.step(again) > world.loss(again)


@feature(W, "resume with optimizer", f"{FROM}_with_optimizer")
def resume_whole(world: World) -> None:
    training = world.new_training()
    world.step(training)
    path = world.call(training, "save_state", "whole").path
    name = "create_training_client_from_state_with_optimizer"
    again = world.recorded(world.call(world.service, name, path))
    told = [[world.step(either) for _ in range(2)] for either in (training, again)]
    assert told[0] == told[1]


@feature(W, "client of a model id", "ServiceClient.create_training_client")
def by_id(world: World) -> None:
    training = world.recorded(world.call(world.service, "create_training_client", world.run_of()))
    assert world.loss(training) == world.loss()


@feature(W, "load", "TrainingClient.load_state")
def load(world: World) -> None:
    path, before = world.saved(), world.loss()
    world.step()
    world.call(world.training, "load_state", path)
    assert world.loss() == before


@feature(W, "load with optimizer", "TrainingClient.load_state_with_optimizer")
def load_whole(world: World) -> None:
    path = world.saved()
    first = [world.step() for _ in range(3)]
    world.call(world.training, "load_state_with_optimizer", path)
    assert [world.step() for _ in range(3)] == first


@feature(W, "metadata of a resumed model", f"{FROM}(user_metadata)")
def resumed_metadata(world: World) -> None:
    names = ["create_training_client_from_state"]
    if hasattr(world.service.client, f"{names[0]}_with_optimizer"):
        names.append(f"{names[0]}_with_optimizer")
    for name in names:
        made = world.call(world.service, name, world.saved(), user_metadata={"from": name})
        run = world.run_of(world.recorded(made))
        assert world.call(world.rest, "get_training_run", run).user_metadata == {"from": name}


@feature(W, "token of shared weights", f"{FROM}(weights_access_token)", "TrainingClient.load_state")
def token(world: World) -> None:
    named = {"weights_access_token": "tml-mine"}
    for name in ("load_state", "load_state_with_optimizer"):
        assert world.call(world.training, name, world.saved(), **named)
    for name in ("create_training_client_from_state", "create_training_client_from_state_with_optimizer"):
        made = world.recorded(world.call(world.service, name, world.saved(), **named))
        assert world.loss(made) == world.loss()


@feature(W, "base model of a state", f"{FROM}(base_model)")
def longer(world: World) -> None:
    for name in ("create_training_client_from_state", "create_training_client_from_state_with_optimizer"):
        made = world.call(world.service, name, world.saved(), base_model="tinkerproof/pico:peft:8192")
        assert world.loss(world.recorded(made)) == world.loss()


@feature(W, "optimizer of a state", f"{FROM}(optimizer)")
def optimizer(world: World) -> None:
    made = world.call(
        world.service,
        "create_training_client_from_state",
        world.saved(),
        optimizer=types.AdamOptimizerConfig(),
    )
    assert world.loss(world.recorded(made)) == world.loss()


@feature(W, "life of a checkpoint", "TrainingClient.save_state(ttl_seconds)")
def ttl(world: World) -> None:
    for path in (world.saved(ttl_seconds=TTL), world.sampled_from(ttl_seconds=TTL)):
        kept = checkpoint(world, path)
        assert getattr(kept, "expires_at", None) is not None, kept


@feature(W, "overwrite", "TrainingClient.save_state(overwrite)")
def overwrite(world: World) -> None:
    path = world.saved()
    name = path.rpartition("/")[2]
    assert world.call(world.training, "save_state", name, overwrite=True).path == path


@feature(W, "metadata of a checkpoint", "TrainingClient.save_state(user_metadata)")
def checkpoint_metadata(world: World) -> None:
    for path in (world.saved(user_metadata={"a": "b"}), world.sampled_from(user_metadata={"a": "b"})):
        assert checkpoint(world, path).user_metadata == {"a": "b"}  # type: ignore[attr-defined]


@feature(W, "sampler weights", "TrainingClient.save_weights_for_sampler")
def sampler_weights(world: World) -> None:
    made = world.call(world.service, "create_sampling_client", model_path=world.sampled_from())
    learned = world.call(world.recorded(made), "compute_logprobs", prompt(1, 2, 3))
    assert learned[0] is None
    assert abs(learned[1] - world.call(world.sampling, "compute_logprobs", prompt(1, 2, 3))[1]) > 1e-4


@feature(W, "sampler of a training client", "TrainingClient.create_sampling_client")
def sampler_of_training(world: World) -> None:
    made = world.call(world.training, "create_sampling_client", world.sampled_from())
    assert world.sample(sampler=world.recorded(made))


@feature(W, "save and sample", "TrainingClient.save_weights_and_get_sampling_client")
def save_and_sample(world: World) -> None:
    unnamed = hasattr(world.training.client, "save_weights_and_get_sampling_client_submit")
    newest = not hasattr(world.service.client, "create_training_client")
    given = () if unnamed or newest else (world.name(),)
    made = world.call(world.training, "save_weights_and_get_sampling_client", *given)
    assert world.sample(sampler=world.recorded(made))


@feature(W, "save and sample, submitted", "TrainingClient.save_weights_and_get_sampling_client_submit")
def submit(world: World) -> None:
    made = world.call(world.training, "save_weights_and_get_sampling_client_submit")
    assert world.sample(sampler=world.recorded(made))


@feature(W, "sampler in flight", "TrainingClient.save_weights_and_get_sampling_client(kind)")
def in_flight(world: World) -> None:
    name = "save_weights_and_get_sampling_client"
    first = world.recorded(world.call(world.training, name, kind="inflight"))
    before = world.call(first, "compute_logprobs", prompt(1, 2, 3))
    world.step()
    second = world.recorded(world.call(world.training, name, kind="inflight"))
    newer = world.call(second, "compute_logprobs", prompt(1, 2, 3))
    assert world.call(first, "compute_logprobs", prompt(1, 2, 3)) == newer != before


@feature(W, "external weights", "TrainingClient.save_weights_external")
def external(world: World) -> None:
    path = world.call(world.training, "save_weights_external", world.name(), ttl_seconds=TTL).path
    urls = world.call(world.rest, "get_external_weights_urls", path).urls
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(urls)


@feature(W, "encrypted weights", "TrainingClient.save_weights_external(age_encryption_recipients)")
def encrypted(world: World) -> None:
    import pyrage

    key = pyrage.x25519.Identity.generate()
    recipients = [str(key.to_public())]
    name = world.name()
    saved = world.call(world.training, "save_weights_external", name, age_encryption_recipients=recipients)
    urls = world.call(world.rest, "get_external_weights_urls", saved.path).urls
    assert all(file.endswith(".age") for file in urls)


@feature(W, "copy to the session's project", "ServiceClient.copy_weights")
def copy(world: World) -> None:
    path = world.call(
        world.service, "copy_weights", world.saved(), ttl_seconds=TTL, weights_access_token="tml-mine"
    )
    made = world.call(world.service, "create_training_client_from_state", path)
    assert world.loss(world.recorded(made)) == world.loss()


@feature(W, "copy to a project", "RestClient.copy_weights")
def copy_to(world: World) -> None:
    path = world.call(
        world.rest, "copy_weights", world.saved(), "elsewhere", ttl_seconds=TTL, weights_access_token="tml-m"
    )
    run = path.split("/")[2]
    page = world.call(world.rest, "list_training_runs", project_id="elsewhere").training_runs
    assert run in [found.training_run_id for found in page]
