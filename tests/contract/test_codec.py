import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contract import (
    BadRequest,
    CreateCustomLossRequest,
    CreateModelRequest,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    GetInfoRequest,
    OptimStepRequest,
    OptimStepResponse,
    SampledSequence,
    SampleRequest,
    SampleResponse,
    TensorData,
    Unprocessable,
    UnsupportedMediaType,
)
from contract.codec import (
    JSON,
    PROTOBUF,
    decode,
    encode,
    media_type_of,
    unknown_fields,
)
from tests.contract.values import REPEATABLE, outputs, requests, responses, said, show, singles

NAN, INFINITY = float("nan"), float("inf")
PROMPT = {"chunks": [{"type": "encoded_text", "tokens": [1]}]}


def sample_body(**fields) -> bytes:
    return json.dumps({"prompt": PROMPT, "sampling_params": {}, **fields}).encode()


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        ("application/json", JSON),
        ("Application/JSON; charset=utf-8", JSON),
        (" application/x-protobuf ;v=1", PROTOBUF),
        ("", ""),
    ],
)
def test_a_media_type_has_no_parameters_and_no_case(header, media_type):
    assert media_type_of(header) == media_type


@pytest.mark.parametrize(
    ("type_", "media_type", "text"),
    [
        (
            SampleRequest,
            PROTOBUF,
            "expected application/json for SampleRequest, got 'application/x-protobuf'",
        ),
        (
            SampleResponse,
            "text/html",
            "expected application/json or application/x-protobuf for SampleResponse",
        ),
    ],
)
def test_another_media_type_is_refused_and_the_right_ones_are_named(type_, media_type, text):
    with pytest.raises(UnsupportedMediaType, match=said(f"content-type: {text}")):
        decode(type_, b"", media_type)


def test_a_value_without_a_protobuf_form_is_not_written_as_protobuf():
    with pytest.raises(UnsupportedMediaType, match="expected application/json for GetInfoRequest"):
        encode(GetInfoRequest(model_id="m"), PROTOBUF)


@REPEATABLE
@given(st.one_of(requests(with_spans=False), outputs(), responses))
def test_json_and_protobuf_carry_the_same_value(value):
    kind = type(value)
    from_json = decode(kind, encode(value, JSON), JSON)
    assert show(from_json) == show(decode(kind, encode(value, PROTOBUF), PROTOBUF)) == show(value)


def no_literal(name: str) -> None:
    raise AssertionError(f"expected no {name} in JSON")


@REPEATABLE
@given(
    outputs(st.floats() | singles)
    | st.builds(OptimStepResponse, metrics=st.dictionaries(st.text(max_size=3), st.floats(), max_size=3))
    | st.builds(
        SampledSequence, stop_reason=st.just("stop"), tokens=st.just([]), logprobs=st.lists(st.floats())
    )
)
def test_json_has_no_literal_that_is_not_finite(value):
    json.loads(encode(value, JSON), parse_constant=no_literal)


def test_metrics_that_are_not_finite_are_left_out_of_json():
    metrics = {"a:sum": NAN, "b:sum": 1.0, "c:sum": -INFINITY}
    assert encode(OptimStepResponse(metrics=metrics), JSON) == b'{"metrics":{"b:sum":1.0}}'
    assert encode(OptimStepResponse(), JSON) == b"{}"
    assert metrics.keys() == {"a:sum", "b:sum", "c:sum"}


def test_logprobs_that_are_not_finite_are_null_in_json():
    response = SampleResponse(sequences=[], prompt_logprobs=[None, NAN, -INFINITY, -1.0])
    assert json.loads(encode(response, JSON))["prompt_logprobs"] == [None, None, None, -1.0]


def test_a_sample_in_json_is_what_clients_up_to_0_24_1_read():
    response = SampleResponse(
        sequences=[SampledSequence(stop_reason="length", tokens=[5], logprobs=[-0.5])],
        prompt_logprobs=[None, -1.0],
        topk_prompt_logprobs=[None, [(7, -0.25), (8, -2.0)]],
    )
    assert encode(response, JSON) == (
        b'{"sequences":[{"stop_reason":"length","tokens":[5],"logprobs":[-0.5]}],'
        b'"prompt_logprobs":[null,-1.0],"topk_prompt_logprobs":[null,[[7,-0.25],[8,-2.0]]],'
        b'"prompt_cache_hit_tokens":0,"type":"sample"}'
    )


def test_an_output_in_json_is_what_clients_up_to_0_24_1_read():
    output = ForwardBackwardOutput(
        loss_fn_output_type="ArrayRecord",
        loss_fn_outputs=[{"logprobs": TensorData(data=[-1.0], dtype="float32", shape=[1])}],
        metrics={"loss:sum": 1.0},
    )
    assert encode(output, JSON) == (
        b'{"loss_fn_output_type":"ArrayRecord",'
        b'"loss_fn_outputs":[{"logprobs":{"data":[-1.0],"dtype":"float32","shape":[1]}}],'
        b'"metrics":{"loss:sum":1.0}}'
    )


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a":1}x', b"[" * 1000])
def test_a_body_that_is_not_json_is_a_bad_request_that_says_where(body):
    text = f"body: expected JSON, got {len(body)} bytes that are not: .* at line 1 column"
    with pytest.raises(BadRequest, match=said(text)):
        decode(SampleRequest, body, JSON)


DATUM = {"model_input": PROMPT, "loss_fn_inputs": {}}


def training_body(**datum) -> bytes:
    batch = {"data": [DATUM, {**DATUM, **datum}], "loss_fn": "x"}
    return json.dumps({"forward_backward_input": batch, "model_id": "m"}).encode()


def chunk_body(**chunk) -> bytes:
    return sample_body(prompt={"chunks": [chunk]})


SECOND = "forward_backward_input.data[1]"
FAULTS = {
    "body: expected an object, got a list of 2": (SampleRequest, b"[1,2]"),
    "prompt: expected a value, got none; sampling_params: expected a value, got none": (SampleRequest, b"{}"),
    "num_samples: expected a valid integer, got 'many'": (SampleRequest, sample_body(num_samples="many")),
    "num_samples: expected a valid integer, got an object of 1 fields": (
        SampleRequest,
        sample_body(num_samples={"a": 1}),
    ),
    "prompt: expected an object, got 99 characters": (SampleRequest, sample_body(prompt="x" * 99)),
    "prompt.chunks[0].tokens: expected a value, got none": (SampleRequest, chunk_body(type="encoded_text")),
    "prompt.chunks[0].tokens[1]: expected a valid integer, got 2.5": (
        SampleRequest,
        chunk_body(tokens=[1, 2.5]),
    ),
    "prompt.chunks[0]: expected one of 'encoded_text', .*, got 'film'": (
        SampleRequest,
        chunk_body(type="film"),
    ),
    "prompt.chunks[0].data: expected base64 text, got 2 characters": (
        SampleRequest,
        chunk_body(type="image", format="png", data="!!"),
    ),
    "bar: expected no field of this name, got 3": (SampleRequest, sample_body(bar=3)),
    f"{SECOND}.loss_fn_inputs['w']: shape: expected one that holds 1 values, got [3]": (
        ForwardBackwardRequest,
        training_body(loss_fn_inputs={"w": {"data": [1.5], "dtype": "float32", "shape": [3]}}),
    ),
    f"{SECOND}.loss_fn_inputs['w'].data[0]: expected a valid integer or a valid number, got 'a'": (
        ForwardBackwardRequest,
        training_body(loss_fn_inputs={"w": {"data": ["a"], "dtype": "float32"}}),
    ),
    f"{SECOND}.model_input_spans[0].sequence_id: expected a string with at least 1 character, got ''": (
        ForwardBackwardRequest,
        training_body(model_input_spans=[{"sequence_id": "", "length": 1}]),
    ),
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_does_not_fit_is_said_with_its_place_what_was_expected_and_what_came(text):
    type_, body = FAULTS[text]
    with pytest.raises(Unprocessable, match=said(text)):
        decode(type_, body, JSON)


def test_five_places_are_listed_and_the_others_counted():
    with pytest.raises(Unprocessable) as caught:
        decode(SampleRequest, chunk_body(tokens=["x"] * 8), JSON)
    assert caught.value.detail.count("; ") == 5
    assert caught.value.detail.endswith("; and 3 more places")


def test_very_many_faults_are_only_counted():
    with pytest.raises(Unprocessable, match="body: expected a SampleRequest, got one with 20000 faults"):
        decode(SampleRequest, chunk_body(tokens=["x"] * 20_000), JSON)


# Bodies whose only fault is a field that the type does not have, and what is dropped.
TOLERATED = {
    "top": (SampleRequest, sample_body(new=1), ["new"]),
    "in a chunk named like its field": (
        SampleRequest,
        chunk_body(type="dmel", dmel="", new=[1, 2]),
        ["prompt.chunks[0].new"],
    ),
    "in a datum and in a tensor": (
        ForwardBackwardRequest,
        training_body(loss_fn_inputs={"w": {"data": [1], "dtype": "int64", "new": 1}}, new=2),
        [f"{SECOND}.loss_fn_inputs['w'].new", f"{SECOND}.new"],
    ),
    "in a union under an alias": (
        OptimStepRequest,
        b'{"adam_params":{"learning_rate":0.5,"new":1},"model_id":"m","newer":2}',
        ["adam_params.new", "newer"],
    ),
}


@pytest.mark.parametrize("case", TOLERATED)
def test_unknown_fields_are_dropped_and_named_where_someone_asks_for_them(case):
    type_, body, expected = TOLERATED[case]
    names: list[str] = []
    value = decode(type_, body, JSON, on_unknown=names.extend)
    assert sorted(names) == expected
    assert isinstance(value, type_)
    with pytest.raises(Unprocessable, match="expected no field of this name"):
        decode(type_, body, JSON)


def test_an_unknown_field_beside_another_fault_is_not_reported():
    names: list[str] = []
    with pytest.raises(Unprocessable, match=r"^num_samples: expected a valid integer, got 'x'$"):
        decode(SampleRequest, sample_body(num_samples="x", new=1), JSON, on_unknown=names.extend)
    assert names == []


def test_other_faults_stay_faults_where_unknown_fields_are_dropped():
    with pytest.raises(Unprocessable, match=r"^base_model: expected a value, got none"):
        decode(CreateModelRequest, b'{"session_id":"s","model_seq_id":0}', JSON, on_unknown=list)


def test_unknown_fields_are_found_in_pydantics_error():
    def error_of(body: bytes) -> ValidationError:
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(SampleRequest).validate_json(body)
        return caught.value

    assert unknown_fields(error_of(sample_body(new=1, num_samples="x"))) == [("new",)]
    assert unknown_fields(error_of(sample_body(num_samples="x"))) is None


def test_the_first_fault_of_a_large_body_is_told():
    body = b'{"model_id": 5, "seq_id": 1, "x": "' + b"x" * 1_100_000 + b'"}'

    with pytest.raises(Unprocessable, match=r"optim_params: expected a value \(in a body of 1100037 bytes\)"):
        decode(OptimStepRequest, body, JSON)


def test_a_missing_field_is_named_where_it_is_missing_and_not_where_another_has_its_name():
    node = {"op": "output", "target": "output"}
    body = {"session_id": "s", "custom_loss_seq_id": 0, "name": "n", "inputs": [], "graph": {"nodes": [node]}}
    with pytest.raises(Unprocessable, match=r"^graph\.nodes\[0\]\.name: expected a value, got none$"):
        decode(CreateCustomLossRequest, json.dumps(body).encode(), JSON)
