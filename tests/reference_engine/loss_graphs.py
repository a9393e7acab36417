"""Uploaded losses written out node by node."""

from typing import Any

import torch

from contract import CreateCustomLossRequest, Datum, ModelInput, TensorData
from reference_engine.custom_loss import CompiledLoss, CustomResult, compile_loss

LOGPROBS, LOSS = {"ref": "logprobs"}, {"ref": "loss"}


def node(op: str, name: str, target: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"op": op, "name": name, "target": target, "args": list(args), "kwargs": kwargs}


def call(name: str, target: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """A function's call where the target has a dot or is `getattr`, else a method's."""
    op = "call_function" if "." in target or target == "getattr" else "call_method"
    return node(op, name, target, *args, **kwargs)


def output(loss: Any = LOSS, **metrics: Any) -> dict[str, Any]:
    named = {f"custom/{key}:mean": value for key, value in metrics.items()}
    return node("output", "output", "output", {"tuple": [loss, {"dict": named}]})


def graph(*nodes: dict[str, Any], inputs: dict[str, int] | None = None) -> CreateCustomLossRequest:
    """A graph of placeholders for `inputs` (names and ranks) and `nodes`."""
    ranks = {"logprobs": 1} if inputs is None else inputs
    places = [node("placeholder", name, name) for name in ranks]
    return CreateCustomLossRequest.model_validate(
        {
            "session_id": "s",
            "custom_loss_seq_id": 0,
            "name": "mine",
            "inputs": [{"name": name, "rank": rank} for name, rank in ranks.items()],
            "graph": {"nodes": [*places, *nodes]},
        }
    )


def steps(*nodes: dict[str, Any]) -> CompiledLoss:
    """A loss that runs `nodes` and gives the sum of the logprobs."""
    return compile_loss(graph(*nodes, call("loss", "sum", LOGPROBS), output()))


def datum(size: int = 3, **inputs: TensorData) -> Datum:
    return Datum(
        model_input=ModelInput.from_ints([1] * size),
        loss_fn_inputs={"target_tokens": [1] * size, **inputs},
    )


def run(loss: CompiledLoss, *sizes: int) -> CustomResult:
    """The loss of datums of these sizes, with logprobs -1, -2 …"""
    data = [datum(size) for size in sizes or (3,)]
    count = sum(d.model_input.length for d in data)
    return loss.run(data, -torch.arange(1.0, count + 1))
