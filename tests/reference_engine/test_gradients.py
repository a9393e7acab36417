"""Adapters' gradients against peft, and against transformers' autograd where peft has no such adapter."""

import peft
import pytest
import torch

from contract import LoraConfig
from reference_engine.batching import Example
from tests.reference_engine.families import VARIANT
from tests.reference_engine.models import (
    EXACT,
    FAST,
    gradients_of,
    texts,
    trained_adapter,
    trained_logprobs,
    transformer,
)

TARGETS = {
    "train_attn": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "train_mlp": ["gate_proj", "up_proj", "down_proj"],
    "train_unembed": ["lm_head"],
}
DENSE = ["llama", "llama3", "qwen2", "qwen3"]


def lora(*parts):
    return LoraConfig(rank=4, **{part: part in parts for part in TARGETS})


def peft_model(base, adapter):
    """Peft's model with the same adapter, and its parameters by our names."""
    layout = adapter.layout
    parts = [name for name in TARGETS if getattr(layout, name)]
    config = peft.LoraConfig(
        r=layout.rank, lora_alpha=32, target_modules=[target for part in parts for target in TARGETS[part]]
    )
    model = peft.get_peft_model(base, config)
    parameters = dict(model.named_parameters())
    by_name = {}
    for matrix in layout.matrices:
        theirs = matrix.name.replace("model.unembed_tokens", "lm_head")
        theirs = theirs.replace("lora_A", "lora_A.default.weight").replace("lora_B", "lora_B.default.weight")
        by_name[matrix.name] = parameters[f"base_model.model.{theirs}"]
        by_name[matrix.name].data.copy_(cut(adapter.flat, matrix))
    return model, by_name


def cut(flat, matrix):
    return flat[matrix.offset : matrix.offset + matrix.size].view(matrix.shape)


def weighed(model, example, slopes):
    """The sum of slopes times logprobs, by autograd."""
    logprobs = model(torch.from_numpy(example.tokens)[None]).logits[0].log_softmax(-1)
    targets = torch.from_numpy(example.targets)
    cells = logprobs.gather(1, targets if targets.ndim == 2 else targets[:, None])
    return (cells.reshape(-1) * slopes).sum()


@pytest.mark.parametrize("rows", [EXACT, FAST], ids=["exact", "fast"])
@pytest.mark.parametrize(
    "parts", [tuple(TARGETS), ("train_attn",), ("train_mlp",), ("train_unembed",)], ids=lambda p: "+".join(p)
)
@pytest.mark.parametrize("name", DENSE)
def test_gradients_equal_those_of_peft(saved, name, parts, rows):
    model = transformer(saved(name).folder, rows)
    adapter = trained_adapter(model.config, lora(*parts))
    examples = texts([140, 30, 30, 3], model.config.vocab_size)
    slopes = [torch.randn(len(example.tokens)) for example in examples]
    reference, parameters = peft_model(VARIANT[name].build(), adapter)
    sum(weighed(reference, e, s) for e, s in zip(examples, slopes, strict=True)).backward()
    ours = gradients_of(model, examples, slopes, adapter)
    for matrix in adapter.layout.matrices:
        theirs = parameters[matrix.name].grad
        assert (cut(ours, matrix) - theirs).abs().max() <= 1e-5 * theirs.abs().max().clamp(min=1), matrix.name


def test_several_targets_a_row_have_their_slopes_added(saved):
    model = transformer(saved("llama").folder)
    adapter = trained_adapter(model.config)
    example = texts([20], model.config.vocab_size)[0]
    wide = Example(example.tokens, torch.randint(0, model.config.vocab_size, (20, 3)).numpy())
    slopes = torch.randn(60)
    reference, parameters = peft_model(VARIANT["llama"].build(), adapter)
    weighed(reference, wide, slopes).backward()
    ours = gradients_of(model, [wide], [slopes], adapter)
    for matrix in adapter.layout.matrices:
        assert (cut(ours, matrix) - parameters[matrix.name].grad).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["qwen3_moe", "qwen3_moe step 2", "llama tied", "qwen3 tied"])
def test_gradients_are_the_slopes_of_the_logprobs(saved, name):
    """By central differences: peft has no experts like these, and ties the head's adapter."""
    model = transformer(saved(name).folder)
    adapter = trained_adapter(model.config)
    examples = texts([24, 9], model.config.vocab_size)
    slopes = [torch.randn(24), torch.randn(9)]
    ours = gradients_of(model, examples, slopes, adapter)
    for matrix in adapter.layout.matrices:
        direction = torch.zeros_like(adapter.flat)
        cut(direction, matrix)[:] = torch.randn(matrix.shape)
        direction /= direction.norm()
        step = 3e-3
        ends = [
            sum(
                (lp.double() * s).sum()
                for lp, s in zip(
                    trained_logprobs(model, examples, moved(adapter, sign * step, direction)),
                    slopes,
                    strict=True,
                )
            )
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        scale = max(1.0, float(cut(ours, matrix).norm()))
        assert abs(slope - (ours * direction).sum()) < 2e-2 * scale, matrix.name


def moved(adapter, length, direction):
    return type(adapter)(adapter.layout, adapter.flat + length * direction)


def test_long_texts_and_many_scores_are_done_in_parts_with_the_same_gradients(saved, monkeypatch):
    from reference_engine import attention, passes

    model = transformer(saved("llama").folder)
    adapter = trained_adapter(model.config)
    examples = texts([150, 20], model.config.vocab_size)
    slopes = [torch.randn(150), torch.randn(20)]
    whole = gradients_of(model, examples, slopes, adapter)
    monkeypatch.setattr(attention, "KEPT_SCORES", 1)
    monkeypatch.setattr(attention, "MOST_SCORES", 150 * 300)
    monkeypatch.setattr(passes, "KEPT_SCORES", 1)
    monkeypatch.setattr(passes, "CHUNK_SCORES", 1)
    assert torch.allclose(gradients_of(model, examples, slopes, adapter), whole, rtol=1e-4, atol=1e-4)
