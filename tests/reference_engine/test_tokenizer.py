import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_engine.loading import load_tokenizer
from reference_engine.tokenizer import MOST_UNFINISHED, read_tokenizer
from tests.reference_engine.byte_tokenizers import END, KINDS, byte_level

BYTES = KINDS["byte level"]


@pytest.fixture
def folder(tmp_path):
    byte_level().save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@given(st.text())
def test_text_comes_back_from_its_tokens(text):
    assert BYTES.decode(BYTES.encode(text)) == text


def test_special_tokens_are_found_in_text_and_shown_again():
    assert BYTES.encode(f"a{END}")[1:] == [256]
    assert BYTES.decode([256]) == END


def test_a_folders_tokenizer_adds_no_token_pads_nothing_and_cuts_nothing(tmp_path):
    backend = byte_level()
    backend.enable_padding(length=8)
    backend.enable_truncation(2)
    backend.save(str(tmp_path / "tokenizer.json"))

    assert len(read_tokenizer(tmp_path).encode("abc")) == 3


def test_a_folder_without_a_tokenizer_has_none(tmp_path):
    assert load_tokenizer(tmp_path) is None


def test_a_tokenizer_says_how_many_tokens_it_knows(folder):
    assert load_tokenizer(folder).vocab_size == 257


def test_a_broken_tokenizer_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")

    with pytest.raises(ValueError, match=r"tokenizer.json: expected a tokenizer, got .*; is the file whole"):
        read_tokenizer(tmp_path)


def test_a_chat_template_has_a_file_of_its_own_or_stands_in_the_config(folder):
    assert read_tokenizer(folder).chat_template is None
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps({"chat_template": "{{ a }}"}))
    assert read_tokenizer(folder).chat_template == "{{ a }}"
    (folder / "chat_template.jinja").write_text("{{ b }}")
    assert read_tokenizer(folder).chat_template == "{{ b }}"


@pytest.mark.parametrize(("name", "template"), [("default", "{{ a }}"), ("tools", None)])
def test_of_several_chat_templates_the_default_one_is_taken(folder, name, template):
    several = {"chat_template": [{"name": name, "template": "{{ a }}"}]}
    (folder / "tokenizer_config.json").write_text(json.dumps(several))

    assert read_tokenizer(folder).chat_template == template


@given(tokens=st.lists(st.integers(0, 256), max_size=30))
def test_streamed_text_is_the_text_of_all_tokens_whatever_their_bytes(tokens):
    stream = BYTES.stream()
    pieces = [stream.push(token) for token in tokens]

    assert "".join(pieces) == stream.text
    assert len(stream.text) >= len(BYTES.decode(tokens)) - MOST_UNFINISHED
    assert stream.text + stream.finish() == BYTES.decode(tokens)


@given(parts=st.lists(st.text(max_size=5) | st.integers(256, 259), max_size=10))
def test_streamed_text_is_the_text_of_all_tokens_where_bytes_are_spelled_out(parts):
    tokenizer = KINDS["byte fallback"]
    tokens = [token for part in parts for token in (part.encode() if isinstance(part, str) else [part])]
    stream = tokenizer.stream()
    for token in tokens:
        stream.push(token)

    assert stream.text + stream.finish() == tokenizer.decode(tokens)


def test_a_broken_byte_among_spelled_out_ones_does_not_take_back_what_was_given():
    stream = KINDS["byte fallback"].stream()

    assert [stream.push(token) for token in (*b"a", 0x80, 256)] == ["a", "", "\N{REPLACEMENT CHARACTER} sea"]


@pytest.mark.parametrize("tokenizer", KINDS.values(), ids=KINDS)
def test_a_character_shows_when_its_last_byte_is_there(tokenizer):
    stream = tokenizer.stream()
    byte = {"byte level": BYTES.encode("🙂"), "byte fallback": list("🙂".encode())}
    tokens = next(tokens for kind, tokens in byte.items() if KINDS[kind] is tokenizer)

    assert [stream.push(token) for token in tokens] == ["", "", "", "🙂"]
    assert stream.finish() == ""


def test_a_word_keeps_its_space_unless_it_is_the_first():
    stream = KINDS["byte fallback"].stream()

    assert [stream.push(token) for token in (256, 258, 259, 256)] == ["sea", "shell", "s", " sea"]


def test_two_streams_of_a_tokenizer_do_not_mix():
    one, other = BYTES.stream(), BYTES.stream()
    first, *_ = BYTES.encode("🙂")
    one.push(first)

    assert other.push(256) == END
