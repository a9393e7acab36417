"""How large the result of an operation can be, before it is computed, and what one uploaded loss may cost.

A rule takes a function and its arguments, and gives an upper bound of the numbers in the result, and of how
many others each is made of. It refuses arguments whose cost it could not bound; where arguments make no
sense, it raises or gives any number, and the function itself refuses them. The rules of results that may be
larger than all arguments are in `reference_engine.loss_growth`. (Running a function on torch's `meta` device
would need none of them, but brings 70 MB and takes longer than the function.)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "Arguments",
    "Budget",
    "Cost",
    "Named",
    "SizeRule",
    "as_broadcast",
    "as_norm",
    "as_numbers",
    "as_operator",
    "as_pieces",
    "as_product",
    "as_where",
    "check_value",
    "joined_shape",
    "tensors_of",
]

MOST_CELLS = 2**22
"""Numbers in one value. Source: ours: 4 times the targets that a datum may have; pairs of 2,048 tokens."""
MOST_WORK = 2**26
"""Numbers computed for one batch. Source: ours: 64 steps on as many targets as a datum may have."""
STEP_WORK = 256
"""Numbers that take as long to compute as a step takes to start. Source: ours: some microseconds."""
MOST_RANK, MOST_PIECES, MOST_BITS = 8, 256, 63
"""Dimensions of a value, parts of one, bits of a whole number. Source: ours: beyond the use of any loss."""

LISTS, NUMBERS, SINGLE = (tuple, list), (int, float), (float, torch.dtype, torch.device)
"""Kinds of arguments."""

Arguments = Sequence[Any]
Named = Mapping[str, Any]
Cost = tuple[int, int]
SizeRule = Callable[[Callable[..., Any], Arguments, Named], Cost]


@dataclass(slots=True)
class Budget:
    """What is left for a batch."""

    left: int = MOST_WORK

    def spend(self, cells: int, each: int) -> None:
        """Take the cost of a value of `cells` numbers, each made of `each` others.

        Raises:
            ValueError: if the value is too large, or nothing is left.
        """
        if cells > MOST_CELLS:
            raise ValueError(f"expected at most {MOST_CELLS} numbers in a value, got {cells}")
        self.left -= STEP_WORK + max(cells, 0) * each
        if self.left < 0:
            raise ValueError(f"expected at most {MOST_WORK} numbers to compute for a batch, got more")


def check_value(value: Any) -> None:
    """Refuse what no later step should meet.

    Raises:
        TypeError: for a value of another kind, device or dtype.
        ValueError: for one that is too large.
    """
    if isinstance(value, Tensor):
        if value.device.type != "cpu" or value.dtype.is_complex:
            raise TypeError(f"expected real numbers on the CPU, got {value.dtype} on {value.device}")
        if value.ndim > MOST_RANK or value.numel() > MOST_CELLS:
            raise ValueError(
                f"expected at most {MOST_RANK} dimensions and {MOST_CELLS} numbers, "
                f"got {value.ndim} and {value.numel()}"
            )
    elif isinstance(value, LISTS):
        if len(value) > MOST_PIECES:
            raise ValueError(f"expected at most {MOST_PIECES} parts, got {len(value)}")
        for part in value:
            check_value(part)
    elif isinstance(value, int):
        if value.bit_length() > MOST_BITS:
            raise ValueError(f"expected whole numbers of {MOST_BITS} bits, got {value.bit_length()}")
    elif not isinstance(value, SINGLE):
        raise TypeError(f"expected tensors and numbers, got {type(value).__name__}")


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, LISTS):
            yield from _tensors(value)


def tensors_of(args: Arguments, kwargs: Named) -> list[Tensor]:
    """The tensors among arguments, also inside lists and tuples."""
    return [*_tensors(args), *_tensors(kwargs.values())] if kwargs else [*_tensors(args)]


def joined_shape(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """What shapes broadcast to, or would if they fitted."""
    rank = max(map(len, shapes), default=0)
    return tuple(map(max, *[(*[1] * (rank - len(shape)), *shape) for shape in shapes], [1] * rank))


def as_broadcast(_function: Callable[..., Any], args: Arguments, kwargs: Named) -> Cost:
    """No larger than what the tensors broadcast to."""
    tensors = tensors_of(args, kwargs)
    shapes = {tensor.shape for tensor in tensors}
    return (prod(joined_shape([*shapes])) if len(shapes) > 1 else tensors[0].numel() if tensors else 1), 1


def as_product(_function: Callable[..., Any], args: Arguments, kwargs: Named) -> Cost:
    """No larger than the tensors' sizes multiplied."""
    return prod(tensor.numel() for tensor in tensors_of(args, kwargs)), 1


def as_where(function: Callable[..., Any], args: Arguments, kwargs: Named) -> Cost:
    """As `as_broadcast`, of a condition and both sides."""
    if len(args) + len(kwargs) != 3:
        raise TypeError(f"expected a condition and two sides, got {len(args) + len(kwargs)} arguments")
    return as_broadcast(function, args, kwargs)


def as_norm(function: Callable[..., Any], args: Arguments, kwargs: Named) -> Cost:
    """As `as_broadcast`, of a norm that is not one of singular values."""
    order = kwargs.get("p", kwargs.get("ord", args[1] if len(args) > 1 else None))
    dim = kwargs.get("dim", args[2] if len(args) > 2 else None)
    matrix = function is not torch.norm and function is not Tensor.norm and not isinstance(dim, int)
    if isinstance(order, str) or (matrix and order is not None and args[0].ndim > 1):
        raise TypeError(f"expected the norm of a vector, got order {order!r} of a matrix; flatten it first")
    return as_broadcast(function, args, kwargs)


def as_pieces(function: Callable[..., Any], args: Arguments, kwargs: Named) -> Cost:
    """No larger than the tensor, and not too many parts."""
    if "axis" in kwargs:
        raise TypeError("expected the dimension under the name dim, got axis")
    tensor, *rest = (*args, *(value for key, value in kwargs.items() if key != "dim"))
    step = 1 if function.__name__ == "unbind" else rest.pop(0)
    size = tensor.shape[kwargs.get("dim", rest[0] if rest else 0)]
    if function.__name__ == "chunk":
        pieces = min(step, size)
    else:
        pieces = -(-size // step) if isinstance(step, int) else len(step)
    if pieces > MOST_PIECES:
        raise ValueError(f"expected at most {MOST_PIECES} parts, got {pieces}")
    return tensor.numel(), 1


def as_numbers(_function: Callable[..., Any], args: Arguments, kwargs: Named) -> Cost:
    """One number, from numbers."""
    if kwargs or not all(isinstance(value, NUMBERS) for value in args):
        kinds = ", ".join(type(value).__name__ for value in args)
        raise TypeError(f"expected numbers, got {kinds}; call the function of torch for tensors")
    return 1, 1


def as_operator(function: Callable[..., Any], args: Arguments, kwargs: Named) -> Cost:
    """As `as_broadcast`, of tensors and numbers; or one shape after another."""
    if function.__name__ == "add" and all(type(value) in (tuple, torch.Size) for value in args):
        return 1, 1
    numbers = [value for value in args if type(value) is not Tensor]
    if kwargs or not all(isinstance(value, NUMBERS) for value in numbers):
        raise TypeError(f"expected tensors and numbers, got {', '.join(type(v).__name__ for v in args)}")
    if len(numbers) == 2 and all(isinstance(value, int) for value in numbers):
        base, other = numbers
        bits = {"pow": base.bit_length() * other, "lshift": base.bit_length() + other}
        if bits.get(function.__name__, 0) > 2 * MOST_BITS:
            raise ValueError(f"expected whole numbers of {MOST_BITS} bits, got more")
    return as_broadcast(function, args, kwargs)
