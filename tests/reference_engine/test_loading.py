import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from reference_engine.catalog import PICO
from reference_engine.loading import load_model, load_weights, read_config
from reference_engine.shapes import weight_shapes
from reference_engine.weight_files import INDEX
from tests.reference_engine.families import VARIANTS


def load(folder, dtype=torch.float32):
    return load_weights(folder, read_config(folder), dtype)


def expected(model):
    """The weights of a model of transformers, without the head that is the embedding."""
    weights = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        del weights["lm_head.weight"]
    return weights


def rewritten(source, target, change):
    """A copy of a folder whose tensors went through `change`."""
    (target / "config.json").write_text((source / "config.json").read_text())
    save_file(change(load_file(source / "model.safetensors")), target / "model.safetensors")
    return target


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_weights_are_those_of_transformers_bit_for_bit(saved, variant):
    theirs, ours = expected(saved(variant.name).model), load(saved(variant.name).folder)

    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("name", ["qwen3", "qwen3_moe"])
def test_shards_are_one_model(saved, tmp_path, name):
    model = saved(name).model
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    theirs, ours = expected(model), load(tmp_path)

    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_weights_come_in_the_order_and_type_that_were_asked_for(saved):
    folder = saved("qwen2").folder
    ours = load(folder, torch.bfloat16)

    assert list(ours) == list(weight_shapes(read_config(folder)))
    assert {weight.dtype for weight in ours.values()} == {torch.bfloat16}
    assert torch.equal(ours["model.norm.weight"], saved("qwen2").model.model.norm.weight.bfloat16())


def test_half_precision_files_are_widened(saved, tmp_path):
    half = rewritten(
        saved("llama").folder, tmp_path, lambda all_: {name: weight.half() for name, weight in all_.items()}
    )

    assert torch.equal(load(half)["model.norm.weight"], saved("llama").model.model.norm.weight.half().float())


def test_experts_are_read_from_the_fused_layout_too(saved, tmp_path):
    model = saved("qwen3_moe").model
    fused = rewritten(saved("qwen3_moe").folder, tmp_path, lambda _: expected(model))
    ours = load(fused)

    assert all(torch.equal(ours[name], weight) for name, weight in expected(model).items())


def test_a_tied_head_in_the_file_and_rotary_frequencies_are_passed_over(saved, tmp_path):
    extra = {
        "lm_head.weight": torch.zeros(96, 32),
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4),
    }
    folder = rewritten(saved("qwen3 tied").folder, tmp_path, lambda all_: all_ | extra)

    assert "lm_head.weight" not in load(folder)


def test_weights_stay_when_the_file_is_overwritten(saved, tmp_path):
    folder = rewritten(saved("llama").folder, tmp_path, dict)
    ours = load(folder)
    (folder / "model.safetensors").write_bytes(bytes((folder / "model.safetensors").stat().st_size))

    assert torch.equal(ours["model.norm.weight"], saved("llama").model.model.norm.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda all_: {k: v for k, v in all_.items() if k != "lm_head.weight"},
            "1 missing (lm_head.weight);",
        ),
        (lambda all_: all_ | {"score.weight": torch.zeros(1)}, "1 unexpected (score.weight);"),
        (
            lambda all_: all_ | {"model.norm.weight": torch.zeros(31)},
            "1 of another shape (model.norm.weight [31] instead of [32]); are config and weights of the same",
        ),
        (
            lambda all_: {k: v for k, v in all_.items() if "layers.1" not in k},
            "expected the 25 tensors of a qwen3 model with 2 layers, got 11 missing (model.layers.1.input_la",
        ),
        (
            lambda all_: all_ | {"model.norm.weight": torch.zeros(32).int()},
            "F32, F16, BF16, got I32 for 'model",
        ),
    ],
    ids=["missing", "unexpected", "shape", "many", "type"],
)
def test_tensors_that_do_not_fit_are_named(saved, tmp_path, change, message):
    folder = rewritten(saved("qwen3").folder, tmp_path, change)

    with pytest.raises(ValueError, match=re.escape(message)):
        load(folder)


def test_at_most_five_tensors_are_named(saved):
    config = replace(read_config(saved("qwen3").folder), num_layers=3)

    with pytest.raises(ValueError, match=r"11 missing \(([^,]+, ){4}[^,]+ and 6 more\)"):
        load_weights(saved("qwen3").folder, config, torch.float32)


def test_an_expert_that_is_missing_is_named(saved, tmp_path):
    lost = "model.layers.2.mlp.experts.3.up_proj.weight"
    folder = rewritten(
        saved("qwen3_moe").folder, tmp_path, lambda all_: {k: v for k, v in all_.items() if k != lost}
    )

    with pytest.raises(ValueError, match=re.escape(f"1 missing ({lost})")):
        load(folder)


def test_a_broken_file_is_named(saved, tmp_path):
    folder = rewritten(saved("llama").folder, tmp_path, dict)
    (folder / "model.safetensors").write_bytes(b"no tensors here")

    with pytest.raises(ValueError, match=r"model.safetensors: expected a safetensors file, got .*whole"):
        load(folder)


def test_a_shard_that_is_not_there_is_named(saved, tmp_path):
    saved("llama").model.save_pretrained(tmp_path, max_shard_size="20KB")
    next(tmp_path.glob("model-00002*")).unlink()

    with pytest.raises(FileNotFoundError, match=r"model-00002-of-\d+.safetensors: expected weights in"):
        load(tmp_path)


def test_an_index_without_files_is_refused(saved, tmp_path):
    (tmp_path / "config.json").write_text((saved("llama").folder / "config.json").read_text())
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {}}))

    with pytest.raises(ValueError, match="expected weight_map to name files, got none"):
        load(tmp_path)


@pytest.mark.parametrize(("name", "got"), [("", "got none"), ("no", "got no such folder")])
def test_a_folder_without_a_model_is_named(tmp_path, name, got):
    with pytest.raises(FileNotFoundError, match=f"expected a folder with config.json, .*, {got}; is it the"):
        read_config(tmp_path / name)


def test_the_built_in_model_is_loaded_in_less_than_a_second():
    start = time.perf_counter()
    model = load_model(PICO, torch.float32)

    assert time.perf_counter() - start < 1
    assert model.tokenizer.decode(model.tokenizer.encode("Hello.")) == "Hello."
    assert model.config.end_of_text_ids


def test_loading_imports_neither_transformers_nor_gguf():
    slow = {"gguf", "peft", "transformers"}
    code = f"import sys, reference_engine.loading; print({slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
