"""`TrainingClient`: passes, steps, losses."""

import asyncio
import math
from typing import Any

import numpy as np
import pytest
import tinker
from tinker import types

from contract import LOSSES
from fake_server.fake import Fake
from tests.sdk.data import datum, prompt, train, weighted

pytestmark = pytest.mark.sdk

RATIO_LOSSES = ["importance_sampling", "ppo", "cispo", "dro", "gspo"]


def ratio_datum(logprobs: list[float]) -> types.Datum:
    """A datum for the losses that compare the learner with the sampler."""
    return datum(logprobs=logprobs, advantages=[1.0, 1.0, 2.0])


def logprobs_of(training: tinker.TrainingClient) -> list[float]:
    output = training.forward([weighted()], "cross_entropy").result()
    return list(output.loss_fn_outputs[0]["logprobs"].tolist())


def test_the_loss_falls_while_a_model_is_trained(training: tinker.TrainingClient) -> None:
    losses = train(training, 4)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] / 2


def test_cross_entropy_is_the_weighted_sum_of_the_logprobs(training: tinker.TrainingClient) -> None:
    logprobs = logprobs_of(training)
    output = training.forward_backward([datum(weights=[0.0, 1.0, 0.5])], "cross_entropy").result()
    wanted = -(logprobs[1] + logprobs[2] / 2)
    assert output.metrics["loss:sum"] == pytest.approx(wanted, rel=1e-6)


def test_targets_may_have_several_columns(training: tinker.TrainingClient) -> None:
    targets = types.TensorData.from_numpy(np.array([[2, 5], [3, 6], [1, 7]]))
    weights = types.TensorData.from_numpy(np.full((3, 2), 0.5, dtype=np.float32))
    data = types.Datum(prompt(1, 2, 3), {"target_tokens": targets, "weights": weights})
    output = training.forward_backward([data], "cross_entropy").result()
    assert output.loss_fn_outputs[0]["logprobs"].shape == [3, 2]


def test_sparse_targets_and_weights_are_understood(training: tinker.TrainingClient) -> None:
    def sparse(values: list[Any], dtype: str) -> types.TensorData:
        return types.TensorData(
            data=values,
            dtype=dtype,
            shape=[3, 9],
            sparse_crow_indices=[0, 1, 1, 2],
            sparse_col_indices=[0, 0],
        )

    inputs = {"target_tokens": sparse([2, 3], "int64"), "weights": sparse([1.0, 0.5], "float32")}
    data = types.Datum(prompt(1, 2, 3), inputs)
    dense = datum(weights=[1.0, 0.0, 0.0])
    first = training.forward([dense], "cross_entropy").result().metrics["loss:sum"]
    assert training.forward([data], "cross_entropy").result().metrics["loss:sum"] > first


def test_forward_changes_nothing(training: tinker.TrainingClient) -> None:
    before = logprobs_of(training)
    training.forward([weighted()], "cross_entropy").result()
    training.optim_step(types.AdamParams(learning_rate=0.1)).result()
    assert logprobs_of(training) == before


@pytest.mark.parametrize("loss", RATIO_LOSSES)
def test_losses_that_compare_with_the_sampler_train(training: tinker.TrainingClient, loss: str) -> None:
    before = logprobs_of(training)
    output = training.forward_backward([ratio_datum(before)], loss).result()
    assert math.isfinite(output.metrics["loss:sum"])
    training.optim_step(types.AdamParams(learning_rate=0.1)).result()
    after = logprobs_of(training)
    assert sum(after) > sum(before)


def test_importance_sampling_at_the_sampler_is_the_negative_advantage(
    training: tinker.TrainingClient,
) -> None:
    data = ratio_datum(logprobs_of(training))
    output = training.forward([data], "importance_sampling").result()
    assert output.metrics["loss:sum"] == pytest.approx(-4.0, rel=1e-5)


def test_the_clips_of_ppo_come_from_the_loss_config(training: tinker.TrainingClient) -> None:
    data = ratio_datum([value - 1 for value in logprobs_of(training)])
    config = {"clip_low_threshold": 0.5, "clip_high_threshold": 1.5}
    output = training.forward([data], "ppo", config).result()
    assert output.metrics["loss:sum"] == pytest.approx(-1.5 * 4, rel=1e-5)


def test_stable_reinforce_reads_the_provenance_of_samples(training: tinker.TrainingClient) -> None:
    inputs = [
        types.PromptProvenanceSpan(sequence_id="s", length=1),
        types.SampledProvenanceSpan(sequence_id="s", length=2),
    ]
    targets = [types.SampledProvenanceSpan(sequence_id="s", length=3)]
    data = ratio_datum(logprobs_of(training)).with_provenance(inputs, targets)
    output = training.forward_backward([data], "stable_reinforce", {"kl_coeff": 0.1}).result()
    assert math.isfinite(output.metrics["loss:sum"])


def test_every_loss_of_the_contract_has_a_test_here() -> None:
    assert {*RATIO_LOSSES, "cross_entropy", "stable_reinforce", "custom"} == set(LOSSES)


def test_many_datums_come_back_in_order(training: tinker.TrainingClient) -> None:
    data = [weighted(tuple(range(1, 2 + size % 7))) for size in range(2500)]
    output = training.forward(data, "cross_entropy").result()
    assert [len(given["logprobs"].data) for given in output.loss_fn_outputs] == [
        d.model_input.length for d in data
    ]
    assert output.metrics["tokens:sum"] == sum(d.model_input.length for d in data)


def test_operations_run_in_the_order_of_their_calls(training: tinker.TrainingClient) -> None:
    first = training.forward_backward([weighted()] * 2500, "cross_entropy")
    step = training.optim_step(types.AdamParams(learning_rate=0.1))
    second = training.forward([weighted()], "cross_entropy")
    assert second.result().metrics["loss:sum"] < first.result().metrics["loss:sum"] / 2500
    assert step.result().metrics["grad_norm"] > 0


def test_steps_take_every_parameter_of_adam(training: tinker.TrainingClient, seen: list[Any]) -> None:
    params = types.AdamParams(
        learning_rate=0.01, beta1=0.8, beta2=0.9, eps=1e-8, weight_decay=0.1, grad_clip_norm=1.0
    )
    training.forward_backward([weighted()], "cross_entropy").result()
    training.optim_step(params).result()
    (request,) = [e.request for e in seen if e.operation == "optim_step"]
    assert request.optim_params.model_dump() == params.model_dump()


def test_steps_of_another_optimizer_fail_as_a_mistake_of_the_user(training: tinker.TrainingClient) -> None:
    with pytest.raises(tinker.RequestFailedError, match="dimuon"):
        training.optim_step(types.DimuonParams(learning_rate=0.1)).result()


def test_images_are_trained_on(training: tinker.TrainingClient) -> None:
    image = types.ImageChunk(data=b"\x89PNG...", format="png", expected_tokens=2)
    chunks = [image, types.EncodedTextChunk(tokens=[1])]
    inputs = {"target_tokens": [1, 2, 3], "weights": [0.0, 0.0, 1.0]}
    data = types.Datum(types.ModelInput(chunks=chunks), inputs)
    output = training.forward_backward([data], "cross_entropy").result()
    assert len(output.loss_fn_outputs[0]["logprobs"].data) == 3


def test_information_tells_model_and_adapter(training: tinker.TrainingClient) -> None:
    info = training.get_info()
    assert (info.lora_rank, info.is_lora) == (8, True)
    assert info.model_data.model_name == "tinkerproof/pico"


def test_the_tokenizer_of_pico_is_at_hand(training: tinker.TrainingClient) -> None:
    tokenizer = training.get_tokenizer()
    assert tokenizer.decode(tokenizer.encode("hello")) == "hello"


def test_the_tokenizer_of_a_sampler_is_found_by_its_base_model(
    serve: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, training: tinker.TrainingClient
) -> None:
    folder = training.get_info().model_data.tokenizer_id
    fake: Fake = serve(base_models=(folder,))
    sampling = fake.service_client().create_sampling_client(base_model=folder).result()
    assert sampling.get_tokenizer().encode("hi") == [104, 105]


def test_a_base_model_of_the_line_up_trains(service: tinker.ServiceClient) -> None:
    training = service.create_lora_training_client("Qwen/Qwen3-8B", rank=8).result()
    losses = train(training, 3)
    assert losses[-1] < losses[0]


def test_passes_and_steps_run_in_coroutines(training: tinker.TrainingClient) -> None:
    async def loop() -> list[float]:
        losses = []
        for _ in range(2):
            output = await training.forward_backward([weighted()], "cross_entropy")
            await training.optim_step(types.AdamParams(learning_rate=0.1))
            losses.append(output.metrics["loss:sum"])
        return losses

    first, second = asyncio.run(loop())
    assert second < first


def test_the_old_names_of_coroutines_still_work(training: tinker.TrainingClient) -> None:
    async def loop() -> tuple[Any, Any, Any]:
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            passed = await training.forward_backward_async([weighted()], "cross_entropy")
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            stepped = await training.optim_step_async(types.AdamParams(learning_rate=0.1))
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            looked = await training.forward_async([weighted()], "cross_entropy")
        return await passed, await stepped, await looked

    passed, stepped, looked = asyncio.run(loop())
    assert looked.metrics["loss:sum"] < passed.metrics["loss:sum"]
    assert stepped.metrics["grad_norm"] > 0
