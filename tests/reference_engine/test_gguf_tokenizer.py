import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from reference_engine.gguf_tokenizer import read_gguf_tokenizer
from reference_engine.loading import load_model, load_tokenizer
from tests.reference_engine.byte_tokenizers import byte_level
from tests.reference_engine.gguf_writing import write_gguf

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
DIGITS = [("1", "2"), ("12", "3"), ("123", "4"), ("1234", "5")]
WORDS = [("'", "L"), ("'L", "L"), ("Ġ", "a")]
MERGES = [*DIGITS, *WORDS]
TOKENS = [*LETTERS, *("".join(pair) for pair in MERGES), "<|im_end|>", "<tool>", "hello"]
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4


def metadata(pre="gpt-2", **changes):
    types = {"<|im_end|>": CONTROL, "<tool>": USER_DEFINED}
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": [types.get(token, NORMAL) for token in TOKENS],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in MERGES],
        "tokenizer.chat_template": "{{ messages }}",
    } | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}


def made(pre="gpt-2", **changes):
    return read_gguf_tokenizer("model.gguf", metadata(pre, **changes).get)


def pieces(text, pre):
    return [TOKENS[token] for token in made(pre).encode(text)]


@pytest.mark.parametrize(
    ("pre", "expected"),
    [
        ("gpt-2", ["12345"]),
        ("smollm", ["1", "2", "3", "4", "5"]),
        ("qwen2", ["1", "2", "3", "4", "5"]),
        ("llama-bpe", ["123", "4", "5"]),
    ],
)
def test_digits_are_grouped_as_the_kind_does(pre, expected):
    assert pieces("12345", pre) == expected


@pytest.mark.parametrize(
    ("pre", "expected"),
    [("gpt-2", ["'", "L", "L"]), ("qwen2", ["'LL"]), ("llama-bpe", ["'LL"])],
)
def test_contractions_in_capitals_are_words_of_the_newer_kinds(pre, expected):
    assert pieces("I'LL", pre) == ["I", *expected]


@pytest.mark.parametrize("pre", ["gpt-2", "smollm", "llama-bpe"])
@given(text=st.text())
def test_text_comes_back(pre, text):
    tokenizer = made(pre)

    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_qwens_tokenizer_composes_text():
    assert made("qwen2").decode(made("qwen2").encode("e\N{COMBINING ACUTE ACCENT}")) == "é"


def test_llamas_tokenizer_takes_a_word_that_is_a_token_whole():
    assert pieces("hello", "llama-bpe") == ["hello"]
    assert pieces("hello", "qwen2") == list("hello")


def test_control_and_user_tokens_are_found_in_the_text():
    assert pieces("a<|im_end|><tool>", "gpt-2") == ["a", "<|im_end|>", "<tool>"]
    assert made().decode([TOKENS.index("<|im_end|>")]) == "<|im_end|>"


def test_a_file_gives_its_tokenizer_and_chat_template(saved, tmp_path):
    write_gguf(tmp_path / "model.gguf", saved("llama").model, metadata=metadata())
    model = load_model(tmp_path, saved("llama").model.dtype)

    assert model.tokenizer.encode(" a<tool>") == [TOKENS.index("Ġa"), TOKENS.index("<tool>")]
    assert model.tokenizer.chat_template == "{{ messages }}"


def test_a_tokenizer_beside_the_file_is_preferred(saved, tmp_path):
    write_gguf(tmp_path / "model.gguf", saved("llama").model, metadata=metadata(model="llama"))
    byte_level().save(str(tmp_path / "tokenizer.json"))

    assert load_tokenizer(tmp_path / "model.gguf").vocab_size == 257


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": "llama"},
            "expected tokenizer.ggml.model 'gpt2', got 'llama'; put the model's tokenizer.json",
        ),
        (
            {"pre": "tekken"},
            "tokenizer.ggml.pre to be one of 'gpt-2', 'smollm', .* got 'tekken'; put the model",
        ),
        ({"pre": None}, "tokenizer.ggml.pre to be one of .* got None"),
        ({"merges": ["x y"]}, "expected merges of its tokens, got"),
        ({"tokens": None}, "expected merges of its tokens, got"),
    ],
    ids=str,
)
def test_a_tokenizer_of_another_kind_is_refused(changes, message):
    with pytest.raises(ValueError, match=f"^model.gguf: .*{message}"):
        made(**{"pre": "gpt-2"} | changes)
