"""Sampling with adapters: one, many, none; both modes; and what happens when numbers run away."""

import pytest
import torch

from contract import AdamOptimizerConfig, AdamParams, BackendOptions, LoraConfig, RequestFailure
from reference_engine.backend import TorchBackend
from reference_engine.engine import Engine
from tests.reference_engine.requests import PICO, STEP, ask, batch, datum

TEXTS = ["The keeper lights the lamp.", "A ship comes home.", "1+1=2"]


@pytest.fixture(scope="module", params=["exact", "fast"])
def engine(request):
    engine = Engine(BackendOptions(threads=1, mode=request.param))
    yield engine
    engine.close()


@pytest.fixture
def backend(engine):
    backend = TorchBackend(engine, BackendOptions())
    yield backend
    backend.close()


LORA = LoraConfig(rank=4, seed=1)


def trained(backend, name, text, lora=LORA, params=STEP, steps=3):
    """Weights that learned a text."""
    backend.create_model(name, PICO, lora, AdamOptimizerConfig())
    for _ in range(steps):
        backend.forward_backward(name, batch(datum(text)))
        backend.optim_step(name, params)
    return backend.save_weights(name, optimizer=False)


def check_equal(engine, sequences, others):
    """The same tokens, and in exact mode the same bits."""
    for mine, other in zip(sequences, others, strict=True):
        assert mine.tokens == other.tokens
        assert mine.logprobs == (other.logprobs if engine.exact else pytest.approx(other.logprobs, abs=1e-4))


def test_many_adapters_at_once_sample_as_each_alone(backend, engine):
    ranks = [LoraConfig(rank=4), LoraConfig(rank=4), LoraConfig(rank=8, train_unembed=False)]
    owners = [trained(backend, f"m{n}", text, ranks[n]) for n, text in enumerate(TEXTS)]
    owners += [None, owners[0]]
    requests = [(owner, ask("The ", n, samples=2, seed=n)) for n, owner in enumerate(owners)]
    alone = [backend.sample(PICO, owner, request).result(timeout=60) for owner, request in requests]
    futures = [backend.sample(PICO, owner, request) for owner, request in requests]
    for one, future in zip(alone, futures, strict=True):
        check_equal(engine, one.sequences, future.result(timeout=60).sequences)


def test_sampled_logprobs_are_those_of_a_training_forward(backend, engine):
    weights = trained(backend, "m", TEXTS[0])
    (sequence,) = backend.sample(PICO, weights, ask("The ", seed=1, stop=[])).result(timeout=60).sequences
    words = "The " + bytes(sequence.tokens).decode("latin-1")
    output = backend.forward_backward("m", batch(datum(words)), forward_only=True)
    scored = output.loss_fn_outputs[0]["logprobs"].to_numpy()[-len(sequence.tokens) :].tolist()
    assert sequence.logprobs == (scored if engine.exact else pytest.approx(scored, abs=1e-5))


def test_an_adapter_that_has_run_away_fails_its_samples_and_nobody_elses(backend):
    weights = trained(backend, "wild", TEXTS[0], params=AdamParams(learning_rate=1e30), steps=1)
    wild = backend.sample(PICO, weights, ask("The ", 1))
    tame = backend.sample(PICO, None, ask("The ", 2))
    assert len(tame.result(timeout=60).sequences) == 1
    with pytest.raises(RequestFailure, match="expected finite scores for token 1"):
        wild.result(timeout=60)


def test_what_has_run_away_leaves_nothing_to_those_that_come_later(backend):
    weights = trained(backend, "wild", TEXTS[0], params=AdamParams(learning_rate=1e30), steps=1)
    beside = backend.sample(PICO, None, ask("The keeper ", 1, max_tokens=150, stop=[]))
    wild = backend.sample(PICO, weights, ask("The lighthouse stands on the hill and ", 2))
    assert isinstance(wild.exception(timeout=60), RequestFailure)
    later = backend.sample(PICO, None, ask("A", 3))
    assert len(later.result(timeout=60).sequences) == 1
    assert len(beside.result(timeout=60).sequences[0].tokens) == 150


def test_a_known_beginning_is_known_for_its_adapter_alone(backend, engine):
    weights = trained(backend, "m", TEXTS[0])
    text = "The lighthouse stands on the hill and "
    for owner in (weights, None):
        first, second = (backend.sample(PICO, owner, ask(text, n, seed=1)).result(timeout=60) for n in (1, 2))
        assert (first.prompt_cache_hit_tokens, second.prompt_cache_hit_tokens) == (0, len(text) - 1)
        check_equal(engine, first.sequences, second.sequences)


def test_prompts_that_begin_alike_share_what_they_share(backend):
    beginning = "The keeper of the light counts "
    backend.sample(PICO, None, ask(beginning + "ships", 1)).result(timeout=60)
    later = backend.sample(PICO, None, ask(beginning + "birds", 2)).result(timeout=60)
    assert later.prompt_cache_hit_tokens == len(beginning)


def test_the_same_prompt_at_the_same_time_is_read_once(backend):
    text = "What the keeper sees at night is "
    futures = [backend.sample(PICO, None, ask(text, n, session=str(n), seed=n)) for n in range(6)]
    hits = [future.result(timeout=60).prompt_cache_hit_tokens for future in futures]
    assert hits.count(0) <= 2
    assert max(hits) == len(text) - 1


def test_an_engine_that_was_closed_starts_again(engine):
    backend = TorchBackend(engine, BackendOptions())
    before = backend.sample(PICO, None, ask("The ", seed=1)).result(timeout=60)
    engine.close()
    after = backend.sample(PICO, None, ask("The ", 1, seed=1)).result(timeout=60)
    assert after.sequences == before.sequences
    backend.close()


def test_bfloat16_samples_and_trains(engine):
    narrow = Engine(BackendOptions(threads=1, dtype="bfloat16", mode="exact" if engine.exact else "fast"))
    backend = TorchBackend(narrow, BackendOptions())
    weights = trained(backend, "m", TEXTS[0])
    assert weights.whole().flat.dtype == torch.float32
    response = backend.sample(PICO, weights, ask("The ", seed=1, prompt_logprobs=True)).result(timeout=60)
    assert response.prompt_logprobs[1] < 0
    backend.close()
    narrow.close()


def test_raw_logprobs_are_those_at_temperature_1(engine):
    raw = TorchBackend(engine, BackendOptions(raw_logprobs=True))
    request = ask("The ", seed=1, temperature=0.5, stop=[], topk_sample_logprobs=2)
    (sequence,) = raw.sample(PICO, None, request).result(timeout=60).sequences
    words = "The " + bytes(sequence.tokens).decode("latin-1")
    scored = raw.sample(PICO, None, ask(words, 1, prompt_logprobs=True, max_tokens=1)).result(timeout=60)
    assert sequence.logprobs == pytest.approx(scored.prompt_logprobs[4:], abs=1e-5)
    assert all(
        best[0][1] >= logprob for best, logprob in zip(sequence.topk_logprobs, sequence.logprobs, strict=True)
    )
    raw.close()
