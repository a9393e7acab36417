import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.ids import (
    LONGEST_CONTEXT,
    ParsedCheckpointTinkerPath,
    model_id_of,
    sampling_session_id_of,
    split_base_model,
    tinker_path,
)

names = st.text(st.characters(exclude_characters="/", codec="utf-8"), min_size=1)
kinds = st.sampled_from(["training", "sampler", "external"])


@given(names, kinds, names)
def test_a_path_is_read_back_as_it_was_written(run, kind, name):
    parsed = ParsedCheckpointTinkerPath.from_tinker_path(tinker_path(run, kind, name))
    assert (parsed.training_run_id, parsed.checkpoint_type, parsed.name) == (run, kind, name)


def test_a_checkpoint_id_is_segment_and_name():
    parsed = ParsedCheckpointTinkerPath.from_tinker_path("tinker://s:train:0/sampler_weights/0001")
    assert (parsed.checkpoint_id, parsed.checkpoint_type) == ("sampler_weights/0001", "sampler")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "weights/0001",
        "http://run/weights/0001",
        "tinker://run/weights",
        "tinker://run/weights/a/b",
        "tinker:///weights/0001",
        "tinker://run/weights/",
        "tinker://run/checkpoints/0001",
    ],
)
def test_anything_else_is_no_path(path):
    expected = r"expected tinker://<training run>/weights\|sampler_weights\|external_weights/<name>, got "
    with pytest.raises(ValueError, match=expected) as caught:
        ParsedCheckpointTinkerPath.from_tinker_path(path)
    assert repr(path) in str(caught.value)


@pytest.mark.sdk
@given(names, kinds, names)
@settings(derandomize=True, deadline=None)
def test_the_sdk_reads_our_paths_as_we_do(run, kind, name):
    from tinker import types

    path = tinker_path(run, kind, name)
    theirs = types.ParsedCheckpointTinkerPath.from_tinker_path(path)
    assert theirs.model_dump() == ParsedCheckpointTinkerPath.from_tinker_path(path).model_dump()


def test_models_and_samplers_are_numbered_in_their_session():
    assert model_id_of("s", 2) == "s:train:2"
    assert sampling_session_id_of("s", 0) == "s:sample:0"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Qwen/Qwen3-8B", ("Qwen/Qwen3-8B", None)),
        ("Qwen/Qwen3-8B:peft:131072", ("Qwen/Qwen3-8B", 131072)),
        ("a:b", ("a:b", None)),
        ("a:b:peft:1", ("a:b", 1)),
        ("", ("", None)),
    ],
)
def test_a_base_model_may_ask_for_a_context_length(name, parts):
    assert split_base_model(name) == parts


@pytest.mark.parametrize(
    "length", ["", "x", "0", "-1", "1.5", "\u0661", str(LONGEST_CONTEXT + 1), "9" * 5000]
)
def test_a_context_length_is_a_number_that_can_be(length):
    with pytest.raises(
        ValueError, match="base_model: expected NAME:peft:LENGTH with a length of 1 to 16777216"
    ):
        split_base_model(f"a:peft:{length}")
