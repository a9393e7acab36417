import base64
import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.inputs import (
    DTYPE_OF_KEY,
    Datum,
    DmelChunk,
    EncodedTextChunk,
    ImageAssetPointerChunk,
    ImageChunk,
    ModelInput,
    PromptProvenanceSpan,
    SampledProvenanceSpan,
)
from contract.tensors import TensorData

tokens = st.lists(st.integers(0, 2**31))


@given(st.lists(tokens))
def test_the_tokens_of_all_text_chunks_are_the_prompt(runs):
    prompt = ModelInput(chunks=[EncodedTextChunk(tokens=run) for run in runs])
    assert prompt.to_ints() == [token for run in runs for token in run]
    assert prompt.length == len(prompt.to_ints())


def test_a_prompt_is_built_from_numbers():
    prompt = ModelInput.from_ints([1, 2]).append_int(3).append(EncodedTextChunk(tokens=[4, 5]))
    assert prompt.to_ints() == [1, 2, 3, 4, 5]
    assert [chunk.length for chunk in prompt.chunks] == [2, 1, 2]


def test_an_empty_prompt_has_no_chunks():
    assert ModelInput.empty().length == 0


def test_an_image_has_no_tokens_to_give():
    image = ImageChunk(data=b"x", format="png", expected_tokens=3)
    with pytest.raises(ValueError, match="to_ints: expected only encoded_text chunks, got 'image'"):
        ModelInput(chunks=[image]).to_ints()


@pytest.mark.parametrize(
    ("chunk", "what"),
    [
        (ImageChunk(data=b"", format="jpeg"), "image chunk"),
        (ImageAssetPointerChunk(location="a.png", format="png"), "image asset pointer chunk"),
    ],
)
def test_an_image_takes_as_many_tokens_as_it_advises(chunk, what):
    assert chunk.model_copy(update={"expected_tokens": 7}).length == 7
    with pytest.raises(ValueError, match=f"^{what}: expected expected_tokens to be set, got none"):
        _ = chunk.length


@given(st.binary())
def test_bytes_are_base64_text_in_json_and_bytes_elsewhere(data):
    image = ImageChunk(data=data, format="png")
    assert base64.b64decode(image.model_dump(mode="json")["data"]) == data
    assert image.model_dump()["data"] == data
    audio = DmelChunk(dmel=data)
    assert [type(audio).model_validate_json(audio.model_dump_json()), audio.dmel] == [audio, data]


@pytest.mark.parametrize(("kind", "field"), [(ImageChunk, "data"), (DmelChunk, "dmel")])
def test_text_that_is_not_base64_is_refused(kind, field):
    with pytest.raises(ValidationError, match="expected base64 text, got 3 characters"):
        kind.model_validate({field: "a?b", "format": "png"})


@pytest.mark.parametrize("value", [None, 0, [], {}], ids=repr)
@pytest.mark.parametrize(("kind", "field"), [(ImageChunk, "data"), (DmelChunk, "dmel")])
def test_what_is_neither_text_nor_bytes_is_refused_at_its_place(kind, field, value):
    with pytest.raises(ValidationError) as refused:
        kind.model_validate({field: value, **({"format": "png"} if kind is ImageChunk else {})})
    assert [(error["loc"], error["type"]) for error in refused.value.errors()] == [((field,), "bytes_type")]


@pytest.mark.parametrize(
    ("container", "length"),
    [(b"\x00\x01\x05", 5), (b"\x07\x02\x80\x01\x03", 128), (b"\xfe\x00\x01\x05", 5)],
)
def test_audio_takes_as_many_tokens_as_its_container_has_rows(container, length):
    assert DmelChunk(dmel=container).length == length


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (b"", "expected a tensor container, got 0 bytes of another form"),
        (b"\xfe", "expected a tensor container, got 1 bytes of another form"),
        (b"\x08\x01\x05", "expected a tensor container, got 3 bytes of another form"),
        (b"\x00", "expected a whole tensor container header, got a truncated one"),
        (b"\x00\x01\x80", "expected a whole tensor container header, got a truncated one"),
        (b"\x00\x00", "expected a tensor of at least one dimension, got a scalar"),
    ],
)
def test_a_broken_container_has_no_length(container, message):
    with pytest.raises(ValueError, match=f"dmel: {message}"):
        _ = DmelChunk(dmel=container).length


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        ({"tokens": [1]}, EncodedTextChunk),
        ({"data": "", "format": "png"}, ImageChunk),
        ({"location": "a", "format": "png"}, ImageAssetPointerChunk),
        ({"dmel": ""}, DmelChunk),
        ({"tokens": [1], "type": "encoded_text"}, EncodedTextChunk),
    ],
)
def test_a_chunk_without_a_type_is_known_by_its_fields(chunk, kind):
    assert isinstance(ModelInput.model_validate({"chunks": [chunk]}).chunks[0], kind)


@pytest.mark.parametrize("chunk", [{}, {"type": 1}, {"type": "video"}, 3])
def test_a_chunk_of_no_known_kind_is_refused(chunk):
    with pytest.raises(ValidationError, match=r"chunks\.0"):
        ModelInput.model_validate({"chunks": [chunk]})


def test_loss_inputs_are_converted_by_key():
    array = np.array([1.5], dtype=np.float64)
    inputs = {"target_tokens": [1], "weights": array, "ready": TensorData(data=[1], dtype="int64")}
    datum = Datum(model_input=ModelInput.from_ints([1]), loss_fn_inputs=inputs)
    assert [tensor.dtype for tensor in datum.loss_fn_inputs.values()] == ["int64", "float32", "int64"]


def test_a_torch_tensor_among_the_loss_inputs_is_converted(monkeypatch):
    torch = ModuleType("torch")
    torch.Tensor = type("Tensor", (), {"__module__": "torch"})
    torch.Tensor.detach = torch.Tensor.cpu = lambda self: self
    torch.Tensor.is_floating_point = lambda _: False
    torch.Tensor.numpy = lambda _: np.array([4, 5])
    monkeypatch.setitem(sys.modules, "torch", torch)
    datum = Datum(model_input=ModelInput.empty(), loss_fn_inputs={"target_tokens": torch.Tensor()})
    assert datum.loss_fn_inputs["target_tokens"].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"novelty": [1]},
            r"loss_fn_inputs\['novelty'\]: expected an array or TensorData, got a list; lists are",
        ),
        (
            {"weights": [[1.0], [1.0, 2.0]]},
            r"loss_fn_inputs\['weights'\]: expected a rectangular list of numbers",
        ),
        ({"weights": ["a"]}, r"loss_fn_inputs\['weights'\]: expected a rectangular list of numbers"),
        ({"target_tokens": [2**64]}, r"loss_fn_inputs\['target_tokens'\]: expected a rectangular list"),
        ({"weights": "text"}, "weights"),
        ("text", "loss_fn_inputs"),
    ],
)
def test_loss_inputs_of_another_form_are_refused(inputs, message):
    with pytest.raises(ValidationError, match=message):
        Datum.model_validate({"model_input": {"chunks": []}, "loss_fn_inputs": inputs})


def test_a_datum_is_not_made_of_something_else():
    with pytest.raises(ValidationError, match="Datum"):
        Datum.model_validate(3)


def test_the_target_shape_is_that_of_the_target_tokens():
    prompt = ModelInput.from_ints([1, 2])
    assert Datum(model_input=prompt).target_shape is None
    assert Datum(model_input=prompt, loss_fn_inputs={"target_tokens": [[1], [2]]}).target_shape == (2, 1)


PROMPT = {"sequence_id": "a", "length": 1}
SAMPLED = {"sequence_id": "a", "offset": 3, "length": 1}


def with_spans(inputs, targets, target_tokens):
    return Datum(
        model_input=ModelInput.from_ints([1, 2]),
        loss_fn_inputs={"target_tokens": target_tokens},
        model_input_spans=inputs,
        loss_fn_input_spans=targets,
    )


@pytest.mark.parametrize("target_tokens", [[1, 2], [[1], [2]]])
def test_spans_tile_the_input_and_its_targets(target_tokens):
    spans = [PromptProvenanceSpan(**PROMPT), SampledProvenanceSpan(**SAMPLED)]
    datum = with_spans(spans, spans, target_tokens)
    assert [span.offset for span in datum.model_input_spans] == [0, 3]


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (2, None, "provenance spans: expected both lists or neither, got one"),
        (None, 2, "provenance spans: expected both lists or neither, got one"),
        (1, 2, "model_input_spans: expected spans that cover 2 positions, got 1"),
        (2, 3, "loss_fn_input_spans: expected spans that cover 2 positions, got 3"),
    ],
)
def test_spans_that_do_not_fit_are_refused(inputs, targets, message):
    def of(count):
        return count and [SampledProvenanceSpan(**SAMPLED)] * count

    with pytest.raises(ValidationError, match=message):
        with_spans(of(inputs), of(targets), [1, 2])


@pytest.mark.sdk
@pytest.mark.parametrize("key", sorted(DTYPE_OF_KEY))
def test_a_list_gets_the_dtype_that_the_sdk_gives_it(key):
    from tinker import types

    prompt = types.ModelInput.from_ints([1])
    theirs = types.Datum(model_input=prompt, loss_fn_inputs={key: [1]}).loss_fn_inputs[key]
    assert theirs.dtype == DTYPE_OF_KEY[key]
