"""The torch backend by the laws of the port: sums, order, isolation, frozen snapshots, honest refusals."""

import numpy as np
import pytest
import torch

from contract import (
    AdamOptimizerConfig,
    AdamParams,
    BackendOptions,
    DimuonOptimizerConfig,
    ImageChunk,
    LoraConfig,
    ModelInput,
    RequestFailure,
)
from reference_engine.backend import TorchBackend, open_torch
from reference_engine.engine import Engine
from tests.reference_engine.requests import LORA, PICO, STEP, ask, batch, datum

ADAMW = AdamOptimizerConfig()
A, B = datum("The keeper lights the lamp."), datum("A ship comes home.")
NO_STEP = AdamParams(learning_rate=0)


@pytest.fixture
def backend(engine):
    backend = TorchBackend(engine, BackendOptions())
    for name in ("m", "other"):
        backend.create_model(name, PICO, LORA, ADAMW)
    yield backend
    backend.close()


def flat(backend, model):
    """The numbers of a model's adapter."""
    return backend.save_weights(model, optimizer=False).whole().flat


def loss(backend, *data, model="m", **how):
    return backend.forward_backward(model, batch(*data), **how).metrics["loss:sum"]


def norm(backend, model="m"):
    """The norm of what was accumulated; a step of learning rate 0 changes no weights."""
    return backend.optim_step(model, NO_STEP).metrics["grad_norm"]


def logprobs(backend, *data, model="m"):
    output = backend.forward_backward(model, batch(*data), forward_only=True)
    return [part["logprobs"].to_numpy() for part in output.loss_fn_outputs]


def test_a_fresh_adapter_is_the_base_model(backend):
    scored = backend.sample(
        PICO, None, ask("The keeper lights the lamp.", prompt_logprobs=True, max_tokens=1)
    )
    base = scored.result(timeout=60).prompt_logprobs[1:]
    assert logprobs(backend, A)[0].tolist() == base


def test_training_on_a_text_makes_it_likelier(backend):
    losses = []
    for _ in range(6):
        losses.append(loss(backend, A))
        backend.optim_step("m", STEP)
    assert losses[-1] < 0.5 * losses[0]


def test_losses_and_gradients_are_sums(backend):
    once = loss(backend, A)
    first = norm(backend)
    double = datum("The keeper lights the lamp.", weights=[2] * 26)
    assert loss(backend, double) == pytest.approx(2 * once, rel=1e-6)
    assert norm(backend) == pytest.approx(2 * first, rel=1e-4)
    assert loss(backend, A, A) == pytest.approx(2 * once, rel=1e-6)
    assert norm(backend) == pytest.approx(2 * first, rel=1e-4)
    loss(backend, A)
    loss(backend, A)
    assert norm(backend) == pytest.approx(2 * first, rel=1e-4)


def test_gradients_are_used_once(backend):
    loss(backend, A)
    assert norm(backend) > 0
    assert norm(backend) == 0


def test_forward_leaves_no_trace(backend):
    before = loss(backend, A, forward_only=True)
    assert norm(backend) == 0
    assert loss(backend, A, forward_only=True) == before


def test_two_models_never_mix(backend):
    loss(backend, A, model="other")
    assert norm(backend) == 0
    loss(backend, A)
    alone = norm(backend)
    loss(backend, B, model="other")
    loss(backend, A)
    assert norm(backend) == alone


def test_a_step_of_learning_rate_0_changes_no_weights(backend):
    before = logprobs(backend, A)[0]
    loss(backend, A)
    backend.optim_step("m", NO_STEP)
    assert np.array_equal(logprobs(backend, A)[0], before)


def test_a_large_batch_is_done_in_parts_with_the_same_sums(backend, monkeypatch):
    from reference_engine import batching

    data = [datum("The keeper " + "sleeps " * n) for n in range(1, 9)]
    whole, first = loss(backend, *data), norm(backend)
    monkeypatch.setattr(batching, "FEWEST_TOKENS", 30)
    monkeypatch.setattr(batching, "ACTIVATION_CELLS", 1)
    assert loss(backend, *data) == pytest.approx(whole, rel=1e-6)
    assert norm(backend) == pytest.approx(first, rel=1e-4)


def sampled(words, length):
    """A datum of the importance-weighted losses."""
    return datum(words, logprobs=[-1.0] * length, advantages=[1.0] * (length - 1) + [-1.0])


@pytest.mark.parametrize("name", ["importance_sampling", "ppo", "cispo", "dro", "gspo"])
def test_losses_with_ratios_train_in_parts_as_in_one_piece(backend, monkeypatch, name):
    from reference_engine import batching

    data = [sampled("abcdefgh" * n, 8 * n - 1) for n in (1, 2, 3)]
    whole = backend.forward_backward("m", batch(*data, loss=name)).metrics["loss:sum"]
    first = norm(backend)
    monkeypatch.setattr(batching, "FEWEST_TOKENS", 10)
    monkeypatch.setattr(batching, "ACTIVATION_CELLS", 1)
    assert backend.forward_backward("m", batch(*data, loss=name)).metrics["loss:sum"] == pytest.approx(whole)
    assert norm(backend) == pytest.approx(first, rel=1e-4)


def test_saved_weights_do_not_change_with_their_model(backend):
    loss(backend, A)
    backend.optim_step("m", STEP)
    weights = backend.save_weights("m", optimizer=False)
    before = backend.sample(PICO, weights, ask("The ", seed=1)).result(timeout=60)
    loss(backend, B)
    backend.optim_step("m", STEP)
    after = backend.sample(PICO, weights, ask("The ", 1, seed=1)).result(timeout=60)
    assert after.sequences == before.sequences
    assert (
        backend.sample(PICO, backend.save_weights("m", optimizer=False), ask("The ", 2, seed=1))
        .result(timeout=60)
        .sequences[0]
        .logprobs
        != before.sequences[0].logprobs
    )


@pytest.mark.parametrize("through_files", [False, True])
def test_a_resumed_model_goes_on_bit_for_bit(backend, through_files):
    for data in (A, B):
        loss(backend, data)
        backend.optim_step("m", STEP)
    weights = backend.save_weights("m", optimizer=True)
    if through_files:
        weights = backend.read_weights(weights.files())
    backend.load_weights("other", weights, optimizer=True)
    for model in ("m", "other"):
        loss(backend, A, model=model)
        backend.optim_step(model, STEP)
    ours, theirs = (backend.save_weights(name, optimizer=True).whole() for name in ("m", "other"))
    assert torch.equal(ours.flat, theirs.flat)
    assert torch.equal(ours.moments.squares, theirs.moments.squares)


def test_without_its_optimizer_a_model_starts_with_fresh_moments(backend):
    loss(backend, A)
    backend.optim_step("m", STEP)
    backend.load_weights("other", backend.save_weights("m", optimizer=False), optimizer=False)
    assert backend.save_weights("other", optimizer=True).whole().moments.steps == 0
    with pytest.raises(RequestFailure, match="expected an optimizer state, got none"):
        backend.load_weights("other", backend.save_weights("m", optimizer=False), optimizer=True)


def test_weights_of_another_shape_are_refused(backend):
    backend.create_model("wide", PICO, LoraConfig(rank=8), ADAMW)
    with pytest.raises(RequestFailure, match=r"expected an adapter of rank 8 on .*, got rank 4 on"):
        backend.load_weights("wide", backend.save_weights("m", optimizer=True), optimizer=True)


def test_seeds_decide_how_adapters_start(backend):
    for name, lora in (("same", LORA), ("else", LoraConfig(rank=4, seed=4)), ("none", LoraConfig(rank=4))):
        backend.create_model(name, PICO, lora, ADAMW)
    flats = {name: flat(backend, name) for name in ("m", "same", "else", "none")}
    assert torch.equal(flats["m"], flats["same"])
    assert not torch.equal(flats["m"], flats["else"])
    backend.create_model("none", PICO, LoraConfig(rank=4), ADAMW)
    assert torch.equal(flat(backend, "none"), flats["none"])


def test_without_seeds_a_session_that_does_the_same_begins_with_the_same_adapters(backend):
    names = ("one:train:0", "one:train:1", "two:train:0")
    for name in names:
        backend.create_model(name, PICO, LoraConfig(rank=4), ADAMW)
    first, second, again = (flat(backend, name) for name in names)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_a_failed_call_leaves_no_trace(backend):
    loss(backend, A)
    broken = datum("abc", weights=[float("nan"), 1])
    with pytest.raises(RequestFailure, match="finite"):
        loss(backend, broken)
    with pytest.raises(RequestFailure, match="from 0 to 259"):
        backend.forward_backward("m", batch(bad_token()))
    once = norm(backend)
    loss(backend, A)
    assert norm(backend) == once


def bad_token():
    good = datum("abc")
    return good.model_copy(update={"model_input": ModelInput.from_ints([97, 260])})


def test_what_cannot_be_is_refused_by_name(backend):
    with pytest.raises(RequestFailure, match="expected 'adamw', got 'dimuon'"):
        backend.create_model("x", PICO, LORA, DimuonOptimizerConfig())
    with pytest.raises(RequestFailure, match="expected one of tinkerproof/pico, got 'nobody/knows'"):
        backend.create_model("x", "nobody/knows", LORA, ADAMW)
    with pytest.raises(RequestFailure, match="rank: expected 1 to"):
        backend.create_model("x", PICO, LoraConfig(rank=100_000), ADAMW)
    flags = {"train_unembed": False, "train_mlp": False, "train_attn": False}
    with pytest.raises(RequestFailure, match="expected train_unembed, train_mlp or train_attn"):
        backend.create_model("x", PICO, LoraConfig(rank=4, **flags), ADAMW)
    with pytest.raises(RequestFailure, match="no model 'x'"):
        backend.optim_step("x", STEP)


def test_images_are_refused_by_name(backend):
    image = ImageChunk(data=b"png", format="png", expected_tokens=2)
    with pytest.raises(RequestFailure, match="expected encoded_text chunks, got image"):
        backend.sample(PICO, None, ask("x").model_copy(update={"prompt": ModelInput(chunks=[image])}))
    seen = datum("abc").model_copy(update={"model_input": ModelInput(chunks=[image])})
    with pytest.raises(RequestFailure, match="got image"):
        backend.forward_backward("m", batch(seen))


def test_texts_longer_than_the_context_are_refused(engine):
    backend = TorchBackend(engine, BackendOptions())
    backend.create_model("m", f"{PICO}:peft:16", LORA, ADAMW)
    with pytest.raises(RequestFailure, match="expected 1 to 16 tokens"):
        loss(backend, datum("a" * 40))
    with pytest.raises(RequestFailure, match=r"exceeds the model's context window: 10 \+ 12 > 16"):
        backend.sample(f"{PICO}:peft:16", None, ask("a" * 10))


def test_an_unloaded_model_is_gone(backend):
    backend.unload_model("m")
    with pytest.raises(RequestFailure, match="no model 'm'"):
        loss(backend, A)


def test_backends_of_equal_options_share_an_engine():
    options = BackendOptions(threads=1)
    one, other = open_torch(options), open_torch(BackendOptions(threads=1, seed=5))
    assert one._engine is other._engine
    assert [info.name for info in one.base_models()] == [PICO]
    one.close()
    other.close()


def test_strict_losses_refuse_what_is_not_published(engine):
    strict = TorchBackend(engine, BackendOptions(strict_losses=True))
    strict.create_model("m", PICO, LORA, ADAMW)
    with pytest.raises(RequestFailure, match="got 'stable_reinforce'"):
        strict.forward_backward("m", batch(A, loss="stable_reinforce"))


def test_options_that_cannot_be_honoured_are_refused():
    with pytest.raises(FileNotFoundError, match="--model a/b=/nowhere"):
        Engine(BackendOptions(models=(("a/b", "/nowhere"),)))
    with pytest.raises(LookupError, match="--base-model no/model"):
        Engine(BackendOptions(base_models=("no/model",)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="--device cuda"):
        Engine(BackendOptions(device="cuda"))
