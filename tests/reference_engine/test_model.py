"""The model against transformers."""

import pytest
import torch

from reference_engine.attention import CausalAttention
from reference_engine.batching import pack
from reference_engine.deltas import NoDelta
from tests.reference_engine.families import VARIANTS
from tests.reference_engine.models import EXACT, FAST, texts, trained_logprobs, transformer

NAMES = [variant.name for variant in VARIANTS]


@pytest.mark.parametrize("rows", [EXACT, FAST], ids=["exact", "fast"])
@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_those_of_transformers(saved, name, rows):
    model = transformer(saved(name).folder, rows)
    examples = texts([150, 64, 37, 5, 1], model.config.vocab_size)
    packed = pack(examples, range(5), model.device)
    attention = CausalAttention(model.config, packed.spans, rows)
    with torch.inference_mode():
        hidden, _ = model.forward(packed.tokens, packed.positions, attention, NoDelta())
        logits, _ = model.logits(hidden, NoDelta())
    for example, ours in zip(examples, logits.split([150, 64, 37, 5, 1]), strict=True):
        with torch.no_grad():
            theirs = saved(name).model(torch.from_numpy(example.tokens)[None]).logits[0]
        assert (ours - theirs).abs().max() < 1e-5


def test_positions_beyond_the_first_table_are_right_too(saved):
    model = transformer(saved("llama").folder)
    (example,) = texts([700], model.config.vocab_size)
    with torch.no_grad():
        scores = saved("llama").model(torch.from_numpy(example.tokens)[None]).logits[0]
        theirs = scores.log_softmax(-1).gather(1, torch.from_numpy(example.targets)[:, None])[:, 0]
    assert (trained_logprobs(model, [example])[0] - theirs).abs().max() < 1e-5


def test_bfloat16_is_near_float32(saved):
    narrow = transformer(saved("qwen3").folder, EXACT, torch.bfloat16)
    wide = transformer(saved("qwen3").folder)
    examples = texts([40, 20], wide.config.vocab_size)
    for one, other in zip(trained_logprobs(narrow, examples), trained_logprobs(wide, examples), strict=True):
        assert one.dtype == torch.float32
        assert (one - other).abs().max() < 0.1
