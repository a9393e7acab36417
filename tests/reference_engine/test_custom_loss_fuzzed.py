"""Hostile graphs: a result or a refusal, soon, and never more memory than was counted before."""

import time
import warnings
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract import CreateCustomLossRequest, RequestFailure
from reference_engine.custom_loss import FAILURES, compile_loss
from reference_engine.loss_operations import FUNCTIONS, METHODS
from tests.draws import draws
from tests.reference_engine.loss_graphs import LOGPROBS, call, graph, node, output, run

EXAMPLES, MOST_SECONDS = draws(40, 400), 20
SHAPES = [(), (1,), (3,), (2, 3), (3, 2), (2, 1, 3), (0,)]
OPERATIONS = st.sampled_from(
    [("call_function", name) for name in FUNCTIONS] + [("call_method", m) for m in METHODS]
)


def tensors() -> st.SearchStrategy[torch.Tensor]:
    dtypes = st.sampled_from([torch.float32, torch.float32, torch.int64, torch.bool, torch.uint8])
    return st.builds(lambda shape, dtype: torch.ones(shape).to(dtype), st.sampled_from(SHAPES), dtypes)


WHOLE = st.integers(-3, 4)
PLAIN = st.one_of(
    tensors(),
    WHOLE,
    st.floats(-2, 2),
    st.sampled_from([None, True, False, ..., torch.int64, slice(None), slice(1, None, 2), "sum", "mean"]),
)
ARGUMENT = st.one_of(
    tensors(),
    tensors(),
    PLAIN,
    st.lists(WHOLE, max_size=3),
    st.lists(WHOLE, max_size=3).map(tuple),
    st.lists(tensors(), min_size=1, max_size=3),
    st.lists(PLAIN, min_size=1, max_size=3).map(tuple),
)
NAMES = [
    "dim",
    "keepdim",
    "dtype",
    "size",
    "value",
    "n",
    "m",
    "steps",
    "step",
    "pad",
    "other",
    "prepend",
    "p",
]


def largest(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel()
    return max(map(largest, value), default=0) if isinstance(value, tuple | list) else 0


@given(
    OPERATIONS, st.lists(ARGUMENT, max_size=4), st.dictionaries(st.sampled_from(NAMES), ARGUMENT, max_size=2)
)
@settings(deadline=None, max_examples=2 * EXAMPLES, suppress_health_check=list(HealthCheck))
def test_no_result_is_larger_than_its_rule_said(operation, args, kwargs):
    found = (FUNCTIONS if operation[0] == "call_function" else METHODS)[operation[1]]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            cells, _ = found.size(found.function, args, kwargs)
            result = found.function(*args, **kwargs)
        except FAILURES:
            return
    assert largest(result) <= cells


HUGE = st.sampled_from([0, 1, -1, 2, 3, 2**11, 2**20, 2**22, 2**31, 2**40, 2**63 - 1, 1.5, -1e300])
TEXT = st.sampled_from(["sum", "mean", "meta", "cuda", "shape", "values", "nuc", "fro", "constant", "a" * 60])
CODES = st.sampled_from(
    [{"dtype": "float64"}, {"dtype": "bool"}, {"dtype": "int64"}, {"float": "inf"}, {"float": "nan"},
     {"device": "cpu"}, {"ellipsis": True}, {"slice": [None, None, 2]}, {"layout": "strided"}, None, True]
)  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    nodes: list[dict[str, Any]] = []
    values = st.sampled_from(["logprobs"])
    for at in range(draw(st.integers(1, 8))):
        refs = values.map(lambda name: {"ref": name})
        plain = st.one_of(refs, refs, HUGE, TEXT, CODES)
        argument = st.one_of(
            refs, plain, st.lists(plain, max_size=4), st.lists(plain, max_size=4).map(lambda v: {"tuple": v})
        )
        op, target = draw(OPERATIONS)
        args = [draw(refs), *draw(st.lists(argument, max_size=3))]
        kwargs = draw(
            st.dictionaries(st.sampled_from([*NAMES, "out", "device", "inplace"]), argument, max_size=1)
        )
        nodes.append(node(op, f"n{at}", target, *args, **kwargs))
        values = st.sampled_from(["logprobs", *(f"n{m}" for m in range(at + 1))])
    loss = call("loss", "sum", {"ref": draw(values)})
    both = call("both", "operator.add", {"ref": "loss"}, {"ref": "plain"})
    return graph(*nodes, loss, call("plain", "sum", LOGPROBS), both, output({"ref": "both"}))


def refusal(request: CreateCustomLossRequest) -> str:
    """Why a loss cannot be compiled or run; empty where it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert run(compile_loss(request), 3, 1).slopes.numel() == 4
        except RequestFailure as failure:
            return failure.error
    return ""


@given(graphs())
@settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_a_hostile_graph_is_a_result_or_a_refusal(request_):
    started = time.monotonic()
    said = refusal(request_)
    assert not said or said.startswith(("graph.nodes[", "custom loss 'mine'"))
    assert time.monotonic() - started < MOST_SECONDS


KEYS = st.sampled_from(["ref", "tuple", "dict", "slice", "dtype", "float", "x"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(JSON)
@settings(deadline=None, max_examples=EXAMPLES)
def test_any_json_is_an_argument_or_a_refusal(encoded):
    said = refusal(graph(call("x", "torch.exp", encoded), call("loss", "sum", LOGPROBS), output()))
    assert said.startswith(("graph.nodes[1] 'x': expected", "custom loss 'mine', node 'x' (torch.exp): "))


def test_a_deep_graph_of_the_largest_values_ends_soon():
    grown = call("n0", "torch.zeros", 2048, 2048)
    chain = [call(f"n{at}", "torch.lgamma", {"ref": f"n{at - 1}"}) for at in range(1, 200)]
    started = time.monotonic()
    said = refusal(graph(grown, *chain, call("loss", "sum", LOGPROBS), output()))
    assert "numbers to compute for a batch" in said
    assert time.monotonic() - started < MOST_SECONDS
