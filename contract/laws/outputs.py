"""What a training pass answers, so read that a record which is not there breaks a law."""

from contract.laws.law import Broken
from contract.tensors import TensorData
from contract.training import ForwardBackwardOutput

__all__ = ["logprobs_of", "loss_of", "tensor_of"]


def tensor_of(output: ForwardBackwardOutput, place: int = 0) -> TensorData:
    """The logprobs of a datum's targets, `[N]` or `[N, K]`.

    Raises:
        Broken: if the datum has no record, or the record no logprobs.
    """
    records = output.loss_fn_outputs
    if place >= len(records):
        raise Broken(f"outputs of a pass: expected a record for datum {place}, got {len(records)} records")
    if "logprobs" not in records[place]:
        names = ", ".join(records[place]) or "nothing"
        raise Broken(f"outputs of a pass: expected logprobs for datum {place}, got {names}")
    return records[place]["logprobs"]


def logprobs_of(output: ForwardBackwardOutput, place: int = 0, size: int | None = None) -> list[float]:
    """The same, row after row; `size` is how many there must be, where that is known.

    Raises:
        Broken: if they are not there, or not so many.
    """
    found: list[float] = tensor_of(output, place).to_numpy().ravel().tolist()
    if size is not None and len(found) != size:
        raise Broken(f"logprobs of datum {place}: expected {size}, one per target, got {len(found)}")
    return found


def loss_of(output: ForwardBackwardOutput) -> float:
    """Its `loss:sum`.

    Raises:
        Broken: if it has none.
    """
    if "loss:sum" not in output.metrics:
        raise Broken(f"metrics: expected loss:sum, got {', '.join(output.metrics) or 'none'}")
    return output.metrics["loss:sum"]
