"""`PROTOBUF`: the values of the contract that protobuf can carry, which are fewer than JSON's."""

from itertools import chain
from math import prod
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.inputs import Datum, DmelChunk, EncodedTextChunk, ImageChunk, ModelInput
from contract.sampling import SampledSequence, SampleResponse
from contract.strategies.compiled import compiled
from contract.strategies.contract_overrides import CONTRACT, datum_override
from contract.strategies.form import Tree
from contract.strategies.overrides import Overrides
from contract.strategies.tensor_trees import FLOATS, WHOLES, tensor_trees
from contract.training import ForwardBackwardOutput, ForwardBackwardRequest

__all__ = ["PROTOBUF"]

TOKENS = st.integers(-(2**31), 2**31 - 1)
COUNTS = st.integers(0, 2**31 - 1)
CELLS = st.lists(st.tuples(TOKENS, FLOATS).map(list), min_size=1, max_size=3)
TABLES = st.none() | st.lists(st.none() | CELLS, max_size=3)
SCORES = st.lists(FLOATS, max_size=4)


def _chunks() -> SearchStrategy[list[Tree]]:
    """Text, images and audio: no pointers to images."""
    kinds: tuple[Any, ...] = (EncodedTextChunk, ImageChunk, DmelChunk)
    forms = {kind.model_fields["type"].default: compiled(kind, PROTOBUF).form for kind in kinds}
    return st.lists(st.one_of(*(_tagged(form.valid(), tag) for tag, form in forms.items())), max_size=3)


def _tagged(trees: SearchStrategy[Tree], tag: str) -> SearchStrategy[Tree]:
    return trees.map(lambda tree: {**tree, "type": tag})


def _column(name: str) -> SearchStrategy[tuple[str, str, list[int]]]:
    """A name, a dtype, and the dimensions after the first, all the same for every datum."""
    return st.tuples(
        st.just(name), st.sampled_from(["float32", "int64"]), st.lists(st.integers(1, 2), max_size=2)
    )


def _outputs(columns: list[tuple[str, str, list[int]]]) -> SearchStrategy[list[Tree]]:
    """Datums that all have the same columns."""
    record = st.fixed_dictionaries({name: _cell(dtype, trailing) for name, dtype, trailing in columns})
    return st.lists(record, max_size=3)


def _cell(dtype: str, trailing: list[int]) -> SearchStrategy[Tree]:
    width = prod(trailing)
    numbers: SearchStrategy[Any] = WHOLES if dtype == "int64" else FLOATS
    rows = st.lists(st.lists(numbers, min_size=width, max_size=width), max_size=3)
    return rows.map(
        lambda drawn: {"data": list(chain(*drawn)), "dtype": dtype, "shape": [len(drawn), *trailing]}
    )


COLUMNS = st.sets(st.sampled_from(["elementwise_loss", "logprobs", "é"])).flatmap(
    lambda names: st.tuples(*(_column(name) for name in sorted(names))).map(list)
)

PROTOBUF: Overrides = (
    CONTRACT.with_type(Datum, datum_override(lambda: PROTOBUF, tensor_trees()))
    .with_field(EncodedTextChunk, "tokens", st.lists(TOKENS, max_size=5))
    .with_field(ImageChunk, "expected_tokens", st.none() | COUNTS)
    .with_field(ModelInput, "chunks", st.deferred(_chunks))
    .with_field(ForwardBackwardRequest, "seq_id", st.none() | COUNTS)
    .with_field(SampledSequence, "tokens", st.lists(TOKENS, max_size=5))
    .with_field(SampledSequence, "logprobs", st.none() | SCORES)
    .with_field(SampledSequence, "topk_logprobs", TABLES)
    .with_field(SampleResponse, "prompt_logprobs", st.none() | st.lists(st.none() | FLOATS, max_size=4))
    .with_field(SampleResponse, "topk_prompt_logprobs", TABLES)
    .with_field(SampleResponse, "prompt_cache_hit_tokens", COUNTS)
    .with_field(ForwardBackwardOutput, "loss_fn_outputs", COLUMNS.flatmap(_outputs))
)
"""Token ids and counts of 32 bits, scores of float32, no pointers to images, the same columns everywhere."""
