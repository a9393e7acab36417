"""Adapters and their optimizers' states as files, and back."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
import torch
from safetensors import safe_open

from contract import AdamParams, RequestFailure
from reference_engine.checkpoints import read_weights
from reference_engine.loading import read_config
from reference_engine.lora import Adapter
from reference_engine.optimizer import adamw_step
from reference_engine.tensor_files import read_tensors, write_tensors
from tests.reference_engine.adapters import HASH, NAME, origin_of, weights_on

CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"
OPTIMIZER, STATE = "optimizer.safetensors", "state.json"
PARTS = [{}, {"train_attn": False}, {"train_mlp": False}, {"train_unembed": False}]


@pytest.fixture(params=["qwen3", "qwen3 tied", "qwen3_moe"])
def config(request, saved):
    return read_config(saved(request.param).folder)


@pytest.fixture
def dense(saved):
    return read_config(saved("qwen3").folder)


@pytest.mark.parametrize("parts", PARTS, ids=str)
@pytest.mark.parametrize("moments", [True, False])
def test_weights_are_read_back_to_the_bit(config, parts, moments):
    weights = weights_on(config, moments=moments, **parts)
    read = read_weights(weights.files(), origin_of(config))

    assert read.layout == weights.layout
    assert (read.base_model, read.base_hash, read.seed) == (NAME, HASH, 3)
    assert torch.equal(read.flat, weights.flat)
    assert read.files() == weights.files()
    assert (read.moments is None) == (not moments)


def test_the_optimizers_next_step_is_that_of_the_run_that_was_not_stopped(config):
    weights = weights_on(config)
    read = read_weights(weights.files(), origin_of(config))
    gradients, params = torch.randn(weights.layout.size), AdamParams(grad_clip_norm=1.0)
    on, after, _ = adamw_step(weights.flat, gradients, weights.moments, params)
    again, afterwards, _ = adamw_step(read.flat, gradients, read.moments, params)

    assert torch.equal(on, again)
    assert torch.equal(after.means, afterwards.means)
    assert after.steps == afterwards.steps == 8


@pytest.mark.parametrize("moments", [True, False])
@pytest.mark.parametrize("seed", [None, 2**62])
def test_the_size_is_that_of_the_files(config, moments, seed):
    weights = replace(weights_on(config, moments=moments), seed=seed)
    assert weights.size_bytes == sum(map(len, weights.files().values()))


def test_equal_weights_are_equal_bytes(config):
    assert weights_on(config).files() == weights_on(config).files()


def test_without_the_optimizer_only_the_adapter_is_left(config):
    weights = weights_on(config).without_optimizer()

    assert list(weights.files()) == [CONFIG, ADAPTER]
    assert weights.files()[ADAPTER] == weights_on(config).files()[ADAPTER]
    assert read_weights(weights.files(), origin_of(config)).moments is None


def test_the_config_says_what_peft_and_the_cookbook_read(saved):
    config = json.loads(weights_on(read_config(saved("qwen3_moe").folder)).files()[CONFIG])
    attention, mlp = ["k_proj", "o_proj", "q_proj", "v_proj"], ["down_proj", "gate_proj", "up_proj"]

    assert config.pop("target_modules") == sorted([*attention, *mlp, "lm_head"])
    assert config == {
        "base_model_name_or_path": NAME,
        "bias": "none",
        "inference_mode": True,
        "lora_alpha": 32,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": 4,
        "task_type": "CAUSAL_LM",
    }


def test_matrices_have_the_names_and_shapes_of_the_service(saved, tmp_path):
    files = weights_on(read_config(saved("qwen3_moe").folder)).files()
    path = tmp_path / ADAPTER
    path.write_bytes(files[ADAPTER])
    with safe_open(str(path), "pt") as opened:
        shapes = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
        assert opened.metadata()["format"] == "pt"
    layer = "base_model.model.model.layers.0"

    assert shapes[f"{layer}.self_attn.q_proj.lora_A.weight"] == [4, 32]
    assert shapes[f"{layer}.self_attn.q_proj.lora_B.weight"] == [64, 4]
    assert shapes[f"{layer}.mlp.experts.w1.lora_A.weight"] == [1, 4, 32]
    assert shapes[f"{layer}.mlp.experts.w3.lora_B.weight"] == [4, 24, 4]
    assert shapes[f"{layer}.mlp.experts.w2.lora_A.weight"] == [4, 4, 24]
    assert shapes[f"{layer}.mlp.experts.w2.lora_B.weight"] == [1, 32, 4]
    assert shapes["base_model.model.model.unembed_tokens.lora_B.weight"] == [96, 4]


def test_the_state_says_what_the_checkpoint_is_and_has_the_other_files_hashes(dense):
    files = weights_on(dense, train_mlp=False).files()
    state = json.loads(files[STATE])

    assert state.pop("sha256") == {
        name: sha256(files[name]).hexdigest() for name in (CONFIG, ADAPTER, OPTIMIZER)
    }
    assert state.pop("engine_version")
    assert state == {
        "format": "tinkerproof torch 1",
        "base_model": NAME,
        "base_hash": HASH,
        "seed": 3,
        "rank": 4,
        "alpha": 32.0,
        "train_attn": True,
        "train_mlp": False,
        "train_unembed": True,
        "steps": 7,
    }


def test_files_from_two_checkpoints_are_refused(dense):
    early, late = weights_on(dense), weights_on(dense)
    late = replace(late, adapter=Adapter(late.layout, late.flat * 2))
    files = {**early.files(), ADAPTER: late.files()[ADAPTER]}

    with pytest.raises(RequestFailure, match=r"'adapter_model.safetensors': expected the content whose hash"):
        read_weights(files, origin_of(dense))


def test_weights_of_another_base_model_of_that_name_are_refused(dense):
    with pytest.raises(RequestFailure, match=r"hash cdcdcdcdcdcd\.\.\., got those of abababababab\.\.\."):
        read_weights(weights_on(dense).files(), origin_of(dense, "cd" * 32))


def test_weights_whose_base_model_has_no_hash_are_taken(dense):
    weights = replace(weights_on(dense), base_hash="", seed=None)
    read = read_weights(weights.files(), origin_of(dense))
    assert (read.base_hash, read.seed) == ("", None)


def test_an_unknown_base_model_is_what_the_lookup_says(dense):
    with pytest.raises(KeyError, match="other/name"):
        read_weights(replace(weights_on(dense), base_model="other/name").files(), origin_of(dense))


def test_a_layout_of_another_model_is_refused(saved, dense):
    files = weights_on(dense, moments=False).files()
    other = read_config(saved("llama").folder)
    with pytest.raises(RequestFailure, match=r"got 8 of another shape .*q_proj.lora_B \[64, 4\] instead of"):
        read_weights(files, origin_of(other))


@pytest.mark.parametrize("name", [CONFIG, ADAPTER, OPTIMIZER, STATE])
def test_a_file_that_is_missing_is_named(dense, name):
    files = dict(weights_on(dense).files())
    del files[name]
    with pytest.raises(RequestFailure, match=f"{name}': expected it to be there, got .*"):
        read_weights(files, origin_of(dense))


def test_no_files_at_all_are_said_to_be_none(dense):
    with pytest.raises(RequestFailure, match=r"adapter_config.json': expected it to be there, got no files"):
        read_weights({}, origin_of(dense))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "expected JSON, got .*; is the file whole"),
        (b"[]", "expected a JSON object, got list"),
        (
            b'{"base_model_name_or_path": 5}',
            "expected base_model_name_or_path to be a base model's name, got 5",
        ),
        (b'{"base_model_name_or_path": "org/small"}', "expected r to be a whole number, got none"),
        (
            b'{"base_model_name_or_path": "org/small", "r": 5, "lora_alpha": 32}',
            r"got 30 of another shape \(.* and 27 more\)",
        ),
        (
            b'{"base_model_name_or_path": "org/small", "r": 4, "lora_alpha": -1}',
            "lora_alpha to be a positive",
        ),
        (b'{"peft_type": "IA3"}', "expected peft_type to be 'LORA', got \"IA3\"; train a plain LoRA adapter"),
        (b'{"use_rslora": true}', "use_rslora to be false, got true"),
        (b'{"rank_pattern": {"q_proj": 2}}', "rank_pattern to be empty, got"),
    ],
)
def test_a_config_that_cannot_be_used_is_refused(dense, content, message):
    files = {**weights_on(dense, moments=False).files(), CONFIG: content}
    with pytest.raises(RequestFailure, match=f"weights file 'adapter_.*': .*{message}"):
        read_weights(files, origin_of(dense))


def rewritten(files, change):
    """The adapter's files with other matrices."""
    tensors = change(dict(read_tensors(files[ADAPTER])))
    return {**files, ADAPTER: write_tensors(tensors, {"format": "pt"})}


FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
HEAD = "base_model.model.model.unembed_tokens.lora_A.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda all_: {k: v for k, v in all_.items() if k != FIRST},
            r"got 1 missing \(model.layers.0.self_at",
        ),
        (lambda all_: all_ | {"score.weight": torch.zeros(1)}, r"got 1 unexpected \(score\)"),
        (lambda all_: all_ | {FIRST: torch.zeros(4, 32).long()}, "got 1 not floating point"),
        (lambda all_: all_ | {FIRST: torch.full((4, 32), torch.inf)}, "expected finite numbers, got 128 of"),
        (lambda all_: {"score.weight": torch.zeros(1)}, r"of attention, mlp or head, got 1 others \(score\)"),
        (
            lambda all_: all_ | {"base_model.model.lm_head.lora_A.weight": all_[HEAD]},
            "as unembed_tokens or as lm_head, got model.unembed_tokens.lora_A twice",
        ),
    ],
    ids=["missing", "unexpected", "type", "not finite", "no adapter", "two heads"],
)
def test_matrices_that_are_no_adapter_are_refused(dense, change, message):
    files = rewritten(weights_on(dense, moments=False).files(), change)
    with pytest.raises(RequestFailure, match=f"weights file 'adapter_model.safetensors': .*{message}"):
        read_weights(files, origin_of(dense))


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 99])
def test_matrices_that_are_no_tensors_are_refused(dense, content):
    files = {**weights_on(dense, moments=False).files(), ADAPTER: content}
    with pytest.raises(
        RequestFailure, match=r"'adapter_model.safetensors': expected a safetensors file, got"
    ):
        read_weights(files, origin_of(dense))


def changed_state(files, name, content):
    """A training state whose file `name` is another, its hash included."""
    state = json.loads(files[STATE])
    state["sha256"][name] = sha256(content).hexdigest()
    return {**files, name: content, STATE: json.dumps(state).encode()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"means": torch.zeros(3)}, r"expected means and squares of \d+ numbers, and steps, got"),
        ({"steps": torch.tensor(-1)}, "expected finite means, and squares and steps of at least 0"),
        ({"squares": None}, "expected finite means, and squares and steps of at least 0"),
    ],
)
def test_an_optimizers_state_that_cannot_be_is_refused(dense, change, message):
    weights = weights_on(dense)
    negative = {name: -weights.moments.squares for name, value in change.items() if value is None}
    tensors = read_tensors(weights.files()[OPTIMIZER]) | change | negative
    files = changed_state(weights.files(), OPTIMIZER, write_tensors(tensors, {}))
    with pytest.raises(RequestFailure, match=f"weights file 'optimizer.safetensors': {message}"):
        read_weights(files, origin_of(dense))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "Expecting"),
        (b"[]", "expected a training state of format 'tinkerproof torch 1', got another"),
        (b'{"format": "tinkerproof torch 2"}', "expected a training state of format"),
        (b'{"format": "tinkerproof torch 1", "sha256": {}}', "expected the hashes of the three other files"),
    ],
)
def test_a_state_of_another_kind_is_refused(dense, content, message):
    with pytest.raises(RequestFailure, match=f"weights file 'state.json': {message}"):
        read_weights({**weights_on(dense).files(), STATE: content}, origin_of(dense))
