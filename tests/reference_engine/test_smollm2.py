"""A model that was really pretrained, SmolLM2-135M-Instruct, as `make pretrained` fetches it."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from reference_engine.loading import load_model

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


def test_weights_and_config_are_those_that_transformers_reads(folder, ours):
    theirs = AutoModelForCausalLM.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32)

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
