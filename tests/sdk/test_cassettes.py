"""A loop of the published SDK, recorded once and replayed: the same numbers, no miss, no other server."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
import tinker
from tinker import types

from contract import ClientConfigResponse
from fake_server.app import create_app
from fake_server.cassettes.replay import UnusedEntry
from fake_server.fake import Fake
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from fake_server.settings import Settings
from tests.sdk.data import PICO, prompt, train, weighted

pytestmark = pytest.mark.sdk


def loop(fake: Fake, learning_rate: float = 0.1) -> list:
    """Fine-tune, save, sample from what was trained, and list; everything that came of it."""
    service = fake.service_client()
    training = service.create_lora_training_client(PICO, rank=8).result()
    losses = train(training)
    training.forward_backward([weighted()] * 3, "cross_entropy").result()
    training.optim_step(types.AdamParams(learning_rate=learning_rate)).result()
    training.save_state("state").result()
    sampling = training.save_weights_and_get_sampling_client().result()
    params = types.SamplingParams(max_tokens=5, temperature=0.7)
    responses = [sampling.sample(prompt(n, n + 1), 2, params).result() for n in range(4)]
    sampled = [[(s.tokens, s.logprobs) for s in response.sequences] for response in responses]
    logprobs = sampling.compute_logprobs(prompt()).result()
    rest = tinker.RestClient(base_url=fake.url, api_key=fake.api_key)
    kept = [c.checkpoint_id for c in rest.list_user_checkpoints().result().checkpoints]
    rest.holder.close()
    return [losses, sampled, logprobs, kept]


@pytest.fixture
def world():
    """Opens worlds on servers of their own; those of one seed make the same ids."""
    with ExitStack() as stack:

        def start(seed: int = 0, **flags) -> Fake:
            settings = Settings(seed=seed, client_config=ClientConfigResponse(**flags))
            server = stack.enter_context(LiveServer(create_app(open_scripted, control=True)))
            fake = Fake(server, "loop", settings=settings)
            stack.callback(fake.close)
            return fake

        yield start


@pytest.fixture
def recorded(world, tmp_path: Path):
    path = tmp_path / "loop.jsonl"
    fake = world()
    fake.cassettes.record(path)
    answers = loop(fake)
    fake.close()
    return path, answers


def test_samples_at_once_replay_whatever_the_order(world, tmp_path):
    """The SDK leaves it to chance which of them gets which number."""
    answers = []
    for seed in (0, 1):
        fake = world(seed)
        deck = fake.cassettes.use(tmp_path / "c.jsonl", strict=True)
        sampling = fake.service_client().create_sampling_client(base_model=PICO).result()
        pending = [sampling.sample(prompt(n), 1, types.SamplingParams(max_tokens=3)) for n in range(20)]
        answers.append([future.result().sequences[0].tokens for future in pending])
        deck = fake.cassettes.playing
        fake.close()

    assert answers[0] == answers[1]
    assert deck.report() == ""


def test_a_recorded_loop_replays_without_a_miss(recorded, world):
    path, answers = recorded
    fake = world(seed=5)
    replay = fake.cassettes.replay(path, strict=True)

    assert loop(fake) == answers

    replay.assert_clean()
    assert replay.report() == ""
    fake.close()


def test_a_changed_learning_rate_is_a_miss_that_names_it(recorded, world):
    path, _ = recorded
    fake = world(seed=5)
    replay = fake.cassettes.replay(path)

    with pytest.raises(tinker.UnprocessableEntityError, match=r"learning_rate: expected 0.1, got 0.2"):
        loop(fake, learning_rate=0.2)

    assert len(replay.misses) == 1
    with pytest.raises(UnusedEntry, match=r"adam_params.learning_rate"):
        replay.assert_clean()
    fake.close()


def test_two_recordings_of_one_loop_are_the_same_bytes(recorded, world, tmp_path):
    path, _ = recorded
    fake = world()
    fake.cassettes.record(tmp_path / "again.jsonl")

    loop(fake)
    fake.close()

    assert (tmp_path / "again.jsonl").read_bytes() == path.read_bytes()


def test_a_recording_through_a_proxy_is_the_same_bytes(recorded, world, tmp_path):
    path, answers = recorded
    upstream, fake = world(), world(seed=5)
    fake.cassettes.record(tmp_path / "far.jsonl", upstream=upstream.url)

    assert loop(fake) == answers

    fake.close()
    upstream.close()
    assert (tmp_path / "far.jsonl").read_bytes() == path.read_bytes()


def test_a_client_of_other_habits_replays_it_too(recorded, world):
    """Batched polls and compressed bodies: other bytes, the same meaning."""
    path, answers = recorded
    lines = path.read_text().splitlines()
    config = json.loads(lines[1])
    config["answer"] |= {"sample_use_retrieve_futures": True, "proto_compress_fwdbwd": True}
    path.write_text("\n".join([lines[0], json.dumps(config), *lines[2:]]))
    fake = world(seed=5)
    replay = fake.cassettes.replay(path, strict=True)

    assert loop(fake) == answers

    assert any(entry.operation == "retrieve_futures" for entry in fake.journal)
    replay.assert_clean()


def test_a_pass_in_chunks_is_recorded_and_replayed(world, tmp_path):
    path = tmp_path / "chunks.jsonl"
    losses = []
    for seed in (0, 4):
        fake = world(seed, fwdbwd_max_chunk_len=2)
        deck = fake.cassettes.use(path)
        training = fake.service_client().create_lora_training_client(PICO, rank=8).result()
        data = [weighted((n, 2, 3)) for n in range(5)]
        losses.append(training.forward_backward(data, "cross_entropy").result().metrics)
        arrived = [e.request.seq_id for e in fake.journal if e.operation == "forward_backward"]
        fake.close()

    assert sorted(arrived) == [1, 2, 3]
    assert losses[0] == losses[1]
    assert deck.misses == []


def test_keys_and_tokens_are_nowhere_in_a_cassette(world, tmp_path):
    fake = world(pjwt_auth_enabled=True)
    fake.cassettes.record(tmp_path / "c.jsonl")
    canary = "tml-CANARY-0123456789"
    metadata = {"note": f"key {canary}, again"}
    service = tinker.ServiceClient(base_url=fake.url, api_key=canary, user_metadata=metadata)
    training = service.create_lora_training_client(PICO, rank=8).result()
    training.save_state("a").result()
    service.close("success").result()
    fake.close()

    text = (tmp_path / "c.jsonl").read_text()
    assert "CANARY" not in text
    assert "eyJ" not in text
    assert "key <scrubbed>, again" in text
