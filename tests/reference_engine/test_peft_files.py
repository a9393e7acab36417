"""Our files in peft, and peft's in the engine: the same scores."""

import json

import peft
import pytest
import torch

from fake_server.cli import main
from reference_engine.adapter_files import ADAPTER, CONFIG
from reference_engine.checkpoint_folders import write_folder
from reference_engine.checkpoints import read_weights
from reference_engine.peft_files import peft_files
from reference_engine.tensor_files import read_tensors, write_tensors
from tests.reference_engine.adapters import (
    NAME,
    adapter_logits,
    loaded,
    origin_of,
    weights_on,
    without_adapter,
)
from tests.reference_engine.families import VARIANT, Variant

MIXTURE = Variant(
    "mixture",
    "Qwen3Moe",
    {"head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
)
DENSE = ["llama", "qwen2", "qwen3", "qwen3 tied"]
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"]
TOKENS = torch.arange(24) * 7 % 96

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*pattern keys did not match any targeted module:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning"),
]


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """The folder of a model with experts in every layer."""
    folder = tmp_path_factory.mktemp("mixture")
    MIXTURE.build().save_pretrained(folder)
    return folder


@pytest.fixture
def in_peft(tmp_path):
    """The scores of peft's model with an adapter's files."""

    def scores(variant, files):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        model = peft.PeftModel.from_pretrained(variant.build(), tmp_path).eval()
        with torch.no_grad():
            return model(TOKENS[None]).logits[0]

    return scores


def check(model, weights, theirs):
    """The same scores, of which the adapter is a good part."""
    mine = adapter_logits(model, weights, TOKENS)
    plain = adapter_logits(model, without_adapter(weights), TOKENS)
    assert (mine - plain).abs().max() > 0.05
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.parametrize("name", DENSE)
def test_peft_reads_an_archive_without_a_head_as_it_is(saved, in_peft, name):
    model = loaded(saved(name).folder)
    weights = weights_on(model.config, train_unembed=False)
    check(model, weights, in_peft(VARIANT[name], weights.files()))


@pytest.mark.parametrize("name", DENSE)
def test_peft_reads_the_head_too_once_it_has_its_name(saved, in_peft, name):
    model = loaded(saved(name).folder)
    weights = weights_on(model.config)
    check(model, weights, in_peft(VARIANT[name], peft_files(weights.files())))


@pytest.mark.parametrize("parts", [{}, {"train_unembed": False}, {"train_attn": False}], ids=str)
def test_peft_reads_experts_once_each_has_its_own(mixture, in_peft, parts):
    model = loaded(mixture)
    weights = weights_on(model.config, **parts)
    check(model, weights, in_peft(MIXTURE, peft_files(weights.files())))


def test_peft_reads_a_mixture_with_dense_layers_where_only_attention_is_trained(saved, in_peft):
    model = loaded(saved("qwen3_moe").folder)
    weights = weights_on(model.config, train_mlp=False)
    check(model, weights, in_peft(VARIANT["qwen3_moe"], peft_files(weights.files())))


def test_peft_warns_of_an_archive_whose_head_it_does_not_find(saved, in_peft):
    weights = weights_on(loaded(saved("qwen3").folder).config)
    with pytest.warns(UserWarning, match="Found missing adapter keys .*lm_head"):
        in_peft(VARIANT["qwen3"], weights.files())


def test_experts_beside_dense_layers_are_refused(saved):
    weights = weights_on(loaded(saved("qwen3_moe").folder).config)
    with pytest.raises(ValueError, match="expected experts in all layers or in none, got both kinds; peft"):
        peft_files(weights.files())


def test_a_file_that_is_missing_is_named():
    with pytest.raises(ValueError, match=r"adapter_config.json: expected it among the files, got none"):
        peft_files({})


def test_an_optimizers_state_does_not_go_along(saved):
    files = weights_on(loaded(saved("qwen3").folder).config).files()
    assert set(peft_files(files)) == {CONFIG, ADAPTER}
    assert set(files) > set(peft_files(files))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_numbers_keep_their_type(mixture, dtype):
    files = weights_on(loaded(mixture).config).files()
    half = {name: tensor.to(dtype) for name, tensor in read_tensors(files[ADAPTER]).items()}
    made = read_tensors(peft_files({**files, ADAPTER: write_tensors(half, {})})[ADAPTER])
    whole = read_tensors(peft_files(files)[ADAPTER])
    assert made.keys() == whole.keys()
    assert all(torch.equal(tensor, whole[name].to(dtype)) for name, tensor in made.items())


def test_the_command_writes_them(saved, tmp_path, capsys):
    weights = weights_on(loaded(saved("qwen3").folder).config)
    write_folder(weights, tmp_path / "0001")
    out = tmp_path / "out"
    assert main(["export", str(tmp_path / "0001"), "--format", "peft", "--out", str(out)]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == peft_files(weights.files())
    assert capsys.readouterr().out.split() == [str(out / CONFIG), str(out / ADAPTER)]


def test_an_adapter_with_its_head_under_pefts_name_is_read_back(saved):
    config = loaded(saved("qwen3").folder).config
    weights = weights_on(config)
    read = read_weights(peft_files(weights.files()), origin_of(config))

    assert read.layout == weights.layout
    assert torch.equal(read.flat, weights.flat)
    assert (read.base_hash, read.seed, read.moments) == ("", None, None)


@pytest.mark.parametrize(("name", "alpha"), [("qwen3", 32), ("qwen3 tied", 8), ("llama", 5), ("qwen2", 64)])
def test_an_adapter_that_peft_made_computes_the_same_whatever_its_scale(saved, tmp_path, name, alpha):
    model = loaded(saved(name).folder)
    torch.manual_seed(0)
    settings = peft.LoraConfig(r=4, lora_alpha=alpha, target_modules=MODULES, init_lora_weights=False)
    made = peft.get_peft_model(VARIANT[name].build(), settings).eval()
    made.peft_config["default"].base_model_name_or_path = NAME
    made.save_pretrained(tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert json.loads(files[CONFIG])["lora_alpha"] == alpha

    weights = read_weights(files, origin_of(model.config))
    with torch.no_grad():
        check(model, weights, made(TOKENS[None]).logits[0])
