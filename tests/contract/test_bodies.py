import gzip
import json
import tracemalloc
from contextlib import suppress
from random import Random

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tinker.proto import response_conv

from contract import (
    OPERATIONS,
    BadRequest,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    PayloadTooLarge,
    PromptAltTokens,
    SampleResponse,
    TensorData,
    Unprocessable,
    UnsupportedMediaType,
)
from contract.codec import JSON, LEAST_WINDOW_BYTES, PROTOBUF, decode, decompress, encode
from contract.proto import tinker_public_pb2 as pb
from tests.contract.values import REPEATABLE, outputs, requests, responses, said, show

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
            assert {name: getattr(read, name) for name in fields} == fields


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


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
request_types = st.sampled_from(sorted({row.request for row in OPERATIONS}, key=lambda kind: kind.__name__))


@REPEATABLE
@given(request_types, st.data())
def test_any_json_is_a_request_or_an_answer_to_one(type_, data):
    fields = st.fixed_dictionaries({}, optional=dict.fromkeys(type_.model_fields, anything))
    body = json.dumps(data.draw(fields | anything)).encode()
    with suppress(BadRequest, Unprocessable):
        assert isinstance(decode(type_, body, JSON, on_unknown=lambda _: None), type_)


@REPEATABLE
@given(
    st.sampled_from([ForwardBackwardRequest, ForwardBackwardOutput, SampleResponse]), st.binary(max_size=60)
)
def test_any_bytes_are_a_message_or_an_answer_to_one(type_, body):
    with suppress(BadRequest, Unprocessable):
        assert isinstance(decode(type_, body, PROTOBUF), type_)


@REPEATABLE
@given(requests(), st.data())
def test_a_cut_message_is_a_request_or_an_answer_to_one(request, data):
    body = encode(request, PROTOBUF)
    cut = body[: data.draw(st.integers(0, len(body)))]
    with suppress(BadRequest, Unprocessable):
        assert isinstance(decode(ForwardBackwardRequest, cut, PROTOBUF), ForwardBackwardRequest)


NOISE = Random(0).randbytes(3000)
PLAIN = b"tokens and more tokens, " * 1000


def zstd(plain: bytes, **options) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(plain)


def streamed_zstd(plain: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return compressor.compress(plain) + compressor.flush()


SKIPPABLE = bytes.fromhex("502a4d18") + (3).to_bytes(4, "little") + b"abc"
COMPRESSED = {
    "zstd": zstd(PLAIN),
    "zstd with a checksum": zstd(PLAIN, write_checksum=True),
    "zstd without a size": streamed_zstd(PLAIN),
    "zstd of a run": zstd(bytes(300_000)),
    "zstd of noise": zstd(NOISE),
    "zstd frames": zstd(PLAIN[:100]) + SKIPPABLE + streamed_zstd(PLAIN[100:]),
    "zstd and a skippable frame": zstd(PLAIN) + SKIPPABLE,
    "zstd of nothing": zstd(b""),
    "gzip": gzip.compress(PLAIN),
    "gzip members": gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:]),
}
FIRST = len(zstd(PLAIN[:100]))
FRAME_ENDS = {FIRST, FIRST + len(SKIPPABLE), len(zstd(PLAIN)), len(gzip.compress(PLAIN[:100]))}


@pytest.mark.parametrize("case", COMPRESSED)
def test_a_compressed_body_is_what_it_was_before(case):
    special = {"zstd of a run": bytes(300_000), "zstd of nothing": b"", "zstd of noise": NOISE}
    assert decompress(COMPRESSED[case], case[:4].upper(), 1 << 20) == special.get(case, PLAIN)


@pytest.mark.parametrize("case", COMPRESSED)
def test_a_body_that_ends_early_is_a_bad_request(case):
    whole = COMPRESSED[case]
    for size in {*range(1, min(300, len(whole))), len(whole) - 1} - FRAME_ENDS:
        with pytest.raises(
            BadRequest, match=f"body: expected {case[:4]} data, got {size} bytes that are not"
        ):
            decompress(whole[:size], case[:4], 1 << 20)


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
@pytest.mark.parametrize("body", [b"garbage, not a frame", b"\x1f\x8bgarbage after a magic number"])
def test_garbage_is_a_bad_request(encoding, body):
    with pytest.raises(
        BadRequest, match=f"body: expected {encoding} data, got {len(body)} bytes that are not"
    ):
        decompress(body, encoding, 100)


def test_no_bytes_are_not_zstd():
    with pytest.raises(BadRequest, match="expected zstd data, got 0 bytes"):
        decompress(b"", "zstd", 100)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_plain_body_passes(encoding):
    assert decompress(PLAIN, encoding, len(PLAIN)) is PLAIN


def test_another_encoding_is_refused_and_the_right_ones_are_named():
    with pytest.raises(
        UnsupportedMediaType, match="content-encoding: expected gzip, zstd or identity, got 'br'"
    ):
        decompress(b"", "br", 100)


@pytest.mark.parametrize("case", ["zstd", "zstd without a size", "zstd frames", "gzip", "gzip members"])
def test_the_limit_is_the_largest_body_that_passes(case):
    assert len(decompress(COMPRESSED[case], case[:4], len(PLAIN))) == len(PLAIN)
    with pytest.raises(
        PayloadTooLarge, match=f"expected at most {len(PLAIN) - 1} bytes, got more; send smaller"
    ):
        decompress(COMPRESSED[case], case[:4], len(PLAIN) - 1)


def test_a_plain_body_over_the_limit_is_too_large():
    with pytest.raises(PayloadTooLarge):
        decompress(PLAIN, "", len(PLAIN) - 1)


def test_a_frame_that_needs_a_window_larger_than_the_limit_is_too_large():
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = compressor.compress(b"small") + compressor.flush()
    assert decompress(body, "zstd", 1 << 27) == b"small"
    with pytest.raises(PayloadTooLarge):
        decompress(body, "zstd", LEAST_WINDOW_BYTES)


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_a_bomb_costs_no_more_memory_than_the_limit_and_a_little(encoding):
    plain, limit = bytes(64 << 20), 4 << 20
    bomb = gzip.compress(plain, compresslevel=1) if encoding == "gzip" else streamed_zstd(plain)
    del plain
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooLarge):
            decompress(bomb, encoding, limit)
        assert tracemalloc.get_traced_memory()[1] < limit * 9 / 8 + (1 << 20)
    finally:
        tracemalloc.stop()
