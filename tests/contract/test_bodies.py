import numpy as np
import pytest
from hypothesis import given
from tinker.proto import response_conv

from contract import (
    ForwardBackwardOutput,
    PromptAltTokens,
    SampleResponse,
    TensorData,
    Unprocessable,
)
from contract.codec import PROTOBUF, decode, encode
from contract.proto import tinker_public_pb2 as pb
from tests.contract.values import REPEATABLE, outputs, responses, said, show

NAN = float("nan")


@REPEATABLE
@given(outputs())
def test_an_output_comes_back_as_it_was(output):
    assert show(decode(ForwardBackwardOutput, encode(output, PROTOBUF), PROTOBUF)) == show(output)


@pytest.mark.sdk
@REPEATABLE
@given(outputs())
def test_the_sdks_decoder_reads_an_output_as_we_do(output):
    theirs = response_conv.deserialize_forward_backward_output(encode(output, PROTOBUF))
    assert theirs.metrics == output.metrics
    assert [sorted(row) for row in theirs.loss_fn_outputs] == [list(row) for row in output.loss_fn_outputs]
    for read, row in zip(theirs.loss_fn_outputs, output.loss_fn_outputs, strict=True):
        for name, tensor in row.items():
            np.testing.assert_array_equal(read[name].to_numpy(), tensor.to_numpy(), strict=True)


def output_of(*datums: dict[str, TensorData], metrics=None) -> ForwardBackwardOutput:
    return ForwardBackwardOutput(
        loss_fn_output_type="ArrayRecord", loss_fn_outputs=list(datums), metrics=metrics or {}
    )


def floats(*shape: int) -> TensorData:
    return TensorData.from_numpy(np.zeros(shape, "f4"))


def test_datums_share_a_record_until_a_trailing_dimension_changes():
    output = output_of({"x": floats(2, 3)}, {"x": floats(5, 3)}, {"x": floats(2, 4)}, {"x": floats(1, 3)})
    message = pb.ForwardBackwardOutput.FromString(encode(output, PROTOBUF))
    assert [record.num_datums for record in message.loss_fn_outputs] == [2, 1, 1]
    assert [list(record.fields["x"].trailing_shape) for record in message.loss_fn_outputs] == [[3], [4], [3]]


def test_protobuf_keeps_metrics_that_are_not_finite():
    body = encode(output_of(metrics={"a:mean": NAN, "b:max": float("inf")}), PROTOBUF)
    assert str(decode(ForwardBackwardOutput, body, PROTOBUF).metrics) == "{'a:mean': nan, 'b:max': inf}"


def test_a_scalar_output_arrives_as_a_list_of_one():
    body = encode(output_of({"x": floats()}), PROTOBUF)
    assert decode(ForwardBackwardOutput, body, PROTOBUF).loss_fn_outputs[0]["x"].shape == [1]


def test_a_record_without_a_count_has_as_many_datums_as_its_fields():
    field = pb.BatchedTensor(data=bytes(12), offsets=np.array([0, 4, 12]).tobytes(), dtype=pb.DTYPE_FLOAT32)
    message = pb.ForwardBackwardOutput(loss_fn_outputs=[pb.ArrayRecord(fields={"x": field})])
    read = decode(ForwardBackwardOutput, message.SerializeToString(), PROTOBUF)
    assert [row["x"].shape for row in read.loss_fn_outputs] == [[1], [2]]


SPARSE = TensorData(data=[], dtype="float32", shape=[1, 2], sparse_crow_indices=[0, 0], sparse_col_indices=[])
UNWRITABLE = {
    "loss_fn_outputs[1]: expected the fields of the first, ['x'], got ['x', 'y']": (
        {"x": floats(1)},
        {"x": floats(1), "y": floats(1)},
    ),
    "loss_fn_outputs[0]: 'x': expected a dense tensor, got a sparse one": ({"x": SPARSE},),
    "loss_fn_outputs[0]: 'x': expected no empty dimension after the first, got [2, 0]": (
        {"x": floats(2, 0)},
    ),
}


@pytest.mark.parametrize("text", UNWRITABLE)
def test_outputs_that_no_client_could_read_are_refused(text):
    with pytest.raises(Unprocessable, match=said(f"ForwardBackwardOutput: {text}")):
        encode(output_of(*UNWRITABLE[text]), PROTOBUF)


def offsets(*values: int) -> bytes:
    return np.array(values, "<i8").tobytes()


WRONG_FIELDS = {
    "offsets: expected rising multiples of 4 from 0 to 8, got 0 others": {"offsets": b""},
    "offsets: expected rising multiples of 4 from 0 to 8, got 2 others": {"offsets": offsets(4, 8)},
    "offsets: expected rising multiples of 4 from 0 to 8, got 3 others": {"offsets": offsets(0, 12, 8)},
    "offsets: expected rising multiples of 4 from 0 to 8, got 4 others": {"offsets": offsets(0, 2, 4, 8)},
    "offsets: expected rising multiples of 12 from 0 to 8, got 2 others": {
        "offsets": offsets(0, 8),
        "trailing_shape": [3],
    },
    "trailing_shape: expected sizes of at least 0, got [-1]": {
        "offsets": offsets(0, 8),
        "trailing_shape": [-1],
    },
}


@pytest.mark.parametrize("text", WRONG_FIELDS)
def test_what_is_wrong_with_a_record_is_said_with_its_place(text):
    field = pb.BatchedTensor(data=bytes(8), dtype=pb.DTYPE_FLOAT32, **WRONG_FIELDS[text])
    message = pb.ForwardBackwardOutput(loss_fn_outputs=[pb.ArrayRecord(fields={"x": field})])
    with pytest.raises(Unprocessable, match=said(f"loss_fn_outputs[0]: fields['x']: {text}")):
        decode(ForwardBackwardOutput, message.SerializeToString(), PROTOBUF)


def test_a_count_that_no_field_has_is_refused():
    field = pb.BatchedTensor(data=bytes(8), offsets=offsets(0, 8), dtype=pb.DTYPE_FLOAT32)
    message = pb.ForwardBackwardOutput(loss_fn_outputs=[pb.ArrayRecord(num_datums=2, fields={"x": field})])
    with pytest.raises(
        Unprocessable, match=said("loss_fn_outputs[0]: num_datums: expected .*, got 2 and {'x': 1}")
    ):
        decode(ForwardBackwardOutput, message.SerializeToString(), PROTOBUF)


@REPEATABLE
@given(responses)
def test_a_sample_comes_back_as_it_was(response):
    assert show(decode(SampleResponse, encode(response, PROTOBUF), PROTOBUF)) == show(response)


@pytest.mark.sdk
@REPEATABLE
@given(responses)
def test_the_sdks_decoder_reads_a_sample_as_we_do(response):
    theirs = response_conv.deserialize_sample_response(encode(response, PROTOBUF))
    assert theirs.prompt_logprobs == (response.prompt_logprobs or None)
    assert theirs.topk_prompt_logprobs == response.topk_prompt_logprobs
    assert theirs.prompt_cache_hit_tokens == response.prompt_cache_hit_tokens
    for read, sequence in zip(theirs.sequences, response.sequences, strict=True):
        assert read.stop_reason == sequence.stop_reason
        assert list(read.tokens) == sequence.tokens
        assert read.logprobs == (sequence.logprobs or None)
        assert read.topk_logprobs == sequence.topk_logprobs
    pairs = [(theirs.target_prompt_logprobs, response.target_prompt_logprobs)]
    if response.prompt_alt_tokens:
        alternatives = response.prompt_alt_tokens
        pairs.append((theirs.prompt_alt_tokens.tokens, alternatives.tokens))
        pairs.append((theirs.prompt_alt_tokens.logprobs, alternatives.logprobs))
    for read, tensor in pairs:
        assert (read is None) == (tensor is None)
        if tensor:
            fields = tensor.model_dump()
            assert {name: getattr(read, name) for name in fields} == {**fields, "data": read.data}
            np.testing.assert_array_equal(read.data, tensor.values, strict=True)


def test_nan_is_a_prompt_logprob_that_was_not_computed():
    body = encode(SampleResponse(sequences=[], prompt_logprobs=[NAN, -1.0]), PROTOBUF)
    assert decode(SampleResponse, body, PROTOBUF).prompt_logprobs == [None, -1.0]


def test_a_table_has_empty_cells_after_short_rows():
    table = [None, [(7, -1.0)], [(7, -1.0), (8, -2.0)]]
    message = pb.SampleResponse.FromString(
        encode(SampleResponse(sequences=[], topk_prompt_logprobs=table), PROTOBUF)
    )
    topk = message.topk_prompt_logprobs
    assert (topk.length, topk.k) == (3, 2)
    assert np.frombuffer(topk.token_ids, "<i4").tolist() == [0, 0, 7, 0, 7, 8]
    empty = -99999.0
    assert np.frombuffer(topk.logprobs, "<f4").tolist() == [empty, empty, -1.0, empty, -1.0, -2.0]


def test_a_table_without_rows_arrives_as_none():
    body = encode(SampleResponse(sequences=[], topk_prompt_logprobs=[]), PROTOBUF)
    assert decode(SampleResponse, body, PROTOBUF).topk_prompt_logprobs is None
    message = pb.SampleResponse(topk_prompt_logprobs=pb.TopkLogprobs(k=0, length=3))
    assert decode(SampleResponse, message.SerializeToString(), PROTOBUF).topk_prompt_logprobs is None


def test_alternatives_are_int64_and_have_a_shape():
    flat = PromptAltTokens(
        tokens=TensorData(data=[1, 2], dtype="int64"), logprobs=TensorData(data=[-1.0, -2.0], dtype="float32")
    )
    body = encode(SampleResponse(sequences=[], prompt_alt_tokens=flat), PROTOBUF)
    tokens = pb.SampleResponse.FromString(body).prompt_alt_tokens.tokens
    assert (tokens.dtype, list(tokens.shape)) == (pb.DTYPE_INT64, [2])


WRONG_SAMPLES = {
    "sequences[0]: stop_reason: expected 0 (stop) or 1 (length), got 7": {
        "sequences": [pb.SampledSequence(stop_reason=7)]
    },
    "prompt_logprobs: expected a multiple of 4 bytes, got 3 bytes": {"prompt_logprobs": b"abc"},
    "topk_prompt_logprobs: top-k table: expected 2 rows of 3 cells, got 0 token ids and 1 logprobs": {
        "topk_prompt_logprobs": pb.TopkLogprobs(k=3, length=2, logprobs=bytes(4))
    },
    "prompt_alt_tokens: expected dense or sparse_csr numbers": {"prompt_alt_tokens": pb.PromptAltTokens()},
}


@pytest.mark.parametrize("text", WRONG_SAMPLES)
def test_what_is_wrong_with_a_sample_is_said_with_its_place(text):
    with pytest.raises(Unprocessable, match=said(text)):
        decode(SampleResponse, pb.SampleResponse(**WRONG_SAMPLES[text]).SerializeToString(), PROTOBUF)
