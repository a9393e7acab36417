"""What can be known of other devices without having one.

Tensors that have a shape and a device and no numbers run through the passes: an operation on tensors of two
devices fails there as it would on the device.
"""

from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from contract import BackendOptions
from reference_engine.batching import pack
from reference_engine.cache import DecodeAttention, KeyValueCache, ResumedAttention
from reference_engine.deltas import Group, ManyDeltas, NoDelta
from reference_engine.engine import BaseModel, Engine
from reference_engine.loading import read_config
from reference_engine.lora import Adapter
from reference_engine.pieces import Pieces
from reference_engine.rope import Rope
from reference_engine.shelf import memory_limit
from tests.reference_engine.adapters import weights_on
from tests.reference_engine.models import FAST, gradients_of, texts, trained_adapter, trained_logprobs

ELSEWHERE = torch.device("meta")
COUNT = 3


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=str)
def model(request, saved, monkeypatch):
    """A small model on a device that is not the CPU; nothing has numbers while a test runs."""

    def ones(_rope, positions):
        return tuple(torch.ones(len(positions), 1, 16, device=ELSEWHERE, dtype=request.param) for _ in "cs")

    monkeypatch.setattr(Rope, "at", ones)  # the largest position is a number
    folder = saved("qwen3").folder
    model = BaseModel(folder, read_config(folder), ELSEWHERE, request.param, FAST, Pieces()).transformer
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield model


def adapter_on(model):
    made = trained_adapter(model.config)
    return Adapter(made.layout, torch.empty(made.flat.shape, device=model.device))


def test_training_has_all_its_tensors_on_the_models_device(model):
    adapter, examples = adapter_on(model), texts([7, 12, 5, 40], model.config.vocab_size)
    slopes = [torch.ones(len(example.tokens), device=ELSEWHERE) for example in examples]
    assert trained_logprobs(model, examples, adapter)[0].device == ELSEWHERE
    assert gradients_of(model, examples, slopes, adapter).dtype == torch.float32


def test_a_tensor_that_was_elsewhere_would_be_found(model):
    with pytest.raises(RuntimeError, match="at least two devices, meta"):
        trained_logprobs(model, texts([7], 96), trained_adapter(model.config))


@pytest.mark.parametrize("adapted", [False, True])
@torch.inference_mode()
def test_decoding_has_all_its_tensors_on_the_models_device(model, adapted):
    cache = KeyValueCache(model.config, model.device, model.dtype)
    cache.reserve(COUNT, 40)
    positions = torch.full((COUNT,), 20, device=ELSEWHERE)
    with unset_fake_temporarily():  # it has no torch.tensor with a device
        delta = many(model) if adapted else NoDelta()
    attention = DecodeAttention(cache, positions, 21, FAST)
    hidden, _ = model.forward(positions, positions, attention, delta)
    assert model.logits(hidden, delta)[0].device == ELSEWHERE


def many(model):
    """An adapter for the first two rows, another for the last."""
    adapters = [adapter_on(model), adapter_on(model)]
    stack = torch.stack([one.flat for one in adapters]).to(model.dtype)
    group = Group.of(adapters, [[0, 1], [2]], COUNT, adapters[0].layout.views(stack), FAST)
    return ManyDeltas([group], FAST)


@torch.inference_mode()
def test_resuming_a_prompt_has_all_its_tensors_on_the_models_device(model):
    cache = KeyValueCache(model.config, model.device, model.dtype)
    cache.reserve(1, 40)
    packed = pack(texts([9], model.config.vocab_size), [0], model.device)
    places = cache.places(torch.full_like(packed.positions, 0), packed.positions)
    attention = ResumedAttention(cache, 0, 9, places, FAST)
    hidden, _ = model.forward(packed.tokens, packed.positions, attention, NoDelta())
    assert hidden.device == ELSEWHERE


def test_saved_weights_go_to_a_device_with_their_optimizers_state(saved):
    weights = weights_on(read_config(saved("qwen3").folder))
    moved = weights.on(ELSEWHERE)
    assert {tensor.device for tensor in moved.tensors.values()} == {ELSEWHERE}
    assert (moved.moments.steps, moved.size_bytes) == (weights.moments.steps, weights.size_bytes)
    assert weights.on(torch.device("cpu")) is weights


@pytest.fixture
def claimed(monkeypatch):
    """A machine that says it has a CUDA device."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    memory = SimpleNamespace(total_memory=24 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: memory)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_the_exact_mode_is_refused_on_a_cuda_device(claimed, device):
    with pytest.raises(ValueError, match="--mode exact: expected it with --device cpu, got cuda"):
        Engine(BackendOptions(device=device, mode="exact"))


def test_the_limit_of_memory_is_half_of_the_cuda_devices(claimed):
    assert memory_limit(torch.device("cuda", 1)) == 12 << 30
