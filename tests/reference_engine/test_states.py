"""The torch backend's state: taken without copying, put back to the bit, also from files."""

import json

import pytest

from contract import AdamOptimizerConfig, AdamParams, BackendOptions, RequestFailure
from fake_server.scripted import ScriptedBackend
from reference_engine.backend import TorchBackend
from tests.reference_engine.requests import LORA, PICO, STEP, ask, batch, datum

ADAMW = AdamOptimizerConfig()
A, B = datum("The keeper lights the lamp."), datum("A ship comes home.")


@pytest.fixture
def open_backend(engine):
    opened = []

    def one(seed=0):
        opened.append(TorchBackend(engine, BackendOptions(seed=seed)))
        return opened[-1]

    yield one
    for backend in opened:
        backend.close()


@pytest.fixture
def trained(open_backend):
    """A backend with a model in the middle of its training: moments, and gradients that wait for a step."""
    backend = open_backend(seed=4)
    backend.create_model("m", PICO, LORA, ADAMW)
    backend.forward_backward("m", batch(A))
    backend.optim_step("m", STEP)
    backend.forward_backward("m", batch(B))
    return backend


def goes_on(backend):
    """What a backend answers from here on, every part of its state included."""
    norm = backend.optim_step("m", AdamParams(learning_rate=1e-2)).metrics["grad_norm"]
    loss = backend.forward_backward("m", batch(A, B)).metrics["loss:sum"]
    backend.create_model("new", PICO, LORA, ADAMW)
    fresh = dict(backend.save_weights("new", optimizer=False).files())
    sampled = backend.sample(PICO, backend.save_weights("m", optimizer=False), ask("The", max_tokens=8))
    return norm, loss, fresh, sampled.result(timeout=60).sequences[0].tokens


def test_a_restored_backend_goes_on_to_the_bit(trained):
    state = trained.state()
    first = goes_on(trained)

    trained.restore(state)

    assert goes_on(trained) == first


def test_another_backend_goes_on_from_the_files(trained, open_backend):
    files = dict(trained.state().files())
    other = open_backend()

    other.restore(other.read_state(files))

    assert dict(other.state().files()) == files
    assert goes_on(other) == goes_on(trained)


def test_a_state_shares_the_tensors_of_the_models(trained, open_backend):
    place, _ = trained.state().models["m"]
    other = open_backend()
    other.restore(trained.state())

    assert other.state().models["m"][0].get() is place.get()


def test_weights_in_a_state_outlive_their_backend(trained, open_backend):
    weights = trained.save_weights("m", optimizer=False)
    state = trained.state()
    trained.close()
    other = open_backend()
    other.restore(state)

    assert weights.files()
    assert dict(other.save_weights("m", optimizer=False).files()) == dict(weights.files())


def test_the_files_of_a_state_may_come_from_any_wrapper(trained, open_backend):
    class Stored:
        def files(self):
            return trained.state().files()

    other = open_backend()
    other.restore(Stored())

    assert dict(other.state().files()) == dict(trained.state().files())


def test_a_reset_backend_has_no_models_and_another_seed(trained, open_backend):
    trained.reset(7)
    other = open_backend(seed=7)
    for backend in (trained, other):
        backend.create_model("n", PICO, LORA, ADAMW)

    assert dict(trained.state().files()) == dict(other.state().files())
    with pytest.raises(RequestFailure, match="no model 'm'"):
        trained.optim_step("m", STEP)


def test_the_state_of_another_backend_is_refused(trained):
    scripted = ScriptedBackend(BackendOptions())

    with pytest.raises(RequestFailure, match="expected the format 'tinkerproof torch state 1', got 'tinkerp"):
        trained.restore(scripted.state())
    assert list(trained.state().models) == ["m"]


def test_models_on_other_weights_are_refused(trained, open_backend):
    state = trained.state()
    place, _ = state.models["m"]
    state.models["m"] = place, "f" * 64

    with pytest.raises(RequestFailure, match=r"state: expected models on .* with the hash .*, got ffffffff"):
        open_backend().restore(state)


@pytest.mark.parametrize("name", ["state.json", "0/optimizer.safetensors", "0/adapter_model.safetensors"])
def test_a_missing_file_is_named(trained, name):
    files = dict(trained.state().files())
    del files[name]

    with pytest.raises(RequestFailure, match=name.removeprefix("0/")):
        trained.read_state(files)


def test_a_model_without_an_optimizers_state_is_refused(trained):
    files = dict(trained.state().files())
    del files["0/optimizer.safetensors"], files["0/state.json"]

    with pytest.raises(RequestFailure, match=r"state file 'state.json': expected optimizer states"):
        trained.read_state(files)


def test_gradients_of_another_size_are_refused(trained, open_backend):
    other = open_backend()
    other.create_model("m", PICO, LORA.model_copy(update={"rank": 2}), ADAMW)
    other.forward_backward("m", batch(A))
    files = dict(trained.state().files())
    files["0/gradients.safetensors"] = other.state().files()["0/gradients.safetensors"]

    with pytest.raises(RequestFailure, match=r"expected \d+ gradients, got \[\d+\]"):
        trained.read_state(files)


def test_a_state_that_is_no_json_is_refused(trained):
    files = {**trained.state().files(), "state.json": b"["}

    with pytest.raises(RequestFailure, match=r"state file 'state.json'"):
        trained.read_state(files)
    assert json.loads(trained.state().files()["state.json"])["seed"] == 4
