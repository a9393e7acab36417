"""`CONTRACT`: who draws those types of the contract that have rules no schema shows."""

import base64
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.inputs import (
    DTYPE_OF_KEY,
    Datum,
    DmelChunk,
    ImageChunk,
    ModelInput,
)
from contract.strategies.compiled import compiled
from contract.strategies.form import Tree, Violation
from contract.strategies.number_forms import leaf
from contract.strategies.overrides import NO_OVERRIDES, Override, Overrides
from contract.strategies.tensor_trees import TENSOR, tensor_trees
from contract.tensors import TensorData

__all__ = ["BYTES", "CONTRACT", "datum_override"]

NAMES = st.sampled_from([*DTYPE_OF_KEY, "logits", "é", ""])
"""Keys of `loss_fn_inputs`: those that losses read, and others."""


def base64_text(data: bytes) -> str:
    """Bytes as JSON has them."""
    return base64.b64encode(data).decode("ascii")


BYTES = Override(
    st.binary(max_size=20).map(base64_text),
    {"no bytes": "", "one byte": "AA==", "all values": base64_text(bytes(range(256)))},
    (leaf("value_error", "no base64", "***"), leaf("value_error", "cut base64", "AAA")),
)


def _datum(inputs: dict[str, Tree], model_input: Tree, cut: int | None) -> dict[str, Tree]:
    """A datum, with spans where `cut` says so and its lengths are known."""
    tree = {"loss_fn_inputs": inputs, "model_input": model_input}
    chunks = model_input["chunks"]
    if cut is None or not all("tokens" in chunk for chunk in chunks):
        return tree
    length = sum(len(chunk["tokens"]) for chunk in chunks)
    targets = inputs.get("target_tokens")
    shape = None if targets is None else targets.get("shape", [len(targets["data"])])
    tree["model_input_spans"] = spans(length, cut)
    tree["loss_fn_input_spans"] = spans(shape[0] if shape is not None and len(shape) == 1 else length, cut)
    return tree


def spans(length: int, cut: int) -> list[Tree]:
    """One or two provenance spans that cover `length` positions."""
    ends = sorted({min(cut, length), length})
    starts = [0, *ends[:-1]]
    return [
        {"sequence_id": f"s{number}", "offset": start, "length": end - start}
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def _spanned(**lengths: int) -> dict[str, Tree]:
    """A datum of two tokens and two targets, with spans that cover as many as said."""
    targets = {"data": [1, 2], "dtype": "int64"}
    tokens = {"chunks": [{"type": "encoded_text", "tokens": [1, 2]}]}
    fields = {name: spans(length, 1) for name, length in lengths.items()}
    return {"loss_fn_inputs": {"target_tokens": targets}, "model_input": tokens, **fields}


def _unpaired(what: str, **lengths: int) -> Violation:
    return leaf("value_error", what, _spanned(**lengths))


def datum_override(overrides: Callable[[], Overrides], tensors: SearchStrategy[Tree]) -> Override:
    """Datums of any inputs, with spans or without; their model inputs are drawn with `overrides`."""
    model_inputs = st.deferred(lambda: compiled(ModelInput, overrides()).form.valid())
    inputs = st.dictionaries(NAMES, tensors, max_size=3)
    return Override(
        st.builds(_datum, inputs, model_inputs, st.none() | st.integers(0, 3)),
        {
            "spans of one run": _spanned(model_input_spans=2, loss_fn_input_spans=2),
            "plain lists": {
                "model_input": {"chunks": []},
                "loss_fn_inputs": {"weights": [0.5], "target_tokens": [1]},
            },
        },
        (
            _unpaired("spans of the input only", model_input_spans=2),
            _unpaired("spans of the targets only", loss_fn_input_spans=2),
            _unpaired("spans that cover too much of the input", model_input_spans=3, loss_fn_input_spans=2),
            _unpaired("spans that cover too little of the input", model_input_spans=1, loss_fn_input_spans=2),
            _unpaired("spans that cover too many targets", model_input_spans=2, loss_fn_input_spans=3),
            leaf(
                "value_error",
                "a list under an unknown key",
                {"model_input": {"chunks": []}, "loss_fn_inputs": {"?": [1]}},
            ),
            leaf(
                "value_error",
                "a ragged list",
                {"model_input": {"chunks": []}, "loss_fn_inputs": {"weights": [[1], []]}},
            ),
        ),
    )


CONTRACT: Overrides = (
    NO_OVERRIDES.with_type(TensorData, TENSOR)
    .with_type(Datum, datum_override(lambda: CONTRACT, tensor_trees()))
    .with_field(ImageChunk, "data", BYTES)
    .with_field(DmelChunk, "dmel", BYTES)
)
"""Bytes are base64 text, tensors have as many numbers as their shape says, spans cover their fields."""
