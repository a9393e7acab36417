import re
import sys
from dataclasses import replace

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from reference_engine.config import RopeScaling
from reference_engine.loading import load_model, load_weights, read_config
from tests.reference_engine.families import VARIANT, Variant
from tests.reference_engine.gguf_writing import Kind, write_gguf

NAMES = ["llama", "llama tied", "qwen2", "qwen2 tied", "qwen3", "qwen3 tied"]
MOE = Variant(
    "moe",
    "Qwen3Moe",
    {"head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    | {"norm_topk_prob": True},
)
HEAD_DIM, THETA = 64, 500_000.0


def llama3_divisors(factor=32.0, low=1.0, high=4.0, original=8192):
    """What llama.cpp's converter writes for Llama 3: by how much each frequency is divided."""
    waves = [2 * np.pi * THETA ** (i / HEAD_DIM) for i in range(0, HEAD_DIM, 2)]
    smooth = [(original / wave - low) / (high - low) for wave in waves]
    divisors = [
        1 if wave < original / high else factor if wave > original / low else 1 / ((1 - s) / factor + s)
        for wave, s in zip(waves, smooth, strict=True)
    ]
    return np.array(divisors, dtype=np.float32)


@pytest.fixture
def llama(saved):
    return saved("llama").model


@pytest.fixture(scope="module")
def moe():
    return MOE.build()


@pytest.mark.parametrize("name", NAMES)
def test_metadata_says_what_a_config_says(saved, tmp_path, name):
    ours = read_config(write_gguf(tmp_path / "model.gguf", saved(name).model))
    theirs = read_config(saved(name).folder)

    assert ours.norm_eps == pytest.approx(theirs.norm_eps)
    assert replace(ours, norm_eps=theirs.norm_eps, end_of_text_ids=theirs.end_of_text_ids) == theirs


@pytest.mark.parametrize("name", NAMES)
def test_tensors_are_those_of_the_model_bit_for_bit(saved, tmp_path, name):
    write_gguf(tmp_path / "model.gguf", saved(name).model)
    ours = load_weights(tmp_path, read_config(tmp_path), torch.float32)
    theirs = load_weights(saved(name).folder, read_config(saved(name).folder), torch.float32)

    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_experts_are_put_together(moe, tmp_path):
    config = read_config(write_gguf(tmp_path / "model.gguf", moe))
    ours = load_weights(tmp_path, config, torch.float32)

    assert (config.arch, config.experts.layers, config.experts.normalize) == ("qwen3_moe", (0, 1), True)
    assert (config.experts.count, config.experts.per_token, config.experts.intermediate_size) == (4, 2, 32)
    assert all(torch.equal(ours[name], weight) for name, weight in moe.state_dict().items())


@pytest.mark.parametrize("kind", [Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_1], ids=lambda kind: kind.name)
@pytest.mark.parametrize("name", ["llama tied", "qwen2"])
def test_quantized_tensors_are_what_transformers_makes_of_them(saved, tmp_path, name, kind):
    write_gguf(tmp_path / "model.gguf", saved(name).model, kind=kind)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32)
    ours = load_weights(tmp_path, read_config(tmp_path), torch.float32)

    assert all(torch.equal(weight, theirs.state_dict()[name]) for name, weight in ours.items())


def test_llama_3s_scaling_is_recognised_by_its_divisors(llama, tmp_path):
    shaped = {"{arch}.rope.freq_base": THETA, "{arch}.attention.key_length": HEAD_DIM}
    shaped["{arch}.rope.dimension_count"] = HEAD_DIM
    file = write_gguf(
        tmp_path / "model.gguf", llama, metadata=shaped, extra=[("rope_freqs.weight", llama3_divisors())]
    )

    assert read_config(file).rope_scaling == RopeScaling(32.0, 1.0, 4.0, 8192)


def test_divisors_of_another_scaling_are_refused(llama, tmp_path):
    other = [("rope_freqs.weight", llama3_divisors(high=8.0))]
    file = write_gguf(tmp_path / "model.gguf", llama, metadata={"{arch}.rope.freq_base": THETA}, extra=other)

    with pytest.raises(ValueError, match=r"model.gguf: expected rope_freqs.weight to be Llama 3's"):
        read_config(file)


def test_ends_of_sequence_and_of_turn_end_text(llama, tmp_path):
    ends = {"tokenizer.ggml.eos_token_id": 7, "tokenizer.ggml.eot_token_id": 9}

    assert read_config(write_gguf(tmp_path / "a.gguf", llama, metadata=ends)).end_of_text_ids == (7, 9)


def test_a_head_width_that_is_not_said_is_an_equal_share(saved, tmp_path):
    file = write_gguf(
        tmp_path / "a.gguf", saved("llama").model, metadata={"{arch}.attention.key_length": None}
    )

    assert read_config(file).head_dim == 8


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"general.architecture": "gemma3"}, "model_type to be one of 'llama', .* got \"gemma3\""),
        ({"{arch}.expert_count": 8}, 'got "llama with experts"'),
        ({"{arch}.rope.scaling.type": "yarn"}, "rope_type to be 'default' or 'llama3', got \"yarn\""),
        ({"{arch}.rope.dimension_count": 4}, "partial_rotary_factor to be 1, got 0.5"),
        ({"{arch}.attention.head_count_kv": [2, 2]}, "num_key_value_heads to be a whole number"),
        ({"{arch}.embedding_length": None, "{arch}.attention.key_length": None}, "hidden_size to be a whole"),
        ({"split.count": 2}, "expected one file, got a part of 2; merge them with llama-gguf-split --merge"),
    ],
    ids=str,
)
def test_metadata_that_asks_for_what_we_do_not_compute_is_refused(llama, tmp_path, metadata, message):
    with pytest.raises(ValueError, match=f"model.gguf: .*{message}"):
        read_config(write_gguf(tmp_path / "model.gguf", llama, metadata=metadata))


def test_no_scaling_may_be_said(llama, tmp_path):
    file = write_gguf(tmp_path / "model.gguf", llama, metadata={"{arch}.rope.scaling.type": "none"})

    assert read_config(file).rope_scaling is None


@pytest.mark.parametrize("name", ["blk.0.attn_q.bias", "blk.1.ssm_in.weight", "v.patch_embd.weight"])
def test_tensors_that_the_family_does_not_have_are_named(llama, tmp_path, name):
    write_gguf(tmp_path / "model.gguf", llama, extra=[(name, np.zeros(32, np.float32))])

    with pytest.raises(ValueError, match="got 1 unexpected"):
        load_weights(tmp_path, read_config(tmp_path), torch.float32)


def test_a_type_that_cannot_be_dequantized_is_named(llama, tmp_path):
    file = write_gguf(tmp_path / "model.gguf", llama)
    at = file.read_bytes().index(b"output_norm.weight") + len("output_norm.weight") + 4 + 8
    content = bytearray(file.read_bytes())
    content[at : at + 4] = int(Kind.I32).to_bytes(4, "little")
    file.write_bytes(content)

    with pytest.raises(ValueError, match=r"gguf can dequantize, got I32 for 'output_norm.weight'"):
        load_weights(tmp_path, read_config(file), torch.float32)


@pytest.mark.parametrize("content", [b"no gguf", b"GGUF\3\0\0\0" + b"\1" * 60], ids=["other", "broken"])
def test_a_file_that_is_no_gguf_is_named(tmp_path, content):
    (tmp_path / "model.gguf").write_bytes(content)

    with pytest.raises(ValueError, match=r"model.gguf: expected a GGUF file, got .*; is the file whole"):
        read_config(tmp_path)


def test_a_file_that_was_cut_short_is_named(llama, tmp_path):
    file = write_gguf(tmp_path / "model.gguf", llama)
    file.write_bytes(file.read_bytes()[:-4000])

    with pytest.raises(ValueError, match=r"model.gguf: expected a GGUF file, got"):
        read_config(file)


def test_without_the_package_that_reads_it_a_file_is_refused(llama, tmp_path, monkeypatch):
    file = write_gguf(tmp_path / "model.gguf", llama)
    monkeypatch.setitem(sys.modules, "gguf", None)

    with pytest.raises(ValueError, match=re.escape("got none; pip install 'tinkerproof[gguf]'")):
        read_config(file)


def test_safetensors_beside_a_gguf_file_are_preferred(saved, tmp_path):
    saved("llama").model.save_pretrained(tmp_path)
    (tmp_path / "other.gguf").write_bytes(b"not looked at")

    assert load_model(tmp_path, torch.float32).config == read_config(saved("llama").folder)


def test_what_a_test_writes_is_what_the_package_reads(llama, tmp_path):
    reader = gguf.GGUFReader(write_gguf(tmp_path / "model.gguf", llama, kind=Kind.Q8_0))

    assert {tensor.tensor_type for tensor in reader.tensors} == {Kind.F32, Kind.Q8_0}
    assert len(reader.tensors) == len(VARIANT["llama"].build().state_dict())
