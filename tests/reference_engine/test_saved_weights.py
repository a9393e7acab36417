"""Saved weights: memory does not grow with them, they stay as they were, and go when they are forgotten."""

import gc
import os
import tempfile
from hashlib import sha256

import pytest
import torch

from contract import AdamOptimizerConfig, BackendOptions, RequestFailure
from reference_engine.backend import TorchBackend
from reference_engine.engine import Engine
from tests.reference_engine.requests import LORA, PICO, STEP, ask, batch, datum

TEXT = datum("The keeper lights the lamp.")
ROOM = 5
"""Models in training that the memory of these tests has room for; a training state takes three quarters."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def size(engine):
    """Numbers of an adapter."""
    backend = TorchBackend(engine, BackendOptions())
    backend.create_model("m", PICO, LORA, AdamOptimizerConfig())
    weights = backend.save_weights("m", optimizer=False).whole()
    backend.close()
    return weights.layout.size


@pytest.fixture
def backend(size):
    engine = Engine(BackendOptions(threads=1, memory_bytes=ROOM * 16 * size))
    backend = TorchBackend(engine, BackendOptions())
    backend.create_model("m", PICO, LORA, AdamOptimizerConfig())
    yield backend
    backend.close()
    engine.close()


def stepped(backend, *, optimizer=True):
    """Weights after one more step."""
    backend.forward_backward("m", batch(TEXT))
    backend.optim_step("m", STEP)
    return backend.save_weights("m", optimizer=optimizer)


def bytes_held(size):
    """Memory that vectors of an adapter's length take, whoever holds them: asked of the collector."""
    gc.collect()
    real = (torch.Tensor, torch.nn.Parameter)  # others stand for tensors, and have no memory
    tensors = [one for one in gc.get_objects() if type(one) in real]
    storages = [one.untyped_storage() for one in tensors if one.device.type == "cpu"]
    sizes = {storage.data_ptr(): storage.nbytes() for storage in storages}
    return sum(count for count in sizes.values() if count >= 4 * size)


def digest(weights):
    return {name: sha256(content).hexdigest() for name, content in weights.files().items()}


def test_memory_does_not_grow_with_saved_weights(backend, folder, size):
    before = bytes_held(size)
    saved = []
    for count in range(40):
        saved.append(stepped(backend))
        if count >= ROOM and count % 4 == 3:
            assert bytes_held(size) - before <= ROOM * 16 * size
    assert len(list(folder.rglob("*.safetensors"))) > 30


def test_weights_on_disk_are_those_that_were_saved(backend, folder):
    saved, seen = [], []
    for _ in range(12):
        saved.append(stepped(backend))
        seen.append((saved[-1].size_bytes, digest(saved[-1])))
    assert len(list(folder.rglob("*.safetensors"))) > 3
    assert [(weights.size_bytes, digest(weights)) for weights in saved] == seen


def test_a_sampler_on_weights_that_went_to_disk_gives_the_same_bits(backend):
    weights = stepped(backend, optimizer=False)
    before = backend.sample(PICO, weights, ask("The ", seed=1)).result(timeout=60)
    others = [stepped(backend) for _ in range(2 * ROOM)]
    after = backend.sample(PICO, weights, ask("The ", 1, seed=1)).result(timeout=60)
    assert after.sequences == before.sequences
    assert len(others) == 2 * ROOM


def test_a_model_resumes_bit_for_bit_from_a_state_that_went_to_disk(backend, folder):
    state = stepped(backend)
    line = [stepped(backend) for _ in range(2 * ROOM)]
    backend.load_weights("m", state, optimizer=True)
    again = [stepped(backend) for _ in range(2 * ROOM)]
    assert [digest(weights) for weights in again] == [digest(weights) for weights in line]
    assert list(folder.rglob("*.safetensors"))


def test_forgotten_weights_free_their_memory_and_their_files(backend, folder, size):
    before = bytes_held(size)
    saved = [stepped(backend) for _ in range(3 * ROOM)]
    download = saved[0].without_optimizer()
    del saved
    assert len(list(folder.rglob("*.safetensors"))) == 1
    assert sorted(download.files()) == ["adapter_config.json", "adapter_model.safetensors"]
    del download
    assert os.listdir(folder) == []
    assert bytes_held(size) - before <= 3 * 4 * size


def test_a_closed_backend_leaves_no_files_and_its_weights_say_so(backend, folder):
    saved = [stepped(backend) for _ in range(2 * ROOM)]
    assert os.listdir(folder)
    backend.close()
    assert os.listdir(folder) == []
    with pytest.raises(RequestFailure, match="got some it has dropped"):
        saved[0].files()


def test_uploaded_weights_are_kept_alike(backend, folder):
    files = stepped(backend).files()
    saved = [backend.read_weights(files) for _ in range(2 * ROOM)]
    assert len(list(folder.rglob("*.safetensors"))) >= ROOM
    assert all(weights.files() == files for weights in saved)
