"""`ForwardBackwardOutput` and `SampleResponse` between protobuf bytes and the contract types.

What does not cross the wire: logprobs are rounded to float32, a scalar output arrives as a list of one, an
output without a shape arrives with it, and a table of likeliest tokens without rows arrives as None.
Fields that the schema does not know are ignored.
"""

from itertools import accumulate, chain, groupby, pairwise
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.proto import tinker_public_pb2 as pb
from contract.proto.tensors import (
    DTYPE_OF,
    FLOAT32,
    INT32,
    INT64,
    WIDENED,
    numbers,
    read_each,
    read_tensor,
    token_bytes,
    wide_numbers,
    write_tensor,
)
from contract.sampling import PromptAltTokens, SampledSequence, SampleResponse, StopReason, TopkLogprobs
from contract.tensors import TensorData, TensorDtype
from contract.training import ForwardBackwardOutput, LossFnOutput

__all__ = ["decode_output", "decode_sample", "encode_output", "encode_sample"]

STOP_REASONS: dict[int, StopReason] = {pb.STOP_REASON_STOP: "stop", pb.STOP_REASON_LENGTH: "length"}
STOP_REASON_OF: dict[StopReason, pb.StopReason] = {
    "stop": pb.STOP_REASON_STOP,
    "length": pb.STOP_REASON_LENGTH,
}
EMPTY_TOKEN, EMPTY_LOGPROB = 0, -99999.0
"""An empty cell of a top-k table. Source: sdk 0.38.0 proto/response_conv.py."""


def decode_output(body: bytes) -> ForwardBackwardOutput:
    """The output that `body` carries, its runs of datums end to end.

    Raises:
        google.protobuf.message.DecodeError: if the body is not protobuf of this schema.
        ValueError: if a part does not fit, naming it.
    """
    message = pb.ForwardBackwardOutput.FromString(body)
    outputs = list(chain.from_iterable(read_each("loss_fn_outputs", _read_record, message.loss_fn_outputs)))
    _check_names(outputs)
    return ForwardBackwardOutput(
        loss_fn_output_type=message.loss_fn_output_type,
        loss_fn_outputs=outputs,
        metrics=dict(sorted(message.metrics.items())),
    )


def _read_record(record: pb.ArrayRecord) -> list[LossFnOutput]:
    columns: dict[str, list[TensorData]] = {}
    for name in sorted(record.fields):
        try:
            columns[name] = _read_column(record.fields[name])
        except ValueError as error:
            raise ValueError(f"fields[{name!r}]: {error}") from None
    lengths = {name: len(column) for name, column in columns.items()}
    count = record.num_datums or next(iter(lengths.values()), 0)
    if count < 0 or any(length != count for length in lengths.values()):
        raise ValueError(f"num_datums: expected as many datums as every field has, got {count} and {lengths}")
    rows = zip(*columns.values(), strict=True) if columns else ((),) * count
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _read_column(field: pb.BatchedTensor) -> list[TensorData]:
    values, dtype = wide_numbers(field.data, field.dtype)
    trailing, offsets = list(field.trailing_shape), numbers(field.offsets, INT64)
    if any(size < 0 for size in trailing):
        raise ValueError(f"trailing_shape: expected sizes of at least 0, got {trailing}")
    item_bytes = WIDENED[field.dtype][0].itemsize
    row_values = prod(trailing) or 1
    steps = np.diff(offsets)
    tiles = len(offsets) > 0 and offsets[0] == 0 and offsets[-1] == len(field.data) and (steps >= 0).all()
    if not tiles or (steps % (item_bytes * row_values)).any():
        raise ValueError(
            f"offsets: expected rising multiples of {item_bytes * row_values} from 0 to {len(field.data)}, "
            f"got {len(offsets)} others"
        )
    starts = (offsets // item_bytes).tolist()
    return [
        TensorData.of_values(values[start:end], dtype, [(end - start) // row_values, *trailing])
        for start, end in pairwise(starts)
    ]


def encode_output(output: ForwardBackwardOutput) -> bytes:
    """The output as protobuf; the same output gives the same bytes.

    Datums that follow each other share a record as long as their tensors differ in the first dimension only.

    Raises:
        ValueError: if datums have different fields, or a tensor has no protobuf form.
    """
    message = pb.ForwardBackwardOutput(loss_fn_output_type=output.loss_fn_output_type, metrics=output.metrics)
    _check_names(output.loss_fn_outputs)
    layouts = read_each("loss_fn_outputs", _layout, output.loss_fn_outputs)
    start = 0
    for layout, same in groupby(layouts):
        datums = output.loss_fn_outputs[start : start + len(list(same))]
        start += len(datums)
        record = message.loss_fn_outputs.add(type_tag=output.loss_fn_output_type, num_datums=len(datums))
        for name, (dtype, trailing) in layout.items():
            arrays = [datum[name].values for datum in datums]
            field = record.fields[name]
            field.data = b"".join(array.tobytes() for array in arrays)
            ends = accumulate(array.nbytes for array in arrays)
            field.offsets = np.array([0, *ends], INT64).tobytes()
            field.dtype = DTYPE_OF[dtype]
            field.trailing_shape.extend(trailing)
    return message.SerializeToString(deterministic=True)


def _layout(datum: LossFnOutput) -> dict[str, tuple[TensorDtype, tuple[int, ...]]]:
    """Type and trailing dimensions of each tensor: where they are the same, datums share a record."""
    layout: dict[str, tuple[TensorDtype, tuple[int, ...]]] = {}
    for name, tensor in datum.items():
        shape = tensor.dimensions
        if tensor.is_sparse:
            raise ValueError(f"{name!r}: expected a dense tensor, got a sparse one")
        if 0 in shape[1:] and shape[0]:
            raise ValueError(f"{name!r}: expected no empty dimension after the first, got {list(shape)}")
        layout[name] = (tensor.dtype, shape[1:])
    return layout


def _check_names(outputs: list[LossFnOutput]) -> None:
    for index, datum in enumerate(outputs):
        if datum.keys() != outputs[0].keys():
            raise ValueError(
                f"loss_fn_outputs[{index}]: expected the fields of the first, {sorted(outputs[0])}, "
                f"got {sorted(datum)}"
            )


def decode_sample(body: bytes) -> SampleResponse:
    """The samples and scores that `body` carries.

    Raises:
        google.protobuf.message.DecodeError: if the body is not protobuf of this schema.
        ValueError: if a part does not fit, naming it.
    """
    message = pb.SampleResponse.FromString(body)
    fields: dict[str, Any] = {}
    for name, read in _SAMPLE_PARTS.items():
        if message.HasField(name):
            try:
                fields[name] = read(getattr(message, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    return SampleResponse(
        sequences=read_each("sequences", _read_sequence, message.sequences),
        prompt_cache_hit_tokens=message.prompt_cache_hit_tokens,
        **fields,
    )


def _read_sequence(message: pb.SampledSequence) -> SampledSequence:
    if message.stop_reason not in STOP_REASONS:
        raise ValueError(f"stop_reason: expected 0 (stop) or 1 (length), got {message.stop_reason}")
    has_logprobs = message.HasField("logprobs")
    return SampledSequence(
        stop_reason=STOP_REASONS[message.stop_reason],
        tokens=numbers(message.tokens, INT32).tolist(),
        logprobs=numbers(message.logprobs, FLOAT32).tolist() if has_logprobs else None,
        topk_logprobs=_read_topk(message.topk_sampled_logprobs),
    )


def _read_scores(buffer: bytes) -> list[float | None]:
    scores = numbers(buffer, FLOAT32)
    known: npt.NDArray[np.object_] = scores.astype(object)
    known[np.isnan(scores)] = None
    values: list[float | None] = known.tolist()
    return values


def _read_topk(message: pb.TopkLogprobs) -> TopkLogprobs | None:
    """The rows without the empty cells at their ends; None for a row that starts with an empty cell."""
    ids, logprobs = numbers(message.token_ids, INT32), numbers(message.logprobs, FLOAT32)
    length, k = message.length, message.k
    if len(ids) != length * k or len(logprobs) != length * k:
        raise ValueError(
            f"top-k table: expected {length} rows of {k} cells, "
            f"got {len(ids)} token ids and {len(logprobs)} logprobs"
        )
    if not len(ids):
        return None
    filled = ~((ids == EMPTY_TOKEN) & (logprobs == np.float32(EMPTY_LOGPROB))).reshape(length, k)
    widths = (k - np.argmax(filled[:, ::-1], axis=1)) * filled[:, 0]
    rows = zip(ids.reshape(length, k).tolist(), logprobs.reshape(length, k).tolist(), strict=True)
    return [
        list(zip(row_ids[:width], row_logprobs[:width], strict=True)) if width else None
        for (row_ids, row_logprobs), width in zip(rows, widths.tolist(), strict=True)
    ]


def _read_alternatives(message: pb.PromptAltTokens) -> PromptAltTokens:
    return PromptAltTokens(tokens=read_tensor(message.tokens), logprobs=read_tensor(message.logprobs))


_SAMPLE_PARTS: dict[str, Any] = {
    "prompt_logprobs": _read_scores,
    "topk_prompt_logprobs": _read_topk,
    "target_prompt_logprobs": read_tensor,
    "prompt_alt_tokens": _read_alternatives,
}


def encode_sample(response: SampleResponse) -> bytes:
    """The samples and scores as protobuf; the same response gives the same bytes.

    Raises:
        ValueError: if a number does not fit its field.
    """
    message = pb.SampleResponse(prompt_cache_hit_tokens=response.prompt_cache_hit_tokens)
    for sequence in response.sequences:
        _write_sequence(sequence, message.sequences.add())
    if response.prompt_logprobs is not None:
        message.prompt_logprobs = np.asarray(response.prompt_logprobs, FLOAT32).tobytes()
    if response.topk_prompt_logprobs:
        _write_topk(response.topk_prompt_logprobs, message.topk_prompt_logprobs)
    if response.target_prompt_logprobs is not None:
        _write_shaped(response.target_prompt_logprobs, message.target_prompt_logprobs)
    if response.prompt_alt_tokens is not None:
        _write_shaped(response.prompt_alt_tokens.tokens, message.prompt_alt_tokens.tokens)
        _write_shaped(response.prompt_alt_tokens.logprobs, message.prompt_alt_tokens.logprobs)
    return message.SerializeToString(deterministic=True)


def _write_sequence(sequence: SampledSequence, message: pb.SampledSequence) -> None:
    message.stop_reason = STOP_REASON_OF[sequence.stop_reason]
    message.tokens = token_bytes(sequence.tokens)
    if sequence.logprobs is not None:
        message.logprobs = np.asarray(sequence.logprobs, FLOAT32).tobytes()
    if sequence.topk_logprobs:
        _write_topk(sequence.topk_logprobs, message.topk_sampled_logprobs)


def _write_topk(table: TopkLogprobs, message: pb.TopkLogprobs) -> None:
    """A table as wide as its longest row, at least one cell, so that rows of None are counted."""
    widths = np.asarray([len(row or ()) for row in table])
    length, k = len(table), max(1, int(widths.max()))
    cells = list(chain.from_iterable(row or () for row in table))
    ids, logprobs = np.full((length, k), EMPTY_TOKEN, INT32), np.full((length, k), EMPTY_LOGPROB, FLOAT32)
    if cells:
        filled = np.arange(k) < widths[:, np.newaxis]
        cell_ids, cell_logprobs = zip(*cells, strict=True)
        ids[filled] = np.frombuffer(token_bytes(list(cell_ids)), INT32)
        logprobs[filled] = cell_logprobs
    message.token_ids, message.logprobs = ids.tobytes(), logprobs.tobytes()
    message.k, message.length = k, length


def _write_shaped(tensor: TensorData, message: pb.Tensor) -> None:
    """As `write_tensor`, with the shape even where it was not given: clients read none as a scalar."""
    write_tensor(tensor, message)
    if tensor.shape is None:
        message.shape.append(len(tensor.data))
