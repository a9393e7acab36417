"""What the SDK makes of our failures: raised at once, with our words, and nothing is lost."""

from dataclasses import replace
from typing import Any

import pytest
import tinker
from tinker import types

from fake_server.auth import key_hash
from fake_server.fake import API_KEY, Fake
from fake_server.futures import Future, FutureStore, Hold
from tests.sdk.conftest import Serve, until
from tests.sdk.data import PICO

pytestmark = pytest.mark.sdk

STEP = types.AdamParams(learning_rate=1e-3)


def datum(**inputs: object) -> types.Datum:
    given = {"target_tokens": [2, 3, 4], "weights": [1.0, 1.0, 1.0], **inputs}
    return types.Datum(model_input=types.ModelInput.from_ints([1, 2, 3]), loss_fn_inputs=given)


def hold(futures: FutureStore, held: list[Future], **queue: Any) -> None:
    """Hold all futures, and tell which."""

    def plan(future: Future) -> None:
        future.hold = Hold(held=True)
        for name, value in queue.items():
            setattr(future, name, value)
        held.append(future)

    futures.plan = plan


def test_a_failed_future_is_the_users_fault_and_the_next_operation_proceeds(training):
    with pytest.raises(tinker.RequestFailedError, match="one per target token, got 1") as failed:
        training.forward_backward([datum(weights=[1.0])], "cross_entropy").result()

    assert str(failed.value.category) == "user"
    assert training.optim_step(STEP).result().metrics["grad_norm"] == 0


def test_an_unknown_loss_is_named(training):
    with pytest.raises(tinker.RequestFailedError, match="loss_fn: expected one of cross_entropy"):
        training.forward_backward([datum()], "l2").result()


def test_a_rejected_submission_is_raised_at_once_and_its_number_counts_as_used(training):
    with pytest.raises(tinker.BadRequestError, match="ttl_seconds: expected 3600"):
        training.save_state("s", ttl_seconds=1).result()

    assert training.save_state("s").result().path


def test_a_chunk_that_cannot_be_sent_leaves_a_gap_that_is_given_up(tinker_fake, training):
    pointer = types.ImageAssetPointerChunk(format="png", location="x", expected_tokens=3)
    broken = types.Datum(model_input=types.ModelInput(chunks=[pointer]), loss_fn_inputs={"weights": [1.0]})
    with pytest.raises(ValueError, match="Unsupported model input chunk"):
        training.forward_backward([broken], "cross_entropy").result()
    waiting = training.optim_step(STEP)
    service = tinker_fake.service
    until(lambda: service.lanes.deadline(training.model_id) is not None)

    with service.lock:
        service.lanes._lanes[training.model_id].stalled_at -= 60
        service.lanes.tick(training.model_id)

    with pytest.raises(tinker.RequestFailedError, match="expected seq_id 1 before it"):
        waiting.result()


def test_a_model_that_cannot_be_is_refused_at_once(service):
    with pytest.raises(tinker.BadRequestError, match="base_model: expected one of"):
        service.create_lora_training_client("no/such-model").result()
    with pytest.raises(tinker.BadRequestError, match="rank must be positive"):
        service.create_lora_training_client(PICO, rank=-1).result()


def test_an_optimizer_that_is_not_served_fails_the_model(service):
    with pytest.raises(tinker.RequestFailedError, match="dimuon"):
        service.create_lora_training_client(PICO, optimizer=types.DimuonOptimizerConfig()).result()


def test_a_result_that_is_gone_is_told(tinker_fake, training):
    held: list[Future] = []
    futures = tinker_fake.service.futures
    hold(futures, held)
    step = training.optim_step(STEP)
    until(lambda: held)

    with tinker_fake.service.lock:
        futures._drop(held[0].request_id)

    with pytest.raises(Exception, match="Promise expired/broken"):
        step.result()


def test_a_failure_of_the_server_is_told_by_its_category(tinker_fake, training, caplog):
    tinker_fake.service.backend.optim_step = lambda model_id, params: 1 / 0

    with pytest.raises(tinker.RequestFailedError, match="internal error, request") as failed:
        training.optim_step(STEP).result()

    assert str(failed.value.category) == "server"


def test_a_sample_that_cannot_be_is_not_repeated(seen, sampling):
    params = types.SamplingParams(max_tokens=5000)
    with pytest.raises(tinker.BadRequestError, match="exceeds the model's context window"):
        sampling.sample(types.ModelInput.from_ints([1]), 1, params).result()

    assert [exchange.operation for exchange in seen].count("asample") == 1


def test_a_wrong_key_is_refused_at_once(tinker_fake: Fake):
    service = tinker.ServiceClient(base_url=tinker_fake.url, api_key=API_KEY)
    tinker_fake.service.revoked_keys.add(key_hash(API_KEY))

    with pytest.raises(tinker.AuthenticationError, match="a key that is in use"):
        service.create_sampling_client(base_model=PICO).result()


def test_a_pending_poll_is_repeated_until_the_result_is_there(serve: Serve):
    fake = serve(long_poll_seconds=0.0)
    polls: list[int] = []
    held: list[Future] = []
    service = fake.service_client()
    training = service.create_lora_training_client(PICO, rank=4).result()
    hold(fake.service.futures, held)
    fake.service.traffic.observers.append(
        lambda exchange: polls.append(exchange.status) if exchange.operation == "retrieve_future" else None
    )
    step = training.optim_step(STEP)
    until(lambda: len(polls) >= 3)

    with fake.service.lock:
        fake.service.futures.release(held[0])

    assert step.result().metrics is not None
    assert set(polls[:-1]) == {408}


def test_a_future_that_never_was_is_an_error_of_the_caller(serve: Serve):
    fake = serve(long_poll_seconds=0.05)
    training = fake.service_client().create_lora_training_client(PICO, rank=4).result()
    held: list[Future] = []
    hold(fake.service.futures, held)
    step = training.optim_step(STEP)
    until(lambda: held)

    with fake.service.lock:
        fake.service.futures.discard(held[0])

    with pytest.raises(ValueError, match="no future") as failed:
        step.result()
    assert isinstance(failed.value.__cause__, tinker.NotFoundError)


@pytest.mark.parametrize("number", [0, 2000])
def test_a_number_of_samples_that_cannot_be_is_refused_once(seen, sampling, number):
    prompt = types.ModelInput.from_ints([1])
    with pytest.raises(tinker.UnprocessableEntityError, match=f"expected 1 to 1024, got {number}"):
        sampling.sample(prompt, number, types.SamplingParams(max_tokens=1)).result()

    assert [exchange.operation for exchange in seen].count("asample") == 1


def test_a_paused_queue_is_told_in_the_log(serve: Serve, caplog):
    fake = serve(long_poll_seconds=0.05)
    sampling = fake.service_client().create_sampling_client(base_model=PICO).result()
    held: list[Future] = []

    hold(fake.service.futures, held, queue_state="paused_capacity", queue_state_reason="all engines are busy")
    answer = sampling.sample(types.ModelInput.from_ints([1]), 1, types.SamplingParams(max_tokens=1))
    until(lambda: "Reason: all engines are busy" in caplog.text)

    with fake.service.lock:
        fake.service.futures.release(held[0])

    assert answer.result().sequences


def test_a_large_result_is_told_by_its_size_first(tinker_fake: Fake, training, seen):
    tinker_fake.service.settings = replace(tinker_fake.service.settings, inline_result_bytes=10)
    output = training.forward([datum()], "cross_entropy").result()

    assert len(output.loss_fn_outputs) == 1
    polls = [e for e in seen if e.operation == "retrieve_future"]
    assert [poll.request.allow_metadata_only for poll in polls] == [True, False]
