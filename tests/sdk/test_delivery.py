"""When results show, as the SDK sees it."""

import pytest
import tinker
from tinker import types

from contract import ClientConfigResponse
from fake_server.settings import Settings
from tests.sdk.conftest import until
from tests.sdk.data import PICO, prompt, weighted

pytestmark = pytest.mark.sdk

STEP = types.AdamParams(learning_rate=1e-2)


def polls(seen):
    return [exchange.status for exchange in seen if exchange.operation == "retrieve_future"]


def test_a_result_comes_after_so_many_polls(tinker_fake, training, seen):
    tinker_fake.delivery("optim_step").after_polls(3)

    assert training.optim_step(STEP).result()
    assert polls(seen) == [408, 408, 408, 200]


def test_results_that_show_in_another_order_were_computed_in_order(tinker_fake, training, seen):
    tinker_fake.delivery("forward*").held()
    first = training.forward_backward([weighted()], "cross_entropy")
    step = training.optim_step(STEP)
    second = training.forward([weighted()], "cross_entropy")
    until(lambda: len(tinker_fake.delivery.held) == 2)

    assert step.result()
    held = [future.request_id for future in tinker_fake.delivery.held]
    tinker_fake.delivery.release(*reversed(held))

    before, after = first.result(), second.result()
    assert after.metrics["loss:sum"] < before.metrics["loss:sum"]


def test_a_failed_result_is_raised_and_was_applied(tinker_fake, training):
    tinker_fake.delivery("optim_step", times=1).failed("user", "out of quota")
    before = training.forward_backward([weighted()], "cross_entropy").result()

    with pytest.raises(tinker.RequestFailedError, match="out of quota") as failed:
        training.optim_step(STEP).result()

    assert str(failed.value.category) == "user"
    assert (
        training.forward([weighted()], "cross_entropy").result().metrics["loss:sum"]
        < before.metrics["loss:sum"]
    )


def test_a_paused_queue_is_told_in_the_log(tinker_fake, sampling, caplog):
    tinker_fake.delivery("asample").paused("paused_capacity", "all engines are busy", polls=2)

    assert sampling.sample(prompt(), 1, types.SamplingParams(max_tokens=1)).result().sequences
    assert "Reason: all engines are busy" in caplog.text


def test_a_result_that_never_shows_is_waited_for_in_vain(tinker_fake, training):
    tinker_fake.delivery("optim_step").never()

    step = training.optim_step(STEP)

    with pytest.raises(TimeoutError):
        step.result(timeout=0.05)
    tinker_fake.delivery.release(f"{training.model_id}:1")
    assert step.result()


class TestRoundsOfMany:
    """The poller of SDK 0.26.2 and later, where the server asks for it."""

    @pytest.fixture
    def tinker_settings(self):
        return Settings(client_config=ClientConfigResponse(sample_use_retrieve_futures=True))

    def test_a_sample_comes_after_so_many_rounds(self, tinker_fake, sampling, seen):
        tinker_fake.delivery("asample").after_polls(3)

        assert sampling.sample(prompt(), 1, types.SamplingParams(max_tokens=1)).result().sequences
        rounds = [e.answer.completions for e in seen if e.operation == "retrieve_futures"]
        assert [len(one) for one in rounds][:4] == [0, 0, 0, 1]
        assert polls(seen) == [200]

    def test_samples_come_in_the_order_of_their_release(self, tinker_fake, sampling):
        tinker_fake.delivery("asample").held()
        params = types.SamplingParams(max_tokens=1)
        first, second = (sampling.sample(prompt(), 1, params) for _ in range(2))
        until(lambda: len(tinker_fake.delivery.held) == 2)

        tinker_fake.delivery.release(seq_id=1)
        assert second.result().sequences
        assert not first.future().done()
        tinker_fake.delivery.release()
        assert first.result().sequences


def test_a_service_with_held_models_can_be_made(tinker_fake, service):
    tinker_fake.delivery("create_model").after_polls(1)

    assert service.create_lora_training_client(PICO, rank=4).result().model_id
