"""Models in training beyond the memory's limit wait on disk, to the bit."""

import pytest
import torch

from contract import RequestFailure
from reference_engine.optimizer import Moments
from reference_engine.shelf import Shelf, TrainedModel, memory_limit
from tests.reference_engine.models import trained_adapter
from tests.reference_engine.test_lora import CONFIG


def model(seed, *, gradients=False):
    adapter = trained_adapter(CONFIG, seed=seed)
    moments = Moments(adapter.flat * 2, adapter.flat**2, steps=seed)
    return TrainedModel("base", adapter, moments, seed, adapter.flat * 3 if gradients else None)


def test_the_least_used_models_are_read_back_as_they_were():
    size = model(0).size_bytes
    shelf = Shelf(2 * size)
    kept = {key: model(key, gradients=key == 0) for key in range(4)}
    for key, one in kept.items():
        shelf.put(key, one)
    for key, one in kept.items():
        back = shelf.get(key)
        assert torch.equal(back.adapter.flat, one.adapter.flat)
        assert torch.equal(back.moments.squares, one.moments.squares)
        assert (back.moments.steps, back.seed) == (key, key)
        assert (back.gradients is None) == (one.gradients is None)
    shelf.close()
    assert shelf.get(0) is None


def test_a_model_that_is_used_stays_in_memory():
    shelf = Shelf(2 * model(0).size_bytes)
    first = model(1)
    shelf.put("first", first)
    for key in range(3):
        shelf.put(key, model(key))
        assert shelf.get("first") is first
    shelf.close()


def test_a_dropped_model_is_gone_wherever_it_was():
    shelf = Shelf(model(0).size_bytes)
    shelf.put("on disk", model(1))
    shelf.put("here", model(2))
    for key in ("on disk", "here", "never there"):
        shelf.drop(key)
        assert shelf.get(key) is None
    shelf.close()


def test_a_model_larger_than_the_limit_is_refused():
    shelf = Shelf(model(0).size_bytes - 1)
    with pytest.raises(RequestFailure, match="choose a lower rank"):
        shelf.put("large", model(0))
    assert shelf.get("large") is None


def test_the_limit_is_half_of_the_memory():
    assert memory_limit() > 1 << 28
