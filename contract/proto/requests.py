"""`ForwardBackwardRequest` between protobuf bytes and the contract type.

Two differences do not cross the wire: settings or spans that are set and empty arrive as None, and a sequence
number of 0 arrives as None. Fields that the schema does not know are ignored.
"""

from typing import Any

from pydantic import ValidationError

from contract.arrays import frozen
from contract.inputs import (
    Datum,
    DmelChunk,
    EncodedTextChunk,
    ImageChunk,
    ModelInput,
    ModelInputChunk,
    PromptProvenanceSpan,
    ProvenanceSpan,
    SampledProvenanceSpan,
)
from contract.proto import tinker_public_pb2 as pb
from contract.proto.tensors import INT32, INT64, numbers, read_each, read_tensor, token_bytes, write_tensor
from contract.tensors import TensorData
from contract.training import ForwardBackwardInput, ForwardBackwardRequest

__all__ = ["decode_request", "encode_request"]

SPANS = ("model_input_spans", "loss_fn_input_spans")
NO_SPANS = dict.fromkeys(SPANS)
TEXT: set[type] = {EncodedTextChunk}


def decode_request(body: bytes) -> ForwardBackwardRequest:
    """The request that `body` carries.

    Raises:
        google.protobuf.message.DecodeError: if the body is not protobuf of this schema.
        ValueError: if a part does not fit, naming it: `data[2].loss_fn_inputs['weights']: expected …`.
    """
    message = pb.ForwardBackwardRequest.FromString(body)
    data: list[Datum | dict[str, Any]] = []
    for datum in message.data:
        try:
            data.append(_read_datum(datum))
        except ValueError as error:
            raise ValueError(f"data[{len(data)}].{error}") from None
    return ForwardBackwardRequest(
        forward_backward_input=ForwardBackwardInput.model_validate(
            {"data": data, "loss_fn": message.loss_fn, "loss_fn_config": _read_config(message)}
        ),
        model_id=message.model_id,
        seq_id=message.seq_id or None,
        forward_only=message.forward_only,
    )


def _read_config(message: pb.ForwardBackwardRequest) -> dict[str, float | str] | None:
    settings = message.loss_fn_config_v2
    if not settings:
        return dict(sorted(message.loss_fn_config.items())) or None
    config: dict[str, float | str] = {}
    for key in sorted(settings):
        match settings[key].WhichOneof("value"):
            case "number":
                config[key] = settings[key].number
            case "text":
                config[key] = settings[key].text
            case _:
                raise ValueError(f"loss_fn_config[{key!r}]: expected a number or a text, got neither")
    return config


def _read_datum(message: pb.Datum) -> Datum | dict[str, Any]:
    """The datum, or its fields where pydantic has to judge them: all that is not text without spans."""
    inputs: dict[str, TensorData] = {}
    for key in sorted(message.loss_fn_inputs):
        try:
            inputs[key] = read_tensor(message.loss_fn_inputs[key])
        except ValueError as error:
            raise ValueError(f"loss_fn_inputs[{key!r}]: {error}") from None
    chunks = read_each("model_input.chunks", _read_chunk, message.model_input)
    if message.model_input_spans or message.loss_fn_input_spans:
        spans = {name: read_each(name, _read_span, getattr(message, name)) for name in SPANS}
    elif set(map(type, chunks)) <= TEXT:
        text = ModelInput.of_checked({"chunks": chunks})
        return Datum.of_checked({"loss_fn_inputs": inputs, "model_input": text, **NO_SPANS})
    else:
        spans = {}
    return {"loss_fn_inputs": inputs, "model_input": {"chunks": chunks}, **spans}


def _read_chunk(message: pb.Chunk) -> EncodedTextChunk | dict[str, Any]:
    match message.WhichOneof("chunk"):
        case "encoded_text":
            ids = numbers(message.encoded_text.tokens, INT32).astype(INT64)
            return EncodedTextChunk.of_checked({"ids": frozen(ids), "type": "encoded_text"})
        case "image":
            return _read_image(message.image)
        case "dmel":
            return {"type": "dmel", "dmel": message.dmel.dmel}
    raise ValueError("expected encoded_text, image or dmel, got none of them")


def _read_image(image: pb.ImageChunk) -> dict[str, Any]:
    if image.HasField("override_dimensions"):
        size = image.override_dimensions
        raise ValueError(
            f"override_dimensions: expected none, got {size.width} x {size.height}; "
            "images are used in their own size"
        )
    expected = image.expected_tokens if image.HasField("expected_tokens") else None
    return {"type": "image", "data": image.data, "format": image.format, "expected_tokens": expected}


def _read_span(message: pb.ProvenanceSpan) -> ProvenanceSpan:
    match message.WhichOneof("span"):
        case "prompt_tokens":
            return _read_run(PromptProvenanceSpan, message.prompt_tokens)
        case "sampled_tokens":
            return _read_run(SampledProvenanceSpan, message.sampled_tokens)
    raise ValueError("expected prompt_tokens or sampled_tokens, got neither")


def _read_run(
    kind: type[ProvenanceSpan], run: pb.PromptProvenanceSpan | pb.SampledProvenanceSpan
) -> ProvenanceSpan:
    try:
        return kind(sequence_id=run.sequence_id, offset=run.offset, length=run.length)
    except ValidationError:
        raise ValueError(
            "expected a sequence id, and an offset and a length of at least 0, "
            f"got {run.sequence_id!r}, {run.offset} and {run.length}"
        ) from None


def encode_request(request: ForwardBackwardRequest) -> bytes:
    """The request as protobuf; the same request gives the same bytes.

    Raises:
        ValueError: if a part has no protobuf form, naming it.
    """
    batch = request.forward_backward_input
    message = pb.ForwardBackwardRequest(
        model_id=request.model_id,
        seq_id=request.seq_id or 0,
        loss_fn=batch.loss_fn,
        forward_only=request.forward_only,
    )
    for index, datum in enumerate(batch.data):
        try:
            _write_datum(datum, message.data.add())
        except ValueError as error:
            raise ValueError(f"data[{index}].{error}") from None
    for key, value in (batch.loss_fn_config or {}).items():
        if isinstance(value, str):
            message.loss_fn_config_v2[key].text = value
        else:
            message.loss_fn_config[key] = message.loss_fn_config_v2[key].number = value
    return message.SerializeToString(deterministic=True)


def _write_datum(datum: Datum, message: pb.Datum) -> None:
    for index, chunk in enumerate(datum.model_input.chunks):
        try:
            _write_chunk(chunk, message.model_input.add())
        except ValueError as error:
            raise ValueError(f"model_input.chunks[{index}]: {error}") from None
    for key, tensor in datum.loss_fn_inputs.items():
        write_tensor(tensor, message.loss_fn_inputs[key])
    for span in datum.model_input_spans or ():
        _write_span(span, message.model_input_spans.add())
    for span in datum.loss_fn_input_spans or ():
        _write_span(span, message.loss_fn_input_spans.add())


def _write_chunk(chunk: ModelInputChunk, message: pb.Chunk) -> None:
    if isinstance(chunk, EncodedTextChunk):
        message.encoded_text.tokens = token_bytes(chunk.ids)
    elif isinstance(chunk, ImageChunk):
        message.image.data, message.image.format = chunk.data, chunk.format
        if chunk.expected_tokens is not None:
            message.image.expected_tokens = chunk.expected_tokens
    elif isinstance(chunk, DmelChunk):
        message.dmel.dmel = chunk.dmel
    else:
        raise ValueError(f"expected encoded_text, image or dmel, got {chunk.type!r}; send the image inline")


def _write_span(span: ProvenanceSpan, message: pb.ProvenanceSpan) -> None:
    is_prompt = isinstance(span, PromptProvenanceSpan)
    run = message.prompt_tokens if is_prompt else message.sampled_tokens
    run.sequence_id, run.offset, run.length = span.sequence_id, span.offset, span.length
