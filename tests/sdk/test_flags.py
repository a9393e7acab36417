"""Flags of `client/config` and `client/dynamic_config`: the other ways that the SDK can go."""

import pickle
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import pytest
import tinker
from tinker import types

from contract import ClientDynamicConfigResponse
from fake_server.fake import Fake
from fake_server.futures import Hold
from tests.sdk.conftest import until
from tests.sdk.data import PICO, prompt, train, weighted

pytestmark = pytest.mark.sdk

Serve = Callable[..., Fake]


def watch(fake: Fake) -> list[Any]:
    exchanges: list[Any] = []
    fake.service.traffic.observers.append(exchanges.append)
    return exchanges


def named(exchanges: list[Any], *operations: str) -> list[Any]:
    return [exchange for exchange in exchanges if exchange.operation in operations]


def test_compressed_passes_are_read(serve: Serve) -> None:
    fake = serve(proto_compress_fwdbwd=True)
    training = fake.service_client().create_lora_training_client(PICO).result()
    losses = train(training, 2)
    assert losses[1] < losses[0]


def test_small_chunks_come_out_of_order_and_are_put_together(serve: Serve) -> None:
    fake = serve(fwdbwd_max_chunk_len=2)
    seen = watch(fake)
    training = fake.service_client().create_lora_training_client(PICO).result()
    data = [weighted(tuple(range(1, 2 + size))) for size in range(7)]
    output = training.forward_backward(data, "cross_entropy").result()
    assert [len(given["logprobs"].data) for given in output.loss_fn_outputs] == [1, 2, 3, 4, 5, 6, 7]
    assert output.metrics["tokens:sum"] == 28
    assert sorted(e.request.seq_id for e in named(seen, "forward_backward")) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "flags", [{"parallel_fwdbwd_chunks": False}, {"use_pyqwest_transport": False}], ids=str
)
def test_other_transports_and_orders_train_as_well(serve: Serve, flags: dict[str, bool]) -> None:
    fake = serve(fwdbwd_max_chunk_len=2, **flags)
    training = fake.service_client().create_lora_training_client(PICO).result()
    output = training.forward_backward([weighted()] * 5, "cross_entropy").result()
    assert output.metrics["tokens:sum"] == 15


def test_one_poller_fetches_the_samples_of_a_session(serve: Serve) -> None:
    fake = serve(sample_use_retrieve_futures=True)
    seen = watch(fake)
    sampling = fake.service_client().create_sampling_client(base_model=PICO).result()
    futures = [sampling.sample(prompt(n), 1, types.SamplingParams(max_tokens=2)) for n in range(20)]
    assert all(future.result().sequences for future in futures)
    assert named(seen, "retrieve_futures")
    assert len(named(seen, "retrieve_future")) == 20


def test_the_poller_tells_of_failures(serve: Serve) -> None:
    fake = serve(sample_use_retrieve_futures=True)
    sampling = fake.service_client().create_sampling_client(base_model=PICO).result()
    with pytest.raises(tinker.RequestFailedError, match="vocabulary"):
        sampling.compute_logprobs(prompt(10**6)).result()


def test_clones_ask_for_their_number(serve: Serve) -> None:
    fake = serve(sample_join_sampling_session=True)
    seen = watch(fake)
    sampling = fake.service_client().create_sampling_client(base_model=PICO).result()
    clones = [pickle.loads(pickle.dumps(sampling)) for _ in range(2)]
    for clone in clones:
        clone.compute_logprobs(prompt()).result()
    assert [e.answer.client_counter for e in named(seen, "join_sampling_session")] == [1, 2]
    assert [e.request.seq_id for e in named(seen, "asample")] == [10**9, 2 * 10**9]
    clones[0].holder.close()


def test_an_abandoned_sample_is_cancelled(serve: Serve) -> None:
    fake = serve(dynamic=ClientDynamicConfigResponse(sample_cancel_enabled=True))
    futures = fake.service.futures
    futures.plan = lambda future: setattr(future, "hold", Hold(held=True))
    seen = watch(fake)
    sampling = fake.service_client().create_sampling_client(base_model=PICO).result()
    answer = sampling.sample(prompt(), 1, types.SamplingParams(max_tokens=1))
    until(lambda: any(future.waiters for future in futures))
    answer.future().cancel()
    until(lambda: named(seen, "cancel_future"))
    with pytest.raises(CancelledError):
        answer.result()


def test_tokens_are_used_in_the_place_of_keys(serve: Serve) -> None:
    fake = serve(pjwt_auth_enabled=True)
    service = fake.service_client()
    training = service.create_lora_training_client(PICO).result()
    assert train(training, 2)
    with pytest.warns(FutureWarning, match="DEPRECATED"):
        rest = service.create_rest_client()
    identity = rest.whoami().result()
    assert (identity.user_urn, identity.org_urn) == ("tml:user:fake", "tml:organization:fake")
    assert "@" in identity.email


def test_without_tokens_nobody_knows_who_one_is(rest: tinker.RestClient) -> None:
    with pytest.raises(RuntimeError, match="JWT"):
        rest.whoami().result()


def test_a_token_that_the_server_refuses_is_replaced(serve: Serve) -> None:
    fake = serve(pjwt_auth_enabled=True)
    training = fake.service_client().create_lora_training_client(PICO).result()
    seen = watch(fake)
    fake.service.ids = type(fake.service.ids)(1, "another secret")
    assert train(training, 1)
    assert named(seen, "auth_token")


def test_a_client_may_stop_retrying_samples(serve: Serve) -> None:
    fake = serve(sample_no_retries=True, sample_enable_stuck_detection=False)
    sampling = fake.service_client().create_sampling_client(base_model=PICO).result()
    assert sampling.compute_logprobs(prompt()).result()
