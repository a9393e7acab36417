import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from hypothesis import given
from tinker.proto import request_conv
from tinker.proto import tinker_public_pb2 as sdk_pb

import contract
from contract import (
    BadRequest,
    Datum,
    EncodedTextChunk,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ImageAssetPointerChunk,
    ModelInput,
    SampledSequence,
    SampleResponse,
    TensorData,
    Unprocessable,
)
from contract.codec import PROTOBUF, decode, encode
from contract.proto import tinker_public_pb2 as pb
from tests.contract.values import REPEATABLE, as_sdk, requests, said, show

ROOT = Path(contract.__file__).parents[1]
SCHEMA = "contract/proto/tinker_public.proto"
NAN = float("nan")

# Made by the SDK's encoder and generated classes.
GOLDEN = {
    ForwardBackwardRequest: (
        "0a09733a747261696e3a3010011a640a100a0e0a0c01000000020000000300000012300a0d7461726765745f746f6b656e73"
        "121f0a180200000000000000030000000000000004000000000000001802220103121e0a077765696768747312130a0c0000"
        "00000000803f0000803f1801220103220370706f2a1d0a12636c69705f6c6f775f7468726573686f6c64119a9999999999e9"
        "3f30013a1f0a12636c69705f6c6f775f7468726573686f6c641209099a9999999999e93f"
    ),
    ForwardBackwardOutput: (
        "0a0b41727261795265636f726412470a0b41727261795265636f726412360a086c6f6770726f6273122a0a0c000080bf0000"
        "00c0000040c01218000000000000000008000000000000000c00000000000000180118021a130a086c6f73733a73756d1100"
        "00000000000840"
    ),
    SampleResponse: "0a16080112080a0000000b0000001a08000000bf000000bf12080000c07f000080bf2001",
}
VALUE = {
    ForwardBackwardRequest: ForwardBackwardRequest(
        forward_backward_input=ForwardBackwardInput(
            data=[
                Datum(
                    model_input=ModelInput.from_ints([1, 2, 3]),
                    loss_fn_inputs={
                        "target_tokens": TensorData(data=[2, 3, 4], dtype="int64", shape=[3]),
                        "weights": TensorData(data=[0.0, 1.0, 1.0], dtype="float32", shape=[3]),
                    },
                )
            ],
            loss_fn="ppo",
            loss_fn_config={"clip_low_threshold": 0.8},
        ),
        model_id="s:train:0",
        seq_id=1,
        forward_only=True,
    ),
    ForwardBackwardOutput: ForwardBackwardOutput(
        loss_fn_output_type="ArrayRecord",
        loss_fn_outputs=[
            {"logprobs": TensorData(data=[-1.0, -2.0], dtype="float32", shape=[2])},
            {"logprobs": TensorData(data=[-3.0], dtype="float32", shape=[1])},
        ],
        metrics={"loss:sum": 3.0},
    ),
    SampleResponse: SampleResponse(
        sequences=[SampledSequence(stop_reason="length", tokens=[10, 11], logprobs=[-0.5, -0.5])],
        prompt_logprobs=[None, -1.0],
        prompt_cache_hit_tokens=1,
    ),
}


@pytest.mark.parametrize("kind", GOLDEN, ids=lambda kind: kind.__name__)
def test_the_sdks_bytes_are_read_and_written_to_the_byte(kind):
    golden = bytes.fromhex(GOLDEN[kind])
    assert show(decode(kind, golden, PROTOBUF)) == show(VALUE[kind])
    assert encode(VALUE[kind], PROTOBUF) == golden


WITHOUT_THE_REST = """
import sys, types
from importlib.util import find_spec
bare = types.ModuleType("tinker")
bare.__path__ = find_spec("tinker").submodule_search_locations
sys.modules["tinker"] = bare
""".strip().replace("\n", "; ")
"""The SDK without what its package imports, torch among it: a module of it is the same, and there sooner."""


@pytest.mark.parametrize(
    "modules",
    [
        "contract.proto.tinker_public_pb2, tinker.proto.tinker_public_pb2",
        "tinker.proto.tinker_public_pb2, contract.proto.tinker_public_pb2",
    ],
)
def test_one_process_may_load_our_module_and_the_sdks(modules):
    code = f"{WITHOUT_THE_REST}; import {modules}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)


def described(module) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def parts(module) -> dict[str, str]:
    file = described(module)
    return {
        part.name: str(part).replace(f".{file.package}.", ".")
        for part in (*file.message_type, *file.enum_type)
    }


def test_every_message_field_and_enum_is_the_sdks():
    assert parts(pb) == parts(sdk_pb)


def test_the_generated_module_is_what_the_schema_says(tmp_path):
    target = tmp_path / "schema"
    assert protoc.main(["protoc", f"-I{ROOT}", f"--descriptor_set_out={target}", str(ROOT / SCHEMA)]) == 0
    generated = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes()).file[0]
    for message in (
        *generated.message_type,
        *(m for part in generated.message_type for m in part.nested_type),
    ):
        for field in message.field:
            field.ClearField("json_name")
    assert generated.SerializeToString(deterministic=True) == pb.DESCRIPTOR.serialized_pb


def test_the_generated_module_runs_with_the_oldest_protobuf_that_the_package_allows():
    made_by = re.search(r"Protobuf Python Version: (\d+)\.(\d+)", Path(pb.__file__).read_text())
    allowed = re.search(r'"protobuf>=(\d+)\.(\d+)', (ROOT / "pyproject.toml").read_text())
    assert tuple(map(int, made_by.groups())) <= tuple(map(int, allowed.groups()))


@REPEATABLE
@given(requests())
def test_a_request_comes_back_as_it_was(request):
    assert show(decode(ForwardBackwardRequest, encode(request, PROTOBUF), PROTOBUF)) == show(request)


@pytest.mark.sdk
@REPEATABLE
@given(requests())
def test_the_sdks_encoder_writes_a_request_as_we_do(request):
    message = request_conv.forward_backward_request_to_proto(as_sdk(request))
    message.forward_only = request.forward_only
    theirs = message.SerializeToString(deterministic=True)
    read = decode(ForwardBackwardRequest, theirs, PROTOBUF)
    assert show(read) == show(request)
    assert encode(read, PROTOBUF) == theirs


def request_of(**fields) -> ForwardBackwardRequest:
    return decode(ForwardBackwardRequest, pb.ForwardBackwardRequest(**fields).SerializeToString(), PROTOBUF)


def tensor_of(**fields) -> TensorData:
    datum = pb.Datum(loss_fn_inputs={"w": pb.Tensor(**fields)})
    return request_of(data=[datum]).forward_backward_input.data[0].loss_fn_inputs["w"]


def test_the_old_settings_count_where_there_are_no_new_ones():
    old, new = {"a": 1.0}, {"b": pb.LossConfigValue(text="x")}
    assert request_of(loss_fn_config=old).forward_backward_input.loss_fn_config == {"a": 1.0}
    both = request_of(loss_fn_config=old, loss_fn_config_v2=new)
    assert both.forward_backward_input.loss_fn_config == {"b": "x"}


def test_a_request_without_number_settings_and_spans_has_none():
    request = request_of(data=[pb.Datum()])
    assert request.seq_id is None
    assert request.forward_backward_input.loss_fn_config is None
    assert request.forward_backward_input.data[0].model_input_spans is None


def test_empty_settings_and_spans_arrive_as_none():
    datum = Datum(model_input=ModelInput.empty(), model_input_spans=[], loss_fn_input_spans=[])
    batch = ForwardBackwardInput(data=[datum], loss_fn="x", loss_fn_config={})
    request = ForwardBackwardRequest(forward_backward_input=batch, model_id="m")
    read = decode(ForwardBackwardRequest, encode(request, PROTOBUF), PROTOBUF).forward_backward_input
    assert (read.loss_fn_config, read.data[0].model_input_spans) == (None, None)


def test_narrow_numbers_are_widened():
    whole = tensor_of(dense=np.array([1, -2], "<i4").tobytes(), dtype=pb.DTYPE_INT32, shape=[2])
    assert (whole.dtype, whole.data, whole.values.dtype) == ("int64", [1, -2], np.dtype("<i8"))
    upper_halves = np.array([1.5, -2.0], "<f4").view("<u4") >> 16
    half = tensor_of(dense=upper_halves.astype("<u2").tobytes(), dtype=pb.DTYPE_BFLOAT16, shape=[2])
    assert (half.dtype, half.data, half.values.dtype) == ("float32", [1.5, -2.0], np.dtype("<f4"))


def test_a_shape_that_was_not_sent_means_a_list_or_a_scalar():
    assert tensor_of(dense=bytes(8), dtype=pb.DTYPE_FLOAT32).shape is None
    assert tensor_of(dense=bytes(4), dtype=pb.DTYPE_FLOAT32).shape == []


def test_fields_that_the_schema_does_not_know_are_ignored():
    unknown = b"\xfa\x01\x02hi"  # field 31, two bytes
    assert decode(SampleResponse, unknown, PROTOBUF) == SampleResponse(sequences=[])


WRONG_DATA = {
    "model_input.chunks[0]: expected encoded_text, image or dmel, got none": {"model_input": [pb.Chunk()]},
    "model_input.chunks[1]: expected a multiple of 4 bytes, got 3 bytes": {
        "model_input": [
            pb.Chunk(dmel=pb.DmelChunk()),
            pb.Chunk(encoded_text=pb.EncodedTextChunk(tokens=b"abc")),
        ]
    },
    "model_input.chunks[0]: override_dimensions: expected none, got 3 x 4": {
        "model_input": [
            pb.Chunk(image=pb.ImageChunk(override_dimensions=pb.ImageDimensions(width=3, height=4)))
        ]
    },
    "model_input.chunks[0].image.format: expected 'png' or 'jpeg', got 'gif'": {
        "model_input": [pb.Chunk(image=pb.ImageChunk(format="gif"))]
    },
    "loss_fn_inputs['w']: expected dense or sparse_csr numbers, got neither": {
        "loss_fn_inputs": {"w": pb.Tensor(dtype=pb.DTYPE_INT64)}
    },
    "loss_fn_inputs['w']: dtype: expected one of DTYPE_FLOAT32, .*, got 0": {
        "loss_fn_inputs": {"w": pb.Tensor(dense=b"")}
    },
    "loss_fn_inputs['w']: expected a multiple of 8 bytes, got 12 bytes": {
        "loss_fn_inputs": {"w": pb.Tensor(dense=bytes(12), dtype=pb.DTYPE_INT64)}
    },
    "loss_fn_inputs['w']: shape: expected one that holds 2 values, got [3]": {
        "loss_fn_inputs": {"w": pb.Tensor(dense=bytes(8), dtype=pb.DTYPE_FLOAT32, shape=[3])}
    },
    "loss_fn_inputs['w']: sparse tensor: expected 2 row starts": {
        "loss_fn_inputs": {"w": pb.Tensor(sparse_csr=pb.SparseCsr(), dtype=pb.DTYPE_FLOAT32, shape=[1, 2])}
    },
    "model_input_spans[0]: expected prompt_tokens or sampled_tokens, got neither": {
        "model_input_spans": [pb.ProvenanceSpan()]
    },
    "loss_fn_input_spans[0]: expected a sequence id, .* got '', 0 and -1": {
        "loss_fn_input_spans": [pb.ProvenanceSpan(sampled_tokens=pb.SampledProvenanceSpan(length=-1))]
    },
    ": model_input_spans: expected spans that cover 0 positions, got 2": {
        "model_input_spans": [
            pb.ProvenanceSpan(prompt_tokens=pb.PromptProvenanceSpan(sequence_id="s", length=2))
        ]
    },
}


@pytest.mark.parametrize("text", WRONG_DATA)
def test_what_is_wrong_with_a_datum_is_said_with_its_place(text):
    with pytest.raises(Unprocessable, match=said(f"data[1]{'' if text[0] == ':' else '.'}{text}")):
        request_of(data=[pb.Datum(), pb.Datum(**WRONG_DATA[text])])


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(Unprocessable, match=said("loss_fn_config['a']: expected a number or a text")):
        request_of(loss_fn_config_v2={"a": pb.LossConfigValue()})


@pytest.mark.parametrize("kind", GOLDEN, ids=lambda kind: kind.__name__)
def test_bytes_that_are_not_protobuf_are_a_bad_request(kind):
    with pytest.raises(BadRequest, match=f"body: expected a protobuf {kind.__name__}, got 5 bytes that are"):
        decode(kind, b"\x0a\x09abc", PROTOBUF)


def test_what_protobuf_cannot_carry_is_refused_with_its_place():
    def written(chunk):
        datum = Datum(model_input=ModelInput(chunks=[EncodedTextChunk(tokens=[1]), chunk]))
        batch = ForwardBackwardInput(data=[datum], loss_fn="x")
        return encode(ForwardBackwardRequest(forward_backward_input=batch, model_id="m"), PROTOBUF)

    where = "ForwardBackwardRequest: data[0].model_input.chunks[1]: "
    with pytest.raises(
        Unprocessable, match=said(where + "expected encoded_text, image or dmel, got 'image_as")
    ):
        written(ImageAssetPointerChunk(format="png", location="x"))
    with pytest.raises(
        Unprocessable, match=said(where + "tokens: expected ids of 32 bits, got some from 0 to 4294")
    ):
        written(EncodedTextChunk(tokens=[0, 2**32]))
    with pytest.raises(Unprocessable, match="ForwardBackwardRequest: "):
        written(EncodedTextChunk(tokens=[2**70]))
