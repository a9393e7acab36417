"""Uploaded losses: a traced graph as data, rebuilt from a list of allowed operations, and run under limits.

A graph is a list of steps, each a call of `reference_engine.loss_operations` with constants and earlier
results as arguments. It runs once per datum as `fn(logprobs, *inputs)`; the losses of the datums are summed,
and its metrics summed or averaged over datums, as the SDK does where it runs the same loss at the client.

Source: sdk 0.38.0 lib/public_interfaces/custom_loss.py, types/custom_loss_graph.py.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite, prod
from typing import Any

import torch
from torch import Tensor

from contract import CreateCustomLossRequest, CustomLossInput, CustomLossNode, Datum, RequestFailure
from reference_engine.loss_arguments import Reference, Several, decoded, filled, references, weight
from reference_engine.loss_operations import FUNCTIONS, METHODS, Operation
from reference_engine.loss_sizes import MOST_CELLS, MOST_WORK, Budget, check_value

__all__ = ["CompiledLoss", "CustomResult", "compile_loss"]

MOST_STEPS, MOST_INPUTS, MOST_ARGUMENTS, MOST_NAME = 1000, 16, 64, 128
"""Sizes of a graph. Source: of the inputs the SDK's `_MAX_INPUTS`; ours: no loss has as many others."""
INPUT_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")
METRIC_KEY = re.compile(r"custom/[a-z0-9_./-]{1,64}:(sum|mean)")
"""Source: sdk 0.38.0 lib/public_interfaces/custom_loss.py, `_INPUT_NAME` and `_METRIC_KEY`."""
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What torch, math and Python raise for arguments that do not suit an operation."""
MOST_LETTERS = 300
"""Of a foreign error that is passed on. Source: ours: torch's own sentence, without its stack."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a graph."""

    name: str
    target: str
    operation: Operation
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def run(self, results: Mapping[str, Any], budget: Budget) -> Any:
        """The call's result, its cost taken from the budget before it is computed.

        Raises:
            Exception: one of `FAILURES`, where arguments do not fit or cost too much.
        """
        function, args = self.operation.function, [filled(arg, results) for arg in self.args]
        kwargs = {key: filled(value, results) for key, value in self.kwargs.items()} if self.kwargs else {}
        if kwargs and (kwargs.get("out") is not None or kwargs.get("inplace")):
            raise TypeError("expected a result of its own, got out or inplace")
        budget.spend(*self.operation.size(function, args, kwargs))
        result = function(*args, **kwargs)
        check_value(result)
        return result


@dataclass(frozen=True, slots=True)
class CustomResult:
    """What an uploaded loss says about a batch."""

    value: float
    """The sum over datums."""
    slopes: Tensor
    """Derivative of `value` by each cell's logprob, `[C]`."""
    metrics: dict[str, float]
    """By `custom/<name>:sum` or `custom/<name>:mean`, over datums."""


@dataclass(frozen=True, slots=True)
class CompiledLoss:
    """An uploaded loss that can run."""

    name: str
    inputs: tuple[CustomLossInput, ...]
    """`logprobs`, then the keys of `loss_fn_inputs` that it reads."""
    places: tuple[str, ...]
    """The nodes that stand for the inputs."""
    steps: tuple[Step, ...]
    loss: str
    """The node that gives the loss."""
    metrics: Mapping[str, str]
    """Nodes by metric."""

    def check(self, data: Sequence[Datum]) -> None:
        """Refuse data that the loss cannot read.

        Raises:
            RequestFailure: naming the key, the declared rank and the datum's number from 1.
        """
        keys = ["target_tokens", *(given.name for given in self.inputs[1:])]
        left = MOST_WORK
        for number, datum in enumerate(data, 1):
            where = f"(datum {number} of {len(data)})"
            for key, declared in zip(keys, self.inputs, strict=True):
                tensor = datum.loss_fn_inputs.get(key)
                if tensor is None:
                    raise RequestFailure(
                        f"loss_fn_inputs: expected {key!r}, which custom loss {self.name!r} reads, "
                        f"got {', '.join(map(repr, datum.loss_fn_inputs)) or 'none'} {where}"
                    )
                cells = prod(tensor.dimensions)
                left -= cells
                if len(tensor.dimensions) != declared.rank or cells > MOST_CELLS or left < 0:
                    raise RequestFailure(
                        f"loss_fn_inputs[{key!r}]: expected rank {declared.rank}, as custom loss "
                        f"{self.name!r} declared for {declared.name}, and at most {MOST_CELLS} numbers, "
                        f"{MOST_WORK} in a batch, got shape {list(tensor.dimensions)} {where}"
                    )

    def run(self, data: Sequence[Datum], logprobs: Tensor) -> CustomResult:
        """The loss of data that `check` passed.

        Args:
            data: One datum or more.
            logprobs: The learner's logprobs of all target cells, `[C]`, as for `batch_loss`.

        Raises:
            RequestFailure: naming the step that failed and the datum, or what is not finite.
        """
        budget, losses, total = Budget(), [], 0.0
        metrics = dict.fromkeys(self.metrics, 0.0)
        shapes = [datum.target_shape or () for datum in data]
        sizes = [prod(shape) for shape in shapes]
        with torch.inference_mode(mode=False), torch.enable_grad():
            leaf = logprobs.detach().cpu().clone().requires_grad_()
            rows = leaf.split_with_sizes(sizes)
            for number, (datum, row, shape) in enumerate(zip(data, rows, shapes, strict=True), 1):
                where = f"(datum {number} of {len(data)})"
                results = self._results(datum, row.reshape(shape), budget, where)
                total += self._number("the loss", results[self.loss], where)
                losses.append(results[self.loss])
                if not losses[-1].requires_grad:
                    raise RequestFailure(
                        f"custom loss {self.name!r}: expected a loss that depends on logprobs, got one that "
                        f"does not {where}; look for detach() and comparisons between them"
                    )
                for key, step in self.metrics.items():
                    metrics[key] += self._number(f"metric {key!r}", results[step], where)
            slopes = self._slopes(losses, leaf, sizes)
        means = {key: value / len(data) if key.endswith(":mean") else value for key, value in metrics.items()}
        return CustomResult(total, slopes.to(logprobs.device), means)

    def _results(self, datum: Datum, leaf: Tensor, budget: Budget, where: str) -> dict[str, Any]:
        """Every step's result, by its name."""
        inputs = [datum.loss_fn_inputs[given.name].to_torch() for given in self.inputs[1:]]
        results: dict[str, Any] = dict(zip(self.places, [leaf, *inputs], strict=True))
        for step in self.steps:
            try:
                results[step.name] = step.run(results, budget)
            except FAILURES as error:
                said = str(error).partition("\n")[0][:MOST_LETTERS] or type(error).__name__
                raise RequestFailure(
                    f"custom loss {self.name!r}, node {step.name!r} ({step.target}): {said} {where}; "
                    "call the function on this datum at the client to see why"
                ) from None
        return results

    def _number(self, what: str, value: Any, where: str) -> float:
        if not isinstance(value, Tensor) or value.numel() != 1 or (what == "the loss" and value.ndim):
            got = f"shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise RequestFailure(
                f"custom loss {self.name!r}: expected {what} to be a scalar tensor, got {got} {where}; "
                "sum it or take its mean"
            )
        number = float(value.detach())
        if not isfinite(number):
            raise RequestFailure(
                f"custom loss {self.name!r}: expected {what} to be finite, got {number} {where}; "
                "look for an exponential, a logarithm or a division, and for the mean of nothing"
            )
        return number

    def _slopes(self, losses: list[Tensor], leaf: Tensor, sizes: list[int]) -> Tensor:
        """The derivative of the losses' sum, `[C]`."""
        try:
            (slopes,) = torch.autograd.grad(losses, leaf)
        except FAILURES as error:
            said = str(error).partition("\n")[0][:MOST_LETTERS]
            raise RequestFailure(f"custom loss {self.name!r}: its backward pass: {said}") from None
        if not bool(slopes.isfinite().all()):
            broken = [int((~part.isfinite()).sum()) for part in slopes.split_with_sizes(sizes)]
            number = next(at for at, count in enumerate(broken) if count)
            raise RequestFailure(
                f"custom loss {self.name!r}: expected finite derivatives, got {broken[number]} of "
                f"{sizes[number]} that are not (datum {number + 1} of {len(sizes)}); "
                "mask a value before an operation that overflows, not after it"
            )
        return slopes


def compile_loss(request: CreateCustomLossRequest) -> CompiledLoss:
    """Rebuild an uploaded graph.

    Args:
        request: The upload: named inputs with ranks, and the graph's nodes in the order they run.

    Raises:
        RequestFailure: naming the node, and what it may not do or be.
    """
    if not 0 < len(request.name) <= MOST_NAME:
        raise RequestFailure(f"name: expected 1 to {MOST_NAME} letters, got {len(request.name)}")
    _check_inputs(request)
    nodes = request.graph.nodes
    if not 0 < len(nodes) <= MOST_STEPS:
        raise _refused(
            request, None, f"1 to {MOST_STEPS} nodes", str(len(nodes)), "loop over nothing: use whole tensors"
        )
    known: dict[str, CustomLossNode] = {}
    steps: list[Step] = []
    for place, node in enumerate(nodes):
        if (node.op == "output") != (place == len(nodes) - 1):
            raise _refused(request, node, "one output, as the last node", f"{node.op} as node {place + 1}")
        args, kwargs = _arguments(request, node, known)
        if place < len(request.inputs):
            _check_placeholder(request, node, request.inputs[place])
        elif node.op != "output":
            steps.append(Step(node.name, node.target, _operation(request, node), args, kwargs))
        known[node.name] = node
    loss, metrics = _output(request, nodes[-1], args)
    places = tuple(known)[: len(request.inputs)]
    return CompiledLoss(request.name, tuple(request.inputs), places, tuple(steps), loss, metrics)


def _refused(
    request: CreateCustomLossRequest, node: CustomLossNode | None, expected: str, got: str, advice: str = ""
) -> RequestFailure:
    place = f", node {node.name[:MOST_NAME]!r}" if node else ""
    advice = advice or "send what the SDK traced"
    return RequestFailure(f"custom loss {request.name!r}{place}: expected {expected}, got {got}; {advice}")


def _check_inputs(request: CreateCustomLossRequest) -> None:
    names = [given.name for given in request.inputs]
    if not 0 < len(names) <= MOST_INPUTS or len(set(names)) < len(names):
        raise _refused(request, None, f"1 to {MOST_INPUTS} inputs, each once", str(len(names)))
    if names[0] != "logprobs" or request.inputs[0].rank == 0:
        got = f"{names[0][:MOST_NAME]!r} of rank {request.inputs[0].rank}"
        raise _refused(request, None, "'logprobs' of rank 1 or 2 as its first input", got)
    for name in names:
        if not INPUT_NAME.fullmatch(name):
            got = repr(name[:MOST_NAME])
            raise _refused(request, None, "inputs named in lower case, digits and underscores", got)


def _arguments(
    request: CreateCustomLossRequest, node: CustomLossNode, known: Mapping[str, CustomLossNode]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not node.name or len(node.name) > MOST_NAME or node.name in known:
        raise _refused(request, node, f"a name of its own, of 1 to {MOST_NAME} letters", "another")
    try:
        args = tuple(map(decoded, node.args))
        kwargs = {key: decoded(value) for key, value in node.kwargs.items()}
    except ValueError as error:
        raise RequestFailure(f"custom loss {request.name!r}, node {node.name!r}: {error}") from None
    count = sum(map(weight, (*args, *kwargs.values())))
    if count > MOST_ARGUMENTS:
        raise _refused(request, node, f"at most {MOST_ARGUMENTS} arguments, those in lists too", str(count))
    for name in (name for value in (*args, *kwargs.values()) for name in references(value)):
        if name not in known:
            raise _refused(request, node, "references to earlier nodes", repr(name[:MOST_NAME]))
    return args, kwargs


def _check_placeholder(
    request: CreateCustomLossRequest, node: CustomLossNode, wanted: CustomLossInput
) -> None:
    if node.op != "placeholder" or node.target != wanted.name or node.args or node.kwargs:
        got = f"{node.op} {node.target[:MOST_NAME]!r} with {len(node.args) + len(node.kwargs)} arguments"
        raise _refused(request, node, f"placeholder {wanted.name!r} without arguments", got)


def _operation(request: CreateCustomLossRequest, node: CustomLossNode) -> Operation:
    table = {"call_function": FUNCTIONS, "call_method": METHODS}.get(node.op)
    target = node.target[:MOST_NAME]
    if table is None:
        advice = "read only logprobs and the inputs that are named, and call only functions and methods"
        raise _refused(request, node, "call_function or call_method", f"{node.op} {target!r}", advice)
    if node.target not in table:
        near = get_close_matches(target, table, 3, 0.5)
        advice = f"use {' or '.join(near)}, or" if near else "use other operations, or"
        raise _refused(
            request,
            node,
            f"one of the {len(table)} {node.op.removeprefix('call_')}s that an uploaded loss may call",
            repr(target),
            f"{advice} leave the client flag custom_loss_server_side off: the loss then runs at the client",
        )
    return table[node.target]


def _output(
    request: CreateCustomLossRequest, node: CustomLossNode, args: tuple[Any, ...]
) -> tuple[str, dict[str, str]]:
    parts = args[0].parts if len(args) == 1 and isinstance(args[0], Several) else []
    loss, metrics = parts if len(parts) == 2 else (None, None)
    if not (isinstance(loss, Reference) and isinstance(metrics, Several) and metrics.kind == "dict"):
        raise _refused(request, node, "a tensor, the loss, and a dict of metrics", "another output")
    named: dict[str, str] = {}
    for key, value in zip(metrics.keys, metrics.parts, strict=True):
        if not METRIC_KEY.fullmatch(key) or not isinstance(value, Reference):
            got = f"{key[:MOST_NAME]!r}: {type(value).__name__.lower()}"
            raise _refused(
                request, node, "metrics custom/<name>:sum or custom/<name>:mean, each a tensor", got
            )
        named[key] = value.name
    return loss.name, named
