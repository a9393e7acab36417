import copy
from typing import Any

import pytest

from contract.custom_losses import MOST_DEPTH, MOST_NODES, check_custom_loss
from contract.errors import RequestFailure
from contract.training import CreateCustomLossRequest

A = {"args": [], "kwargs": {}}
NEG_LL: dict[str, Any] = {
    "session_id": "s",
    "custom_loss_seq_id": 0,
    "name": "neg_ll",
    "inputs": [{"name": "logprobs", "rank": 1}, {"name": "weights", "rank": 1}],
    "graph": {
        "format": 1,
        "nodes": [
            {"op": "placeholder", "name": "logprobs", "target": "logprobs", **A},
            {"op": "placeholder", "name": "weights", "target": "weights", **A},
            {
                "op": "call_function",
                "name": "mul",
                "target": "operator.mul",
                "args": [{"ref": "logprobs"}, {"ref": "weights"}],
                "kwargs": {},
            },
            {"op": "call_method", "name": "sum_1", "target": "sum", "args": [{"ref": "mul"}], "kwargs": {}},
            {
                "op": "output",
                "name": "output",
                "target": "output",
                "args": [{"tuple": [{"ref": "sum_1"}, {"dict": {"custom/neg_ll:sum": {"ref": "sum_1"}}}]}],
                "kwargs": {},
            },
        ],
    },
}
"""What SDK 0.38.0 sends for `-(logprobs * weights).sum()`, a step left out."""


def changed(*path: Any, to: Any) -> CreateCustomLossRequest:
    """The loss above with another value at a path."""
    body = copy.deepcopy(NEG_LL)
    place: Any = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return CreateCustomLossRequest.model_validate(body)


def argument(value: Any) -> CreateCustomLossRequest:
    return changed("graph", "nodes", 3, "kwargs", "dim", to=value)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"tuple": [value]}
    return value


def test_a_loss_as_clients_send_it_is_kept():
    check_custom_loss(CreateCustomLossRequest.model_validate(NEG_LL))


def test_a_pair_may_be_a_list_and_metrics_may_be_none():
    check_custom_loss(changed("graph", "nodes", 4, "args", to=[[{"ref": "mul"}, {"dict": {}}]]))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1,
        1.5,
        "text",
        [1, [{"ref": "mul"}]],
        {"tuple": [{"ref": "logprobs"}, 2]},
        {"dict": {"a": {"ref": "weights"}}},
        {"slice": [None, {"ref": "mul"}, None]},
        {"ellipsis": True},
        {"float": "-inf"},
        {"dtype": "float32"},
        {"device": "cpu"},
        {"layout": "strided"},
        {"memory_format": "contiguous_format"},
        nested(MOST_DEPTH),
    ],
)
def test_every_form_of_an_argument_is_taken(value):
    check_custom_loss(argument(value))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"ref": "sum_1"}, "expected a reference to an earlier node, got 'sum_1'"),
        ({"ref": "nope"}, "graph.nodes\\[3\\] 'sum_1': expected a reference to an earlier node, got 'nope'"),
        ([{"tuple": [{"ref": "nope"}]}], "reference to an earlier node"),
        ({"slice": [{"ref": "nope"}, None, None]}, "reference to an earlier node"),
        ({"dict": {"a": {"ref": "nope"}}}, "reference to an earlier node"),
        ({}, "expected an object of one key, ref, tuple, dict, .* got {}"),
        ({"ref": "mul", "tuple": []}, "expected an object of one key"),
        ({"eval": "1"}, "expected an object of one key"),
        ({"ref": 1}, "expected an object of one key"),
        ({"slice": [1]}, "expected an object of one key"),
        ({"ellipsis": 1}, "expected an object of one key"),
        ({"float": "1.5"}, "expected an object of one key"),
        (float("inf"), "got a bare inf"),
        (nested(MOST_DEPTH + 1), f"expected arguments of at most {MOST_DEPTH} levels"),
    ],
)
def test_an_argument_of_another_form_is_refused(value, words):
    with pytest.raises(RequestFailure, match=words):
        check_custom_loss(argument(value))


MANY = [{"name": "logprobs", "rank": 1}, *({"name": f"i{n}", "rank": 0} for n in range(16))]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([], "expected 'logprobs' of rank 1 or 2 first"),
        ([{"name": "weights", "rank": 1}], "expected 'logprobs' of rank 1 or 2 first"),
        ([{"name": "logprobs", "rank": 0}], "expected 'logprobs' of rank 1 or 2 first"),
        (MANY, "expected at most 16, logprobs included, got 17"),
        ([*MANY[:2], *MANY[1:2]], r"inputs\[2\].name: expected a new name, got 'i0' again"),
        ([*MANY[:1], {"name": "Weights", "rank": 1}], r"inputs\[1\].name: expected lowercase"),
        (
            [*MANY[:1]],
            r"one placeholder for each input, first and in order \(logprobs\), got logprobs, weights",
        ),
        ([*MANY[:2]], r"in order \(logprobs, i0\), got logprobs, weights"),
    ],
)
def test_inputs_that_cannot_be_are_refused(inputs, words):
    with pytest.raises(RequestFailure, match=words):
        check_custom_loss(changed("inputs", to=inputs))


NODES = NEG_LL["graph"]["nodes"]
FILLER = [{"op": "call_function", "name": f"n{n}", "target": "torch.exp", **A} for n in range(MOST_NODES)]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([], "one placeholder for each input, .* got none"),
        ([NODES[2], *NODES[:2], *NODES[3:]], "placeholder for each input, first and in order"),
        ([NODES[1], NODES[0], *NODES[2:]], "got weights, logprobs"),
        (NODES[:4], "expected an output as the last node"),
        ([*NODES, NODES[2] | {"name": "x"}], "expected an output as the last node"),
        ([*NODES, NODES[4] | {"name": "x"}], "expected one output, at the end"),
        ([*NODES[:3], *NODES[2:]], r"graph.nodes\[3\] 'mul': expected a new name"),
        ([*NODES[:2], *FILLER, *NODES[2:]], f"expected at most {MOST_NODES}, got {MOST_NODES + 5}"),
        (
            [*NODES[:2], NODES[2] | {"op": "call_module"}, *NODES[3:]],
            "got call_module, and a loss has no modules",
        ),
        ([*NODES[:2], NODES[2] | {"op": "get_attr"}, *NODES[3:]], "got get_attr"),
        ([*NODES[:2], NODES[2] | {"target": ""}, *NODES[3:]], "expected a target to call, got none"),
    ],
)
def test_a_graph_that_does_not_hang_together_is_refused(nodes, words):
    with pytest.raises(RequestFailure, match=words):
        check_custom_loss(changed("graph", "nodes", to=nodes))


REF = {"ref": "sum_1"}


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ([], "expected the loss and a dictionary of metrics"),
        ([REF], "expected the loss and a dictionary of metrics"),
        ([{"tuple": [REF]}], "expected the loss and a dictionary of metrics"),
        ([{"tuple": [REF, {"ref": "mul"}]}], "expected the loss and a dictionary of metrics"),
        ([{"tuple": [REF, {"dict": {"loss:sum": REF}}]}], "custom/<name>:mean, got 'loss:sum'"),
        ([{"tuple": [1.0, {"dict": {}}]}], "expected nodes as loss and metrics, got 1.0"),
        ([{"tuple": [REF, {"dict": {"custom/a:sum": 2}}]}], "expected nodes as loss and metrics, got 2"),
        ([{"tuple": [{"ref": "nope"}, {"dict": {}}]}], "expected a reference to an earlier node"),
    ],
)
def test_a_loss_returns_a_node_and_metrics_of_nodes(returned, words):
    with pytest.raises(RequestFailure, match=words):
        check_custom_loss(changed("graph", "nodes", 4, "args", to=returned))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("graph", "format"), 2),
        (("inputs", 1, "rank"), 3),
        (("graph", "nodes", 2, "op"), "exec"),
    ],
)
def test_a_format_a_rank_or_an_op_of_another_kind_is_no_request(path, value):
    with pytest.raises(ValueError, match="Input should be"):
        changed(*path, to=value)
