"""Models: training, losses, states."""

from typing import Any

from tinker import types
from tinker.lib.public_interfaces import training_client

from tests.sdk.matrix import offers
from tests.sdk.matrix.feature import feature
from tests.sdk.matrix.world import PICO, World, datum, prompt, refusal

__all__: list[str] = []

T = "training"


@feature(T, "train", "TrainingClient.forward_backward", "TrainingClient.optim_step")
def train(world: World) -> None:
    losses = [world.step() for _ in range(3)]
    assert losses[0] > losses[1] > losses[2], losses


@feature(T, "forward", "TrainingClient.forward")
def forward(world: World) -> None:
    assert world.loss() == world.loss() > 0


@feature(T, "chunks", "TrainingClient.forward_backward", once=True)
def chunks(world: World) -> None:
    if hasattr(training_client, "MAX_CHUNK_LEN"):  # up to 0.24.1, and then the server says it: see the flags
        training_client.MAX_CHUNK_LEN = 50
    data = [datum(tuple(range(1, 3 + n % 3))) for n in range(130)]
    outputs = world.call(world.training, "forward_backward", data, "cross_entropy").loss_fn_outputs
    world.call(world.training, "optim_step", types.AdamParams(learning_rate=0.0))
    assert [len(output["logprobs"].data) for output in outputs] == [2 + n % 3 for n in range(130)]


@feature(T, "pipeline", "TrainingClient.forward_backward", once=True)
def pipeline(world: World) -> None:
    waiting: list[Any] = []
    for _ in range(4):
        waiting.append(world.training.forward_backward([datum()], "cross_entropy"))
        waiting.append(world.training.optim_step(types.AdamParams(learning_rate=1e-3)))
    results = [future.result() for future in waiting]
    losses = [-sum(map(float, output.loss_fn_outputs[0]["logprobs"].data)) for output in results[::2]]
    assert losses == sorted(losses, reverse=True), losses


@feature(T, "model info", "TrainingClient.get_info")
def info(world: World) -> None:
    told = world.call(world.training, "get_info")
    assert "pico" in str(told.model_data.model_name)


@feature(T, "tokenizer", "TrainingClient.get_tokenizer", once=True)
def tokenizer(world: World) -> None:
    training = world.call(world.service, "create_lora_training_client", world.folder, rank=4)
    made = world.recorded(training).get_tokenizer()
    assert made.decode(made.encode("hello")) == "hello"


@feature(T, "seed, layers", "ServiceClient.create_lora_training_client")
def flags(world: World) -> None:
    two = [world.new_training(seed=7, train_unembed=False, train_mlp=True, train_attn=False) for _ in "ab"]
    losses = [[world.step(training) for _ in range(3)] for training in two]
    assert losses[0] == losses[1]


@feature(T, "metadata of a model", "ServiceClient.create_lora_training_client(user_metadata)")
def metadata(world: World) -> None:
    run = world.run_of(world.new_training(user_metadata={"a": "b"}))
    assert world.call(world.rest, "get_training_run", run).user_metadata == {"a": "b"}


@feature(T, "weight decay, clipping", "types.AdamParams(weight_decay)", "types.AdamParams(grad_clip_norm)")
def decay(world: World) -> None:
    training = world.new_training()
    world.call(training, "forward_backward", [datum()], "cross_entropy")
    params = types.AdamParams(learning_rate=1e-3, weight_decay=0.1, grad_clip_norm=1.0)
    named = "adam_params" in offers.signature_of("TrainingClient.optim_step")
    given, options = ((), {"adam_params": params}) if named else ((params,), {})
    metrics = world.call(training, "optim_step", *given, **options).metrics
    assert metrics, metrics


@feature(T, "optimizer of a model", "ServiceClient.create_lora_training_client(optimizer)")
def optimizer(world: World) -> None:
    losses = [world.step(world.new_training(optimizer=types.AdamOptimizerConfig(), seed=1)) for _ in range(2)]
    assert losses[0] == losses[1]


@feature(T, "dimuon", "types.DimuonParams", "ServiceClient.create_lora_training_client(optimizer)")
def dimuon(world: World) -> None:
    try:
        training = world.new_training(optimizer=types.DimuonOptimizerConfig())
    except Exception as error:
        raise refusal(error, "has no other optimizer") from error
    before = world.loss(training)
    world.call(training, "forward_backward", [datum()], "cross_entropy")
    world.call(training, "optim_step", types.DimuonParams(learning_rate=1e-3))
    assert world.loss(training) < before


RATIO = {"logprobs": [-3.0, -2.0, -1.0, -2.0], "advantages": [1.0, -1.0, 0.5, 1.0]}
MASKED = {**RATIO, "sequence_ratio_mask": [1.0, 1.0, 1.0, 1.0]}


def passed(world: World, loss: str, inputs: dict[str, list[float]]) -> None:
    training = world.new_training()
    output = world.call(training, "forward_backward", [datum(**inputs)], loss)
    world.call(training, "optim_step", types.AdamParams(learning_rate=1e-3))
    assert len(list(output.loss_fn_outputs[0]["logprobs"].data)) == 4
    assert "loss:sum" in output.metrics, output.metrics


def _losses() -> None:
    for name in ("importance_sampling", "ppo", "cispo", "dro", "gspo"):
        inputs = MASKED if name == "gspo" else RATIO
        feature("losses", name, f"loss {name}")(
            lambda world, name=name, inputs=inputs: passed(world, name, inputs)  # type: ignore[misc]
        )


_losses()


@feature("losses", "settings of a loss", "TrainingClient.forward_backward(loss_fn_config)")
def settings(world: World) -> None:
    config = {"clip_low_threshold": 0.9, "clip_high_threshold": 1.1}
    training = world.new_training()
    output = world.call(training, "forward_backward", [datum(**RATIO)], "ppo", loss_fn_config=config)
    looked = world.call(training, "forward", [datum(**RATIO)], "ppo", loss_fn_config=config)
    assert output.metrics["loss:sum"] == looked.metrics["loss:sum"]


@feature("losses", "stable_reinforce", "loss stable_reinforce")
def stable_reinforce(world: World) -> None:
    made = world.call(world.service, "create_sampling_client", base_model=PICO, record_stability_info=True)
    (sequence,) = world.sample(sampler=world.recorded(made), max_tokens=4, stop=[])
    whose = {"sequence_id": sequence.sequence_id}
    tokens = (*prompt().to_ints(), *sequence.tokens)
    length = len(tokens) - 1
    inputs = [
        types.PromptProvenanceSpan(**whose, offset=0, length=5),
        types.SampledProvenanceSpan(**whose, offset=0, length=length - 5),
    ]
    targets = [
        types.PromptProvenanceSpan(**whose, offset=1, length=4),
        types.SampledProvenanceSpan(**whose, offset=0, length=length - 4),
    ]
    given = {"logprobs": [-1.0] * length, "advantages": [1.0] * length}
    data = datum(tokens[:-1], **given).with_provenance(inputs, targets)
    output = world.call(world.new_training(), "forward_backward", [data], "stable_reinforce")
    assert len(output.loss_fn_outputs[0]["logprobs"].data) == length


@feature("losses", "custom, at the client", "TrainingClient.forward_backward_custom")
def custom(world: World) -> None:
    def weighted(data: Any, logprobs: Any) -> Any:
        loss = -sum(row.sum() for row in logprobs)
        return loss, {"mine": float(loss)}

    training = world.new_training()
    metrics = world.call(training, "forward_backward_custom", [datum()], weighted).metrics
    assert abs(metrics["mine"] - world.loss(training)) < 1e-3, metrics
    world.call(training, "optim_step", types.AdamParams(learning_rate=1e-3))
    assert world.loss(training) < metrics["mine"]


@feature("losses", "custom, uploaded", "ServiceClient.create_custom_loss", once=True)
def uploaded(world: World) -> None:
    def neg_ll(logprobs: Any, weights: Any) -> Any:
        loss = -(logprobs * weights).sum()
        return loss, {"custom/neg_ll:sum": loss}

    loss = world.service.create_custom_loss(neg_ll, {"logprobs": 1, "weights": 1}).result()
    training = world.new_training()
    try:
        metrics = world.call(training, "forward_backward_custom", [datum()], loss).metrics
    except Exception as error:
        raise refusal(error, "the scripted backend does not run uploaded losses") from error
    assert abs(metrics["custom/neg_ll:sum"] - world.loss(training)) < 1e-3, metrics


@feature(T, "unload", "TrainingClient.unload_model")
def unload(world: World) -> None:
    training = world.new_training()
    world.step(training)
    world.call(training, "unload_model")
