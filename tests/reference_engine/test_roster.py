"""What runs rows of one adapter, of several, of none: both modes, prompts and running sequences."""

import pytest
import torch

from contract import LoraConfig
from reference_engine import deltas
from reference_engine.attention import CausalAttention
from reference_engine.batching import pack
from reference_engine.deltas import ManyDeltas, NoDelta, SplitDelta
from reference_engine.exactness import QUANTA, largest_difference
from reference_engine.roster import Roster
from tests.reference_engine.models import EXACT, FAST, delta_of, texts, trained_adapter, transformer


@pytest.fixture(params=[EXACT, FAST], ids=["exact", "fast"])
def model(request, saved):
    return transformer(saved("qwen3").folder, request.param)


@pytest.fixture
def adapters(model):
    return [trained_adapter(model.config, seed=seed) for seed in range(3)]


def scores_of(model, tokens, delta):
    """The scores of tokens, each a text of its own."""
    packed = pack(tokens, range(len(tokens)), model.device)
    attention = CausalAttention(model.config, packed.spans, model.rows)
    hidden, _ = model.forward(packed.tokens, packed.positions, attention, delta)
    return model.logits(hidden, delta)[0]


def check_close(model, mine, others):
    """The same bits in exact mode, else nearly."""
    if model.rows.exact and largest_difference(QUANTA[-1]) == 0:
        assert torch.equal(mine, others)
    else:
        torch.testing.assert_close(mine, others, atol=1e-4, rtol=1e-4)


def check_rows(model, owners):
    """Rows of several owners in one batch score as each owner's rows alone."""
    total = model.rows.padded(len(owners))
    tokens = texts([1] * total, model.config.vocab_size)
    base, delta = Roster(model).rows(owners, total)
    found = scores_of(base, tokens, delta)
    for row, owner in enumerate(owners):
        check_close(model, found[row], scores_of(model, tokens, delta_of(model, owner))[row])


def test_one_adapter_is_added_to_the_weights_in_the_fast_mode_alone(model, adapters):
    base, delta = Roster(model).rows([adapters[0]] * 4, 4)
    assert (base is model) == model.rows.exact
    assert isinstance(delta, NoDelta) != model.rows.exact
    check_rows(model, [adapters[0]] * 4)


def test_the_base_model_alone_stays_as_it_is(model):
    base, delta = Roster(model).rows([None, None], 2)
    assert base is model
    assert isinstance(delta, NoDelta)


def test_rows_of_several_adapters_share_the_base_model(model, adapters):
    base, delta = Roster(model).rows(adapters, 3)
    assert base is model
    assert isinstance(delta, ManyDeltas)
    check_rows(model, [a for a in adapters for _ in range(2)])


def test_rows_in_any_order_and_of_no_adapter_score_as_alone(model, adapters):
    first, second, third = adapters
    check_rows(model, [third, None, first, third, second, first, third])


def test_adapters_of_different_layouts_share_a_batch(model, adapters):
    small = LoraConfig(rank=2, train_unembed=False)
    others = [trained_adapter(model.config, small, seed=seed) for seed in range(2)]
    check_rows(model, [adapters[0], others[0], others[1], adapters[1]])


def test_projections_with_too_many_zeros_between_them_are_not_joined(model, adapters, monkeypatch):
    monkeypatch.setattr(deltas, "MOST_ZEROS", 0)
    check_rows(model, adapters)


def check_prompts(model, owners):
    """Prompts of several owners in one pass score as each alone."""
    lengths = [20, 9, 40, 17]
    prompts = texts(lengths, model.config.vocab_size)
    base, own = Roster(model).prompts(owners, [])
    assert base is model
    together = scores_of(base, prompts, SplitDelta.of(own, lengths)).split(lengths)
    for owner, prompt, found in zip(owners, prompts, together, strict=True):
        check_close(model, found, scores_of(model, [prompt], delta_of(model, owner)))


def test_prompts_of_several_adapters_are_read_in_one_pass(model, adapters):
    check_prompts(model, [adapters[0], adapters[0], None, adapters[1]])


def test_experts_of_several_adapters_too(saved):
    model = transformer(saved("qwen3_moe").folder, EXACT)
    first, second = (trained_adapter(model.config, seed=seed) for seed in range(2))
    check_prompts(model, [first, None, second, second])


def test_a_long_prompt_after_a_short_one_does_not_widen_it(model):
    packed = pack(texts([9, 100, 90], model.config.vocab_size), range(3), model.device)
    assert [span.lengths for span in packed.spans] == [(9,), (100, 90)]


def test_a_prompt_beside_another_adapters_sequences_makes_no_copy_of_the_weights(model, adapters):
    roster = Roster(model)
    base, _ = roster.prompts([adapters[0]], [adapters[1]])
    assert base is model
    alone, _ = roster.prompts([adapters[0]], [adapters[0]])
    assert (alone is model) == model.rows.exact
