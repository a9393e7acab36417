"""Contract values for property tests: what protobuf can carry, and the SDK's own form of it."""

import re
from itertools import chain, pairwise
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from tinker import types as sdk

from contract import (
    Datum,
    DmelChunk,
    EncodedTextChunk,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ImageChunk,
    ModelInput,
    PromptAltTokens,
    PromptProvenanceSpan,
    SampledProvenanceSpan,
    SampledSequence,
    SampleResponse,
    TensorData,
)
from tests.draws import draws

REPEATABLE = settings(derandomize=True, database=None, deadline=None, max_examples=draws(25, 200))

singles = st.floats(width=32, allow_nan=False, allow_infinity=False)
doubles = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(min_size=1, max_size=5)
token_ids = st.integers(-(2**31), 2**31 - 1)
numbers_of = {"float32": singles, "int64": st.integers(-(2**63), 2**63 - 1)}
dtypes = st.sampled_from(["float32", "int64"])


def show(value: object) -> str:
    """Everything that a value is, NaN and classes included: two values are the same if they show the same."""
    return repr(value)


@st.composite
def dense(draw: st.DrawFn, dtype: str | None = None, shape: tuple[int, ...] | None = None) -> TensorData:
    dtype = dtype or draw(dtypes)
    if shape is None:
        shape = draw(st.lists(st.integers(0, 3), max_size=3).map(tuple))
    size = int(np.prod(shape, dtype=int))
    data = draw(st.lists(numbers_of[dtype], min_size=size, max_size=size))
    return TensorData(data=data, dtype=dtype, shape=list(shape))


@st.composite
def sparse(draw: st.DrawFn, dtype: str | None = None) -> TensorData:
    dtype, columns = dtype or draw(dtypes), draw(st.integers(1, 4))
    rows = draw(st.lists(st.sets(st.integers(0, columns - 1)).map(sorted), max_size=4))
    cells = list(chain.from_iterable(rows))
    return TensorData(
        data=draw(st.lists(numbers_of[dtype], min_size=len(cells), max_size=len(cells))),
        dtype=dtype,
        shape=[len(rows), columns],
        sparse_crow_indices=np.cumsum([0, *map(len, rows)]).tolist(),
        sparse_col_indices=cells,
    )


@st.composite
def spans_over(draw: st.DrawFn, positions: int) -> list[Any]:
    cuts = draw(st.lists(st.integers(0, positions), max_size=2).map(sorted))
    bounds = [0, *cuts, positions]
    return [
        draw(st.sampled_from([PromptProvenanceSpan, SampledProvenanceSpan]))(
            sequence_id=draw(names), offset=draw(st.integers(0, 2**63 - 1)), length=end - start
        )
        for start, end in pairwise(bounds)
    ]


texts = st.builds(EncodedTextChunk, tokens=st.lists(token_ids, max_size=5))
images = st.builds(
    ImageChunk,
    data=st.binary(max_size=5),
    format=st.sampled_from(["png", "jpeg"]),
    expected_tokens=st.none() | st.integers(0, 9),
)
chunks = texts | images | st.builds(DmelChunk, dmel=st.binary(max_size=5))


@st.composite
def data(draw: st.DrawFn, with_spans: bool) -> Datum:
    inputs = draw(st.dictionaries(names, dense() | sparse(), max_size=3))
    fields: dict[str, Any] = {"loss_fn_inputs": dict(sorted(inputs.items()))}
    if not with_spans or draw(st.booleans()):
        fields["model_input"] = ModelInput(chunks=draw(st.lists(chunks, max_size=3)))
        return Datum(**fields)
    fields["model_input"] = ModelInput(chunks=draw(st.lists(texts, max_size=3)))
    fields["model_input_spans"] = draw(spans_over(fields["model_input"].length))
    fields["loss_fn_input_spans"] = draw(spans_over(3))
    return Datum(**fields)


@st.composite
def requests(draw: st.DrawFn, *, with_spans: bool = True) -> ForwardBackwardRequest:
    config = draw(st.none() | st.dictionaries(names, doubles | st.text(max_size=5), min_size=1, max_size=3))
    return ForwardBackwardRequest(
        forward_backward_input=ForwardBackwardInput(
            data=draw(st.lists(data(with_spans), max_size=3)),
            loss_fn=draw(st.sampled_from(["cross_entropy", "ppo"]) | names),
            loss_fn_config=config and dict(sorted(config.items())),
        ),
        model_id=draw(names),
        seq_id=draw(st.none() | st.integers(1, 2**31 - 1)),
        forward_only=draw(st.booleans()),
    )


@st.composite
def outputs(draw: st.DrawFn, numbers: st.SearchStrategy[float] = doubles) -> ForwardBackwardOutput:
    fields = sorted(draw(st.sets(names, max_size=2)))
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        shapes = [(draw(st.integers(0, 3)), *draw(st.sampled_from([(), (), (2,), (1, 2)]))) for _ in fields]
        rows.append({name: draw(dense(shape=shape)) for name, shape in zip(fields, shapes, strict=True)})
    return ForwardBackwardOutput(
        loss_fn_output_type=draw(names),
        loss_fn_outputs=rows,
        metrics=dict(sorted(draw(st.dictionaries(names, numbers, max_size=3)).items())),
    )


cells = st.tuples(st.integers(1, 2**31 - 1), singles)
tables = st.none() | st.lists(st.none() | st.lists(cells, min_size=1, max_size=3), min_size=1, max_size=4)


@st.composite
def alternatives(draw: st.DrawFn) -> PromptAltTokens:
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 3)))
    return PromptAltTokens(
        tokens=draw(dense("int64", shape=shape)), logprobs=draw(dense("float32", shape=shape))
    )


sequences = st.builds(
    SampledSequence,
    stop_reason=st.sampled_from(["stop", "length"]),
    tokens=st.lists(token_ids, max_size=4),
    logprobs=st.none() | st.lists(singles, max_size=4),
    topk_logprobs=tables,
)
responses = st.builds(
    SampleResponse,
    sequences=st.lists(sequences, max_size=3),
    prompt_logprobs=st.none() | st.lists(st.none() | singles, max_size=4),
    topk_prompt_logprobs=tables,
    target_prompt_logprobs=st.none() | dense("float32", shape=(2, 2)) | sparse("float32"),
    prompt_cache_hit_tokens=st.integers(0, 2**31 - 1),
    prompt_alt_tokens=st.none() | alternatives(),
)


def as_sdk(request: ForwardBackwardRequest) -> sdk.ForwardBackwardRequest:
    """The same request in the SDK's own types, which have no `forward_only`."""
    batch = request.forward_backward_input
    return sdk.ForwardBackwardRequest(
        forward_backward_input=sdk.ForwardBackwardInput(
            data=[_datum_as_sdk(datum) for datum in batch.data],
            loss_fn=batch.loss_fn,
            loss_fn_config=batch.loss_fn_config,
        ),
        model_id=request.model_id,
        seq_id=request.seq_id,
    )


def _datum_as_sdk(datum: Datum) -> sdk.Datum:
    spans = {
        name: spans and [getattr(sdk, type(span).__name__)(**span.model_dump()) for span in spans]
        for name in ("model_input_spans", "loss_fn_input_spans")
        if (spans := getattr(datum, name)) is not None
    }
    return sdk.Datum(
        model_input=sdk.ModelInput.model_validate(datum.model_input.model_dump()),
        loss_fn_inputs={
            name: sdk.TensorData(**tensor.model_dump()) for name, tensor in datum.loss_fn_inputs.items()
        },
        **spans,
    )


def said(text: str) -> str:
    """A pattern for an error that begins with `text`, where `.*` stands for anything."""
    return "^" + re.escape(text).replace(r"\.\*", ".*")
