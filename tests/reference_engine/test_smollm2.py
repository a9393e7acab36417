"""A model that was really pretrained, SmolLM2-135M-Instruct, as `make pretrained` fetches it.

Small random models agree with transformers within 1e-5. Here logits reach 40 and have passed 30 layers, so
float32 itself is no nearer than 1e-4: that far are transformers' own logits from its own in float64. So 1e-5
is asked of the relative error, and in absolute terms not to be further from float64 than transformers.
"""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from reference_engine.attention import CausalAttention
from reference_engine.batching import Example, pack
from reference_engine.deltas import NoDelta
from reference_engine.loading import load_model
from reference_engine.model import Transformer
from tests.reference_engine.models import (
    EXACT,
    FAST,
    decoded_logprobs,
    delta_of,
    trained_adapter,
    trained_logprobs,
)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2] / ".cache" / "smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
TEXTS = [
    "The capital of France is Paris.",
    "In 2023, I'LL have 12345 apples — 你好 🙂",
    "<|im_start|>user\n\n  Hi!\t<|im_end|>\r\n",
    "def f(x):\n    return x ** 2  # squares",
]


@pytest.fixture(scope="module")
def folder():
    found = next(ROOT.rglob(FILE), None)
    if found is None:
        pytest.skip(f"no {FILE} in {ROOT}; run make pretrained")
    return found.parent


@pytest.fixture(scope="module")
def ours(folder):
    return load_model(folder, torch.float32)


@pytest.fixture(scope="module")
def theirs(folder):
    return AutoModelForCausalLM.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokens(ours):
    """Each text, and all of them four times over in one."""
    return [ours.tokenizer.encode(text) for text in [*TEXTS, " ".join(TEXTS * 4)]]


@pytest.fixture(scope="module", params=[EXACT, FAST], ids=["exact", "fast"])
def model(ours, request):
    return Transformer(ours.config, ours.weights, request.param)


@torch.inference_mode()
def logits_of(model, tokens):
    """Our logits `[T, V]` of all texts, packed into one pass."""
    packed = pack([Example(np.array(ids), np.array(ids)) for ids in tokens], range(len(tokens)), model.device)
    attention = CausalAttention(model.config, packed.spans, model.rows)
    hidden, _ = model.forward(packed.tokens, packed.positions, attention, NoDelta())
    return model.logits(hidden, NoDelta())[0]


@torch.inference_mode()
def logits_of_theirs(theirs, tokens):
    return torch.cat([theirs(torch.tensor([ids])).logits[0] for ids in tokens])


def furthest(one, other):
    return float((one - other).abs().max())


def test_logits_are_within_1e_5_of_those_of_transformers_in_relative_terms(model, theirs, tokens):
    mine, wanted = logits_of(model, tokens), logits_of_theirs(theirs, tokens)

    assert len(mine) > 200
    assert (mine - wanted).norm() < 1e-5 * wanted.norm()
    assert furthest(mine, wanted) < 1e-5 * float(wanted.abs().max())
    assert torch.equal(mine.argmax(1), wanted.argmax(1))
    assert furthest(mine.log_softmax(1), wanted.log_softmax(1)) < 3e-4


def test_logits_are_as_near_to_float64_as_those_of_transformers(model, theirs, tokens):
    true = logits_of_theirs(deepcopy(theirs).double(), tokens)
    mine, other = furthest(logits_of(model, tokens), true), furthest(logits_of_theirs(theirs, tokens), true)

    assert other > 1e-5
    assert mine < 3 * other


def test_sampled_logprobs_are_the_bits_of_a_training_forward(ours, tokens):
    model = Transformer(ours.config, ours.weights, EXACT)
    adapter = trained_adapter(model.config)
    examples = [Example(np.array(ids[:-1]), np.array(ids[1:])) for ids in tokens[:4]]

    sampled = decoded_logprobs(model, examples, [2, 5, 3, 9], delta_of(model, adapter))

    trained = trained_logprobs(model, examples, adapter)
    assert all(torch.equal(one, other) for one, other in zip(sampled, trained, strict=True))


def test_weights_and_config_are_those_that_transformers_reads(ours, theirs):
    assert all(torch.equal(weight, theirs.state_dict()[name]) for name, weight in ours.weights.items())
    assert len(ours.weights) == len(theirs.state_dict()) - 1
    assert ours.config.head_dim == theirs.config.head_dim
    assert ours.config.rope_theta == theirs.config.rope_parameters["rope_theta"]
    assert ours.config.end_of_text_ids == (theirs.config.eos_token_id,)


def test_tokens_are_those_that_transformers_makes(folder, ours):
    theirs = AutoTokenizer.from_pretrained(folder, gguf_file=FILE)

    assert [ours.tokenizer.encode(text) for text in TEXTS] == [theirs.encode(text) for text in TEXTS]
    assert [ours.tokenizer.decode(ours.tokenizer.encode(text)) for text in TEXTS] == TEXTS
    assert ours.tokenizer.chat_template == theirs.chat_template
