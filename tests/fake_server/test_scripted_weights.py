"""Saving, loading, and files."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from contract import (
    AdamOptimizerConfig,
    AdamParams,
    BackendOptions,
    Datum,
    ForwardBackwardInput,
    LoraConfig,
    ModelInput,
    RequestFailure,
    Weights,
)
from fake_server.base_models import known_base_models
from fake_server.language import Language
from fake_server.safetensors_files import write_tensors
from fake_server.scripted import ScriptedBackend
from fake_server.scripted_weights import KEPT_TABLES, ScriptedWeights

MODEL = "tinkerproof/pico"
CONFIG, ADAPTER, OPTIMIZER = "adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors"
TEXT = list(b"the quick brown fox")
BATCH = ForwardBackwardInput(
    data=[Datum(model_input=ModelInput.from_ints(TEXT[:-1]), loss_fn_inputs={"target_tokens": TEXT[1:]})],
    loss_fn="cross_entropy",
)


def trained(steps: int = 2, seed: int = 0) -> ScriptedBackend:
    made = ScriptedBackend(BackendOptions(seed=seed))
    made.create_model("m", MODEL, LoraConfig(rank=8), AdamOptimizerConfig())
    train(made, steps)
    return made


def train(made: ScriptedBackend, steps: int) -> None:
    for _ in range(steps):
        made.forward_backward("m", BATCH)
        made.optim_step("m", AdamParams(learning_rate=0.01))


def score(made: ScriptedBackend) -> dict[str, Any]:
    return made.forward_backward("m", BATCH, forward_only=True).model_dump()


class Foreign:
    """Weights of another backend, which have these files."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.size_bytes = sum(map(len, files.values()))

    def files(self) -> Mapping[str, bytes]:
        return self._files


@pytest.mark.parametrize("through_files", [False, True])
def test_a_resumed_run_continues_as_if_never_stopped(through_files: bool) -> None:
    first, second = trained(), trained(0)
    saved: Weights = first.save_weights("m", optimizer=True)
    if through_files:
        saved = Foreign(saved.files())
    second.load_weights("m", saved, optimizer=True)
    for made in (first, second):
        train(made, 2)
    assert first.save_weights("m", optimizer=True).files() == second.save_weights("m", optimizer=True).files()


def test_saved_weights_do_not_change_when_training_goes_on() -> None:
    made = trained()
    saved = made.save_weights("m", optimizer=True)
    before = dict(saved.files())
    train(made, 1)
    assert saved.files() == before


def test_loading_without_the_optimizer_starts_it_afresh_and_drops_gradients() -> None:
    made = trained()
    saved, here = made.save_weights("m", optimizer=False), score(made)
    assert OPTIMIZER not in saved.files()
    made.forward_backward("m", BATCH)
    made.load_weights("m", saved, optimizer=False)
    assert made.optim_step("m", AdamParams()).metrics == {"grad_norm": 0.0}
    assert score(made) == here


@pytest.mark.parametrize("optimizer", [False, True])
def test_files_read_back_are_the_same_weights(optimizer: bool) -> None:
    made = trained()
    saved = made.save_weights("m", optimizer=optimizer)
    read = made.read_weights(saved.files())
    assert read.files() == saved.files()
    assert read.size_bytes == sum(map(len, saved.files().values()))
    made.load_weights("m", read, optimizer=optimizer)


def test_what_was_learned_means_the_same_under_another_seed() -> None:
    other = trained(0, seed=1)
    start = score(other)["metrics"]["loss:sum"]
    other.load_weights("m", trained(20).save_weights("m", optimizer=False), optimizer=False)
    assert score(other)["metrics"]["loss:sum"] < start / 2


def test_only_the_latest_tables_are_kept() -> None:
    made = trained()
    saved = made.save_weights("m", optimizer=False)
    assert isinstance(saved, ScriptedWeights)
    language = Language.of(0, known_base_models(())[MODEL])
    tables = [saved.table(language, 1 + n) for n in range(KEPT_TABLES + 1)]
    assert saved.table(language, KEPT_TABLES + 1) is tables[-1]
    assert saved.table(language, 1) is not tables[0]


@pytest.mark.parametrize(
    ("base_model", "lora", "words"),
    [
        ("Qwen/Qwen3-8B", LoraConfig(rank=8), "of Qwen/Qwen3-8B of rank 8 .* those of tinkerproof/pico of"),
        (MODEL, LoraConfig(rank=16), "of rank 16 on unembed.mlp.attn, got those of .* of rank 8"),
        (MODEL, LoraConfig(rank=8, train_mlp=False), r"on unembed\+attn, got .* on unembed\+mlp\+attn"),
    ],
)
def test_weights_of_another_shape_are_refused(base_model: str, lora: LoraConfig, words: str) -> None:
    made = trained()
    made.create_model("other", base_model, lora, AdamOptimizerConfig())
    with pytest.raises(RequestFailure, match=words):
        made.load_weights("other", made.save_weights("m", optimizer=False), optimizer=False)


def test_loading_an_optimizer_that_was_not_saved_is_refused() -> None:
    made = trained()
    with pytest.raises(RequestFailure, match="expected an optimizer state, got none"):
        made.load_weights("m", made.save_weights("m", optimizer=False), optimizer=True)


def config(**changes: object) -> bytes:
    files = trained().save_weights("m", optimizer=True).files()
    return json.dumps({**json.loads(files[CONFIG]), **changes}).encode()


def tensors(keys: list[int], deltas: list[float]) -> bytes:
    return write_tensors({"deltas": np.array(deltas, np.float64), "keys": np.array(keys, np.int64)})


HEADER = b'{"deltas":{"dtype":"F64","data_offsets":[0,80]},"keys":{"dtype":"I64","data_offsets":[0,8]}}'


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (CONFIG, None, "'adapter_config.json': expected it to be there"),
        (CONFIG, b"{", "'adapter_config.json': "),
        (CONFIG, b"[]", "'adapter_config.json': "),
        (CONFIG, config(gain=float("nan")), "gain: expected a positive number, got nan"),
        (CONFIG, config(base_model_name_or_path="no/such", steps=None), "expected one of .*, got 'no/such'"),
        (ADAPTER, None, "'adapter_model.safetensors': expected it to be there"),
        (ADAPTER, b"123", "expected a safetensors file, got 3 bytes"),
        (ADAPTER, b"\xff" * 9, "expected a safetensors file, got 9 bytes"),
        (ADAPTER, (2).to_bytes(8, "little") + b"[]", r"expected tensors .*, got \{\}"),
        (ADAPTER, len(HEADER).to_bytes(8, "little") + HEADER, "tensor 'deltas': expected at most 0 bytes"),
        (ADAPTER, tensors([2, 1], [0, 0]), "expected 2 rising keys"),
        (ADAPTER, tensors([-1], [0]), "expected 1 rising keys"),
        (ADAPTER, tensors([2**62 + 2**61], [0]), "expected 1 rising keys"),
        (ADAPTER, tensors([1, 2], [0]), "expected 2 finite numbers, one per key, got 1"),
        (ADAPTER, tensors([1], [float("inf")]), "expected 1 finite numbers"),
        (ADAPTER, tensors([1], [1e99]), "expected learned logits of at most 1e.100"),
        (ADAPTER, tensors([260], [0]), "weights: expected token ids from 0 to 259.*got 260"),
        (OPTIMIZER, None, "'optimizer.safetensors': expected it to be there"),
    ],
)
def test_malformed_files_are_refused_by_name(name: str, content: bytes | None, words: str) -> None:
    files = dict(trained().save_weights("m", optimizer=name == OPTIMIZER).files())
    if content is None:
        del files[name]
    else:
        files[name] = content
    with pytest.raises(RequestFailure, match=words):
        trained().read_weights(files)
