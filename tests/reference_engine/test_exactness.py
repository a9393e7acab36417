"""Sampling and training agree bit for bit, whatever runs beside."""

import pytest
import torch

from contract import LoraConfig
from reference_engine.deltas import Group, ManyDeltas
from reference_engine.exactness import QUANTA, largest_difference, row_quantum
from tests.reference_engine.families import VARIANTS
from tests.reference_engine.models import (
    EXACT,
    FAST,
    decoded_logprobs,
    delta_of,
    texts,
    trained_adapter,
    trained_logprobs,
    transformer,
)

NAMES = [variant.name for variant in VARIANTS]
exact_here = pytest.mark.skipif(
    largest_difference(QUANTA[-1]) > 0, reason="this machine's kernels depend on the row count"
)


@pytest.fixture(params=[1, 2])
def threads(request):
    """Compute with one thread, then with two."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@exact_here
@pytest.mark.parametrize("count", [1, 3, 17])
@pytest.mark.parametrize("name", NAMES)
def test_sampled_logprobs_are_the_bits_of_a_training_forward(saved, name, count):
    check_exact(saved, name, count)


@exact_here
@pytest.mark.parametrize("name", ["llama", "qwen3_moe"])
def test_that_holds_with_any_number_of_threads(saved, name, threads):
    check_exact(saved, name, 8)


def check_exact(saved, name, count):
    model = transformer(saved(name).folder)
    adapter = trained_adapter(model.config)
    examples = texts([20 + 13 * i % 90 for i in range(count)], model.config.vocab_size)
    prompts = [max(1, len(example.tokens) // 2) for example in examples]
    trained = trained_logprobs(model, examples, adapter)
    sampled = decoded_logprobs(model, examples, prompts, delta_of(model, adapter))
    for one, other in zip(sampled, trained, strict=True):
        assert torch.equal(one, other)


@exact_here
def test_texts_longer_than_a_block_of_keys_are_exact_too(saved):
    model = transformer(saved("qwen3").folder)
    examples = texts([300, 129, 128, 16], model.config.vocab_size)
    sampled = decoded_logprobs(model, examples, [250, 120, 3, 15], delta_of(model, None))
    for one, other in zip(sampled, trained_logprobs(model, examples), strict=True):
        assert torch.equal(one, other)


@exact_here
@pytest.mark.parametrize("name", ["llama", "qwen3_moe"])
def test_many_adapters_in_one_batch_give_each_the_bits_it_has_alone(saved, name):
    model = transformer(saved(name).folder)
    shapes = [LoraConfig(rank=4), LoraConfig(rank=8, train_unembed=False)]
    adapters = [trained_adapter(model.config, shapes[i // 3], seed=i) for i in range(5)]
    examples = texts([30, 20, 25, 40, 18, 22], model.config.vocab_size)
    owners = [*adapters, None]
    rows = model.rows.padded(len(examples))
    groups = [
        Group.of(same, [[owners.index(a)] for a in same], rows, same[0].layout.views(stack(same)), EXACT)
        for same in (adapters[:3], adapters[3:])
    ]
    sampled = decoded_logprobs(
        model, examples, [10] * 6, ManyDeltas(groups, EXACT), lambda slot: delta_of(model, owners[slot])
    )
    for example, owner, one in zip(examples, owners, sampled, strict=True):
        assert torch.equal(one, trained_logprobs(model, [example], owner)[0])


def stack(adapters):
    return torch.stack([adapter.flat for adapter in adapters])


@exact_here
def test_a_texts_logprobs_do_not_depend_on_its_neighbours(saved):
    model = transformer(saved("qwen2").folder)
    examples = texts([70, 40, 3, 140, 16], model.config.vocab_size)
    together = trained_logprobs(model, examples)
    for example, beside in zip(examples, together, strict=True):
        assert torch.equal(trained_logprobs(model, [example])[0], beside)


def test_one_and_two_threads_give_the_same_bits(saved):
    model = transformer(saved("llama").folder)
    examples = texts([33, 90], model.config.vocab_size)
    found = []
    before = torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(torch.cat(trained_logprobs(model, examples)))
    torch.set_num_threads(before)
    assert torch.equal(*found)


def test_the_fast_mode_is_within_its_tolerance(saved):
    model = transformer(saved("qwen3").folder, FAST)
    examples = texts([300, 40], model.config.vocab_size)
    adapter = trained_adapter(model.config)
    sampled = decoded_logprobs(model, examples, [100, 10], delta_of(model, adapter))
    for one, other in zip(sampled, trained_logprobs(model, examples, adapter), strict=True):
        assert (one - other).abs().max() < 1e-5


def test_bfloat16_is_exact_as_well(saved):
    model = transformer(saved("llama").folder, EXACT, torch.bfloat16)
    examples = texts([40, 20, 9], model.config.vocab_size)
    sampled = decoded_logprobs(model, examples, [20, 5, 8], delta_of(model, None))
    for one, other in zip(sampled, trained_logprobs(model, examples), strict=True):
        assert (one - other).abs().max() < 0.05


def test_row_counts_are_filled_up_as_this_machine_needs_it():
    assert row_quantum() in QUANTA
    assert EXACT.padded(1) == 4
    assert EXACT.padded(16) == 16
    assert FAST.padded(1) == 1
