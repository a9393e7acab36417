"""One world of two servers, through the published SDK."""

from contextlib import ExitStack

import pytest
from tinker import types

from contract import ClientConfigResponse
from fake_server.app import create_app
from fake_server.cassettes.cassette import Cassette
from fake_server.fake import Fake
from fake_server.running import LiveServer, find_backend
from fake_server.settings import Settings
from tests.sdk.data import PICO, prompt, weighted

pytestmark = pytest.mark.sdk


@pytest.fixture
def world():
    """Opens worlds on servers of their own, by backend; the last one is closed first."""
    with ExitStack() as stack:

        def start(backend: str, seed: int = 0, **flags) -> Fake:
            app = create_app(find_backend(backend), Settings(), control=True)
            server = stack.enter_context(LiveServer(app))
            settings = Settings(seed=seed, client_config=ClientConfigResponse(**flags))
            fake = Fake(server, "world", settings=settings)
            stack.callback(fake.close)
            return fake

        yield start


def train_once(training) -> float:
    """The loss of a datum before a step on it; the step is small enough for a real network."""
    loss = training.forward_backward([weighted()], "cross_entropy").result().metrics["loss:sum"]
    training.optim_step(types.AdamParams(learning_rate=1e-3)).result()
    return loss


def asked(fake: Fake) -> set[str]:
    return {entry.operation for entry in fake.journal}


def test_training_is_real_while_sampling_is_scripted(world, tmp_path):
    far, near = world("scripted", seed=3), world("torch")
    near.cassettes.record(tmp_path / "both.jsonl")
    near.cassettes.route(far.url, "asample=upstream")
    service = near.service_client()
    training = service.create_lora_training_client(PICO, rank=8).result()

    losses = [train_once(training) for _ in range(3)]
    sampling = training.save_weights_and_get_sampling_client().result()
    params = types.SamplingParams(max_tokens=4)
    sampled = [sampling.sample(prompt(), 2, params) for _ in range(3)]

    assert [len(future.result().sequences) for future in sampled] == [2, 2, 2]
    assert losses[-1] < losses[0]
    assert "optim_step" not in asked(far)
    assert {"create_session", "create_sampling_session", "asample", "retrieve_future"} <= asked(far)
    near.close()
    kept = Cassette.load(tmp_path / "both.jsonl").entries
    assert sum(entry.operation == "asample" and entry.lane == "sampler:1" for entry in kept) == 3
    (ended,) = [entry for entry in far.journal if entry.operation == "finish_session"]
    assert ended.status == 204


def test_sampling_is_scripted_here_while_training_is_real_there(world):
    far, near = world("torch"), world("scripted")
    near.cassettes.route(far.url, "asample=local", otherwise="upstream")
    service = near.service_client()
    training = service.create_lora_training_client(PICO, rank=8).result()

    losses = [train_once(training) for _ in range(3)]
    sampling = training.save_weights_and_get_sampling_client().result()
    response = sampling.sample(prompt(), 2, types.SamplingParams(max_tokens=4)).result()
    again = sampling.sample(prompt(), 1, types.SamplingParams(max_tokens=4)).result()

    assert (losses[-1] < losses[0], len(response.sequences), len(again.sequences)) == (True, 2, 1)
    assert "asample" not in asked(far)
    assert "optim_step" in asked(far)


def test_batched_polls_ask_the_side_that_samples(world):
    far = world("scripted", seed=3)
    near = world("scripted", sample_use_retrieve_futures=True)
    near.cassettes.route(far.url, "asample=upstream")
    sampling = near.service_client().create_sampling_client(base_model=PICO).result()

    response = sampling.sample(prompt(), 2, types.SamplingParams(max_tokens=4)).result()

    assert len(response.sequences) == 2
    assert "retrieve_futures" in asked(far)


def test_a_fault_here_reaches_whoever_is_answered_there(world):
    """Interceptors of the tenant stand before the routes."""
    far, near = world("scripted"), world("scripted")
    near.cassettes.route(far.url, "*=upstream")
    struck = []

    async def strike(exchange, row, incoming, serve):
        answer = await serve()
        struck.append(row.name)
        return answer

    near.service.traffic.interceptors.insert(0, strike)
    near.service_client().create_lora_training_client(PICO, rank=8).result()

    assert "create_model" in struck
    assert near.service.store.sessions.find("x") is None
    assert not list(near.service.store.models)
