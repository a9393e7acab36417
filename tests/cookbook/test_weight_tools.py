"""An archive of the engine through tinker-cookbook's weight tools: the merged model says the same."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reference_engine.peft_files import peft_files
from reference_engine.tensor_files import read_tensors
from tests.cookbook.recipes import python
from tests.reference_engine.adapters import adapter_logits, loaded, weights_on, without_adapter
from tests.reference_engine.families import VARIANT, Variant
from tests.sdk.environments import run_script

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "weight_tools.py"
ADAPTER = "adapter_model.safetensors"
TOKENS = torch.arange(24) * 7 % 96
MIXTURE = Variant(
    "mixture",
    "Qwen3Moe",
    {"head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
)
CASES = [
    (VARIANT["llama"], {}),
    (VARIANT["llama"], {"train_unembed": False}),
    pytest.param(VARIANT["qwen3"], {}, marks=pytest.mark.slice),
    (VARIANT["qwen3 tied"], {"train_unembed": False}),
    (VARIANT["qwen3_moe"], {}),
    (MIXTURE, {}),
]


@pytest.fixture
def tools(tmp_path):
    """What the cookbook makes of an adapter on a model of a variant, and what the engine says."""

    def run(variant, **parts):
        variant.build().save_pretrained(tmp_path / "model")
        model = loaded(tmp_path / "model")
        weights = weights_on(model.config, moments=False, **parts)
        (tmp_path / "adapter").mkdir()
        for name, content in weights.files().items():
            (tmp_path / "adapter" / name).write_bytes(content)
        (tmp_path / "out").mkdir()
        arguments = [str(tmp_path / "model"), str(tmp_path / "adapter"), str(tmp_path / "out")]
        told = run_script(python(), SCRIPT, {"HF_HUB_OFFLINE": "1"}, *arguments, json.dumps(TOKENS.tolist()))
        return model, weights, told

    return run


def logprobs(model, weights):
    return adapter_logits(model, weights, TOKENS).log_softmax(-1)


@pytest.mark.parametrize(("variant", "parts"), CASES, ids=lambda case: getattr(case, "name", ""))
def test_a_merged_model_has_the_engines_logprobs(tools, variant, parts):
    model, weights, told = tools(variant, **parts)
    mine = logprobs(model, weights)

    assert (mine - logprobs(model, without_adapter(weights))).abs().max() > 0.05
    for strategy in ("full", "shard"):
        torch.testing.assert_close(torch.tensor(told[strategy]), mine, rtol=0, atol=1e-5)


def test_the_cookbook_cannot_merge_the_head_of_a_tied_model(tools):
    """It adds the head's adapter to the embedding, which is both: the inputs change too."""
    model, weights, told = tools(VARIANT["qwen3 tied"])
    assert (torch.tensor(told["full"]) - logprobs(model, weights)).abs().max() > 0.05


@pytest.mark.parametrize("variant", [VARIANT["llama"], MIXTURE], ids=lambda variant: variant.name)
def test_the_cookbooks_files_for_peft_are_ours(tools, variant):
    _, weights, told = tools(variant)
    theirs = load_file(Path(told["peft"]) / ADAPTER)
    ours = read_tensors(peft_files(weights.files())[ADAPTER])

    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)
    config = json.loads((Path(told["peft"]) / "adapter_config.json").read_text())
    made = json.loads(peft_files(weights.files())["adapter_config.json"])
    assert config["target_modules"] == made["target_modules"]
