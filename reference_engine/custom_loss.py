"""Uploaded losses: a traced graph as data, rebuilt from a list of allowed operations, and run under limits.

A graph is a list of steps, each a call of `reference_engine.loss_operations` with constants and earlier
results as arguments. It runs once per datum as `fn(logprobs, *inputs)`; the losses of the datums are summed,
and its metrics summed or averaged over datums, as the SDK does where it runs the same loss at the client.

Source: sdk 0.38.0 lib/public_interfaces/custom_loss.py, types/custom_loss_graph.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite, prod
from typing import Any

import torch
from torch import Tensor

from contract import (
    CreateCustomLossRequest,
    CustomLossInput,
    CustomLossNode,
    Datum,
    RequestFailure,
    check_custom_loss,
)
from reference_engine.loss_arguments import decoded, filled, weight
from reference_engine.loss_operations import FUNCTIONS, METHODS, Operation
from reference_engine.loss_sizes import MOST_CELLS, MOST_WORK, Budget, check_value

__all__ = ["CompiledLoss", "CustomResult", "compile_loss"]

MOST_METRICS, MOST_ARGUMENTS, MOST_NAME = 64, 64, 128
"""Metrics of a loss, arguments of a node, letters of a name in messages. Source: ours: no loss has more."""
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
        RequestFailure: naming the node, and what it may not call or be.
    """
    check_custom_loss(request)
    nodes = request.graph.nodes
    places = tuple(node.name for node in nodes[: len(request.inputs)])
    steps = tuple(
        _step(f"graph.nodes[{number}] {node.name!r}", node)
        for number, node in enumerate(nodes[len(places) : -1], len(places))
    )
    pair = nodes[-1].args[0]
    loss, metrics = pair["tuple"] if isinstance(pair, dict) else pair
    named = {key: value["ref"] for key, value in metrics["dict"].items()}
    if len(named) > MOST_METRICS:
        raise RequestFailure(
            f"graph.nodes[{len(nodes) - 1}] {nodes[-1].name!r}: expected at most {MOST_METRICS} metrics, "
            f"got {len(named)}"
        )
    return CompiledLoss(request.name[:MOST_NAME], tuple(request.inputs), places, steps, loss["ref"], named)


def _step(where: str, node: CustomLossNode) -> Step:
    """The call of a node, whose form the contract has checked."""
    table = FUNCTIONS if node.op == "call_function" else METHODS
    target = node.target[:MOST_NAME]
    if node.target not in table:
        kind, near = node.op.removeprefix("call_"), get_close_matches(target, table, 3, 0.5)
        raise RequestFailure(
            f"{where}: expected one of the {len(table)} {kind}s that an uploaded loss may call, "
            f"got {target!r}; use {' or '.join(near) if near else 'other operations'}, "
            "or leave the client flag custom_loss_server_side off: the loss then runs at the client"
        )
    try:
        args = tuple(map(decoded, node.args))
        kwargs = {key: decoded(value) for key, value in node.kwargs.items()}
    except ValueError as error:
        raise RequestFailure(f"{where}: {error}") from None
    count = sum(map(weight, (*args, *kwargs.values())))
    if count > MOST_ARGUMENTS:
        raise RequestFailure(
            f"{where}: expected at most {MOST_ARGUMENTS} arguments, those in lists too, got {count}"
        )
    return Step(node.name, target, table[node.target], args, kwargs)
