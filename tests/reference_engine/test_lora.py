"""Adapters: how many numbers, where, and how they start. The oracle of counts: the service's public ones."""

import pytest
import torch

from contract import LoraConfig
from reference_engine.config import Experts, ModelConfig
from reference_engine.lora import Adapter, AdapterLayout

CONFIG = ModelConfig("llama", 96, 32, 48, 2, 4, 2, 8, 256)
QWEN3_4B = ModelConfig("qwen3", 151936, 2560, 9728, 36, 32, 8, 128, 40960, tied_head=True, qk_norm=True)
QWEN3_30B = ModelConfig(
    "qwen3_moe", 151936, 2048, 6144, 48, 32, 4, 128, 40960,
    qk_norm=True, experts=Experts(128, 8, 768, True, tuple(range(48))),
)  # fmt: skip


def size(config, **parts):
    flags = {"train_attn": False, "train_mlp": False, "train_unembed": False} | parts
    return AdapterLayout.of(config, LoraConfig(rank=1, **flags)).size


@pytest.mark.parametrize(
    ("config", "attn", "mlp", "unembed"),
    [(QWEN3_4B, 737_280, 1_327_104, 154_496), (QWEN3_30B, 835_584, 14_450_688, 153_984)],
)
def test_counts_are_those_of_the_service(config, attn, mlp, unembed):
    """Source: tinker-cookbook 0.6.1 tests/downstream_compat/test_cli_and_hyperparam.py."""
    assert size(config, train_attn=True) == attn
    assert size(config, train_mlp=True) == mlp
    assert size(config, train_unembed=True) == unembed


def test_a_fresh_adapter_has_a_random_a_and_a_zero_b():
    layout = AdapterLayout.of(CONFIG, LoraConfig(rank=4))
    flat = layout.fresh(1)
    for matrix in layout.matrices:
        own = flat[matrix.offset : matrix.offset + matrix.size]
        if matrix.is_a:
            assert 0.5 * matrix.shape[-1] ** -0.5 < own.abs().max() <= matrix.shape[-1] ** -0.5
        else:
            assert not own.any()


def test_the_seed_decides():
    layout = AdapterLayout.of(CONFIG, LoraConfig(rank=4))
    assert torch.equal(layout.fresh(7), layout.fresh(7))
    assert not torch.equal(layout.fresh(7), layout.fresh(8))


@pytest.mark.parametrize("seed", [-1, -(2**63), 2**64 - 1, 2**63])
def test_every_seed_of_64_bits_is_taken(seed):
    assert torch.isfinite(AdapterLayout.of(CONFIG, LoraConfig(rank=1)).fresh(seed)).all()


def test_the_scale_is_alpha_by_rank():
    assert AdapterLayout.of(CONFIG, LoraConfig(rank=8)).scale == 4.0


def test_views_are_the_vector_itself():
    layout = AdapterLayout.of(CONFIG, LoraConfig(rank=4))
    adapter = Adapter(layout, torch.zeros(layout.size))
    for matrix in layout.matrices:
        adapter.flat[matrix.offset] = 1
    part = adapter.views.layers[1].qkv
    assert part.a.shape == (1, 12, 32)
    assert part.a[0, 0, 0] == part.a[0, 4, 0] == part.b[2][0, 0, 0] == 1
    assert adapter.views_as(torch.float32) is adapter.views
    assert adapter.views_as(torch.bfloat16).head.a.dtype == torch.bfloat16
