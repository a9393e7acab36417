import json

import pytest

from reference_engine.config import Experts, ModelConfig, RopeScaling
from reference_engine.loading import read_config
from tests.reference_engine.families import LLAMA3, VARIANTS

SMALL = {
    "model_type": "llama",
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
SMALL_MOE = SMALL | {"model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 2}


@pytest.fixture
def folder(tmp_path):
    """A folder of which a test writes the files."""

    def write(config=None, **files):
        for name, content in {"config": config or SMALL, **files}.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        return tmp_path

    return write


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_config_says_what_transformers_reads_in_it(saved, variant):
    theirs, ours = saved(variant.name).model.config, read_config(saved(variant.name).folder)

    assert ours.arch == theirs.model_type
    assert ours.vocab_size == theirs.vocab_size
    assert ours.hidden_size == theirs.hidden_size
    assert ours.intermediate_size == theirs.intermediate_size
    assert ours.num_layers == theirs.num_hidden_layers
    assert ours.num_heads == theirs.num_attention_heads
    assert ours.num_kv_heads == theirs.num_key_value_heads
    assert ours.max_context_length == theirs.max_position_embeddings
    assert ours.norm_eps == theirs.rms_norm_eps
    assert ours.rope_theta == theirs.rope_parameters["rope_theta"]
    assert ours.tied_head == theirs.tie_word_embeddings


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_heads_norms_and_biases_are_those_of_the_modules(saved, variant):
    model, ours = saved(variant.name).model, read_config(saved(variant.name).folder)
    attention = model.model.layers[0].self_attn

    assert ours.head_dim == attention.head_dim
    assert ours.qkv_bias == (attention.q_proj.bias is not None)
    assert ours.qk_norm == hasattr(attention, "q_norm")
    assert [index in (ours.experts.layers if ours.experts else ()) for index in range(ours.num_layers)] == [
        hasattr(layer.mlp, "experts") for layer in model.model.layers
    ]


def test_experts_are_read_in_both_spellings(saved, folder):
    assert read_config(saved("qwen3_moe").folder).experts == Experts(4, 2, 24, True, (0, 2))
    assert read_config(folder(SMALL_MOE)).experts == Experts(4, 2, 768, False, (0, 1))


def test_a_mixture_without_a_sparse_layer_is_dense(folder):
    assert read_config(folder(SMALL_MOE | {"mlp_only_layers": [0, 1]})).experts is None


def test_the_smallest_llama_has_the_familys_defaults(folder):
    assert read_config(folder()) == ModelConfig(
        arch="llama",
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_layers=2,
        num_heads=4,
        num_kv_heads=4,
        head_dim=8,
        max_context_length=2048,
    )


@pytest.mark.parametrize("key", ["rope_parameters", "rope_scaling"])
def test_llama_3_scaling_is_read_in_both_spellings(folder, key):
    scaling = {k: v for k, v in LLAMA3.items() if k != "rope_theta"}
    config = read_config(folder(SMALL | {"rope_theta": 5e5, key: scaling}))

    assert (config.rope_theta, config.rope_scaling) == (5e5, RopeScaling(8.0, 1.0, 4.0, 64))


def test_an_original_context_that_is_not_said_is_the_whole_one(folder):
    scaling = {k: v for k, v in LLAMA3.items() if not k.startswith("original")} | {"rope_theta": 1e4}

    assert read_config(folder(SMALL | {"rope_scaling": scaling})).rope_scaling.original_context == 2048
    config = SMALL | {"rope_scaling": scaling, "original_max_position_embeddings": 32}
    assert read_config(folder(config)).rope_scaling.original_context == 32


def test_the_oldest_spelling_of_no_scaling_is_read(folder):
    assert read_config(folder(SMALL | {"rope_scaling": {"type": "default"}})).rope_scaling is None
    assert read_config(folder(SMALL | {"rope_scaling": None, "rope_theta": 1e6})).rope_theta == 1e6


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            {"model_type": "gemma3"},
            "model_type to be one of 'llama', 'qwen2', .*, got \"gemma3\"; use a model",
        ),
        ({"rope_scaling": {"type": "yarn"}}, "type to be 'default' or 'llama3', got \"yarn\""),
        (
            {"rope_parameters": {"rope_type": "dynamic"}},
            "rope_parameters: expected rope_type to be .*dynamic",
        ),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, "'default' or 'llama3', got \"linear\""),
        ({"rope_scaling": LLAMA3 | {"factor": None}}, "expected factor to be a positive number, got null"),
        (
            {"rope_scaling": LLAMA3 | {"low_freq_factor": 4}},
            "high_freq_factor to be more than low.* 4, got 4",
        ),
        ({"rope_parameters": [1]}, "expected rope_parameters to be an object, got"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor to be 1, got 0.5"),
        ({"use_sliding_window": True}, "use_sliding_window to be false, got true; use a model without it"),
        ({"attention_bias": True}, "attention_bias to be false, got true"),
        ({"mlp_bias": True}, "mlp_bias to be false, got true"),
        ({"hidden_act": "gelu"}, "hidden_act to be 'silu', got \"gelu\""),
        ({"quantization_config": {"bits": 4}}, "floating point, got quantization_config; use the folder"),
        ({"hidden_size": None}, "hidden_size to be a whole number, got null"),
        ({"hidden_size": True}, "hidden_size to be a whole number of at least 1, got true"),
        ({"vocab_size": 0}, "vocab_size to be a whole number of at least 1, got 0"),
        ({"rms_norm_eps": -1}, "rms_norm_eps to be a positive number, got -1"),
        ({"tie_word_embeddings": "no"}, 'tie_word_embeddings to be true or false, got "no"'),
        ({"num_key_value_heads": 3}, "num_key_value_heads to be a divisor of num_attention_heads 4, got 3"),
        ({"head_dim": 7}, "head_dim to be even"),
        ({"eos_token_id": "end"}, "eos_token_id to be a whole number of at least 0, or a list"),
        (SMALL_MOE | {"num_experts_per_tok": 5}, "num_experts_per_tok to be at most num_experts 4, got 5"),
        (SMALL_MOE | {"mlp_only_layers": [-1]}, "mlp_only_layers to be a whole number of at least 0"),
    ],
    ids=str,
)
def test_what_the_engine_cannot_compute_is_refused_by_name(folder, setting, message):
    with pytest.raises(ValueError, match=f"config.json.*{message}"):
        read_config(folder(SMALL | setting))


def test_a_field_that_is_not_there_is_named(folder):
    with pytest.raises(ValueError, match="expected intermediate_size to be a whole number, got none; write"):
        read_config(folder({k: v for k, v in SMALL.items() if k != "intermediate_size"}))


@pytest.mark.parametrize(("content", "message"), [("{", "expected JSON, got .*whole"), ("[]", "got list")])
def test_a_config_that_is_no_json_object_is_refused(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)

    with pytest.raises(ValueError, match=message):
        read_config(tmp_path)


def test_generation_ends_where_its_own_file_says(folder):
    ends = folder(SMALL | {"eos_token_id": 2}, generation_config={"eos_token_id": [5, 3]})

    assert read_config(ends).end_of_text_ids == (5, 3)


def test_without_a_generation_config_the_config_says_where_text_ends(saved, folder):
    assert read_config(saved("llama3").folder).end_of_text_ids == (3, 5)
    assert read_config(folder(SMALL | {"eos_token_id": 2}, generation_config={})).end_of_text_ids == (2,)


@pytest.mark.parametrize("token", ["<end>", {"content": "<end>", "special": True}], ids=["text", "object"])
def test_the_tokenizers_end_token_ends_text_too(folder, token):
    ends = folder(
        SMALL | {"eos_token_id": [2, 9]},
        tokenizer_config={"eos_token": token, "added_tokens_decoder": {"9": {"content": "<end>"}}},
    )

    assert read_config(ends).end_of_text_ids == (2, 9)


@pytest.mark.parametrize(
    "tokenizer",
    [{"model": {"vocab": {"<end>": 9}}}, {"added_tokens": [{"id": 9, "content": "<end>"}], "model": {}}],
    ids=["vocabulary", "added"],
)
def test_the_end_tokens_number_is_looked_up_in_the_tokenizer(folder, tokenizer):
    ends = folder(tokenizer_config={"eos_token": "<end>"}, tokenizer=tokenizer)

    assert read_config(ends).end_of_text_ids == (9,)


@pytest.mark.parametrize("token", ["<other>", None])
def test_an_end_token_that_the_tokenizer_does_not_know_ends_nothing(folder, token):
    assert read_config(folder(tokenizer_config={"eos_token": token})).end_of_text_ids == ()


def test_ends_beyond_a_shrunken_vocabulary_are_left_out(folder):
    assert read_config(folder(SMALL | {"eos_token_id": [151_645, 2]})).end_of_text_ids == (2,)
