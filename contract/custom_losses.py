"""What an uploaded loss must look like before anybody runs it: its inputs, and a graph that hangs together.

Which functions and methods it may call is for the backend to say. Nothing here runs or imports torch.
Source of what clients send: sdk 0.38.0 lib/public_interfaces/custom_loss.py, types/custom_loss_graph.py.
"""

import re
from math import isfinite
from typing import Any

from contract.errors import RequestFailure
from contract.training import CreateCustomLossRequest, CustomLossInput, CustomLossNode

__all__ = ["check_custom_loss"]

MOST_INPUTS = 16
"""`logprobs` included. Source: sdk 0.38.0 lib/public_interfaces/custom_loss.py."""
MOST_NODES = 4096
"""Source: ours: losses that people write have some tens."""
MOST_DEPTH = 16
"""Of lists in lists in an argument. Source: ours: torch's own functions take two levels."""
INPUT_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}\Z")
"""Source: sdk 0.38.0 lib/public_interfaces/custom_loss.py."""
METRIC_KEY = re.compile(r"custom/[a-z0-9_./-]{1,64}:(sum|mean)\Z")
"""Source: sdk 0.38.0 lib/public_interfaces/custom_loss.py."""
CALLS = ("call_function", "call_method")
CONSTANTS = ("dtype", "device", "layout", "memory_format")
"""Argument objects that hold the name of a torch constant. Source: sdk 0.38.0 types/custom_loss_graph.py."""
FLOATS = ("inf", "-inf", "nan")


def check_custom_loss(request: CreateCustomLossRequest) -> None:
    """Refuse a loss whose graph cannot be run, whatever the backend.

    Raises:
        RequestFailure: naming the input or the node that is not as it must be.
    """
    _check_inputs(request.inputs)
    nodes = request.graph.nodes
    if len(nodes) > MOST_NODES:
        raise RequestFailure(f"graph.nodes: expected at most {MOST_NODES}, got {len(nodes)}")
    _check_placeholders(request.inputs, nodes)
    if not nodes or nodes[-1].op != "output":
        raise RequestFailure("graph.nodes: expected an output as the last node, got none there")
    earlier: set[str] = set()
    for number, node in enumerate(nodes):
        where = f"graph.nodes[{number}] {node.name!r}"
        if node.name in earlier:
            raise RequestFailure(f"{where}: expected a new name, got that of an earlier node")
        if node.op == "output":
            if number < len(nodes) - 1:
                raise RequestFailure(f"{where}: expected one output, at the end, got one before it")
            _check_output(where, node, earlier)
        elif node.op != "placeholder":
            _check_call(where, node, earlier)
        earlier.add(node.name)


def _check_inputs(inputs: list[CustomLossInput]) -> None:
    if not inputs or inputs[0].name != "logprobs" or inputs[0].rank == 0:
        raise RequestFailure("inputs: expected 'logprobs' of rank 1 or 2 first, got another")
    if len(inputs) > MOST_INPUTS:
        raise RequestFailure(f"inputs: expected at most {MOST_INPUTS}, logprobs included, got {len(inputs)}")
    names = [given.name for given in inputs]
    for number, name in enumerate(names):
        if not INPUT_NAME.match(name):
            raise RequestFailure(
                f"inputs[{number}].name: expected lowercase letters, digits and _, got {name!r}"
            )
        if name in names[:number]:
            raise RequestFailure(f"inputs[{number}].name: expected a new name, got {name!r} again")


def _check_placeholders(inputs: list[CustomLossInput], nodes: list[CustomLossNode]) -> None:
    wanted = [given.name for given in inputs]
    found = [node.target for node in nodes if node.op == "placeholder"]
    first = [node.target for node in nodes[: len(wanted)] if node.op == "placeholder"]
    if found != wanted or first != wanted:
        raise RequestFailure(
            "graph.nodes: expected one placeholder for each input, first and in order "
            f"({', '.join(wanted)}), got {', '.join(found) or 'none'}"
        )


def _check_call(where: str, node: CustomLossNode, earlier: set[str]) -> None:
    if node.op not in CALLS:
        raise RequestFailure(
            f"{where}: expected {' or '.join(CALLS)}, got {node.op}, and a loss has no modules or tensors "
            "of its own; make it an input"
        )
    if not node.target:
        raise RequestFailure(f"{where}: expected a target to call, got none")
    for argument in (*node.args, *node.kwargs.values()):
        _check_argument(where, argument, earlier)


def _check_argument(where: str, argument: Any, earlier: set[str], depth: int = 0) -> None:
    if depth > MOST_DEPTH:
        raise RequestFailure(f"{where}: expected arguments of at most {MOST_DEPTH} levels, got more")
    if isinstance(argument, float) and not isfinite(argument):
        raise RequestFailure(f"{where}: expected {{'float': 'inf'}} and its like, got a bare {argument}")
    value = argument
    if isinstance(argument, dict):
        form, value = _form(where, argument)
        if form == "ref" and value not in earlier:
            raise RequestFailure(f"{where}: expected a reference to an earlier node, got {value!r}")
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _check_argument(where, part, earlier, depth + 1)


def _form(where: str, argument: dict[str, Any]) -> tuple[str, Any]:
    """The one key of an argument that is an object, and what it holds."""
    form, value = next(iter(argument.items())) if len(argument) == 1 else ("", None)
    fits = {
        "ref": isinstance(value, str),
        "tuple": isinstance(value, list),
        "dict": isinstance(value, dict),
        "slice": isinstance(value, list) and len(value) == 3,
        "ellipsis": value is True,
        "float": value in FLOATS,
        **{name: isinstance(value, str) for name in CONSTANTS},
    }
    if not fits.get(form, False):
        known = ", ".join(fits)
        raise RequestFailure(f"{where}: expected an object of one key, {known}, got {argument!s:.100}")
    return form, value


def _check_output(where: str, node: CustomLossNode, earlier: set[str]) -> None:
    """The one argument is a pair: the loss, and a dictionary of metrics, all of them nodes."""
    match node.args:
        case [{"tuple": [loss, {"dict": dict(metrics)}]}] | [[loss, {"dict": dict(metrics)}]]:
            pass
        case _:
            raise RequestFailure(f"{where}: expected the loss and a dictionary of metrics, got another")
    for key in metrics:
        if not METRIC_KEY.match(key):
            raise RequestFailure(
                f"{where}: expected metrics named custom/<name>:sum or custom/<name>:mean, got {key!r}"
            )
    for value in (loss, *metrics.values()):
        if not isinstance(value, dict) or value.keys() != {"ref"}:
            raise RequestFailure(f"{where}: expected nodes as loss and metrics, got {value!s:.100}")
        _check_argument(where, value, earlier)
