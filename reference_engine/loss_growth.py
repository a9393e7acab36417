"""How large a result can be that may be larger than all arguments of its function.

Rules as in `reference_engine.loss_sizes`, for what repeats, joins, multiplies, indexes and makes tensors.
Where the order of arguments matters, they raise unless the tensor is the first one and has no name.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor

from reference_engine.loss_sizes import Arguments, Cost, Named, joined_shape, tensors_of

__all__ = [
    "as_diff",
    "as_expanded",
    "as_index",
    "as_inner",
    "as_joined",
    "as_matmul",
    "as_padded",
    "as_range",
    "as_repeated",
    "as_selected",
    "as_shaped",
    "as_windows",
]

Function = Callable[..., Any]
MASKS = (torch.bool, torch.uint8)
"""What numbers are of as indices that say yes or no. Source: torch indexing."""
MOST_DIFFERENCES = 8
"""Repeats of `diff`, each a pass over its values. Source: ours: beyond the use of any loss."""


def _sizes(values: Any) -> Iterator[int]:
    """The whole numbers among arguments, also inside lists and tuples; nothing else is a size."""
    for value in values:
        if isinstance(value, tuple | list):
            yield from _sizes(value)
        elif isinstance(value, int):
            yield abs(value)
        else:
            raise TypeError(f"expected whole numbers as sizes, got {type(value).__name__}")


def _given(names: Sequence[str], args: Arguments, kwargs: Named) -> list[Any]:
    """Arguments given by place or by one of the names."""
    return [*args, *(kwargs[name] for name in names if name in kwargs)]


def as_shaped(function: Function, args: Arguments, kwargs: Named) -> Cost:
    """A tensor of the given sizes, all or the first list; what to fill in may follow the list."""
    method = function.__name__.startswith("new_")
    given = _given(("size", "n", "m"), args[1:] if method else args, kwargs)
    lists = [value for value in given if isinstance(value, tuple | list)]
    sizes = list(_sizes(lists[0] if lists else given))
    return prod(sizes) ** (2 if function is torch.eye and len(sizes) == 1 else 1), 1


def as_range(function: Function, args: Arguments, kwargs: Named) -> Cost:
    """As many numbers as there are steps from start to end."""
    if function is torch.linspace:
        return sum(_sizes([kwargs["steps"] if "steps" in kwargs else args[2]])), 1
    names = ("start", "end", "step") if len(args) > 1 or "end" in kwargs else ("end",)
    places = dict(zip(names, args, strict=False))
    given = {"start": 0, "step": 1, **places, **kwargs}
    start, end, step = (given[name] for name in ("start", "end", "step"))
    if not all(isinstance(value, int | float) for value in (start, end, step)):
        raise TypeError("expected numbers as start, end and step, got another")
    return ceil((end - start) / step), 1


def as_expanded(_function: Function, args: Arguments, kwargs: Named) -> Cost:
    """The given sizes; one below 0 stands for the tensor's own."""
    sizes = list(_sizes(_given(("size",), args[1:], kwargs)))
    own = [1] * (len(sizes) - args[0].ndim) + list(args[0].shape)
    return prod(map(max, sizes, own[: len(sizes)])), 1


def as_repeated(_function: Function, args: Arguments, kwargs: Named) -> Cost:
    """The tensor, as often as all given numbers multiplied."""
    return args[0].numel() * prod(_sizes(_given(("repeats", "dims"), args[1:], kwargs))), 1


def as_joined(_function: Function, args: Arguments, kwargs: Named) -> Cost:
    """All tensors together."""
    return sum(tensor.numel() for tensor in tensors_of(args, kwargs)), 1


def as_diff(function: Function, args: Arguments, kwargs: Named) -> Cost:
    """As `as_joined`, of a few differences."""
    times = kwargs.get("n", args[1] if len(args) > 1 else 1)
    if not isinstance(times, int) or times > MOST_DIFFERENCES:
        raise ValueError(f"expected at most {MOST_DIFFERENCES} differences, got {times!r}")
    return as_joined(function, args, kwargs)


def as_padded(_function: Function, args: Arguments, kwargs: Named) -> Cost:
    """The tensor with so many more numbers before and behind each dimension, the last first."""
    padding = list(_sizes(_given(("pad",), args[1:2], kwargs)))
    added = [before + behind for before, behind in zip(padding[::2], padding[1::2], strict=True)]
    return prod(size + more for size, more in zip_longest(args[0].shape[::-1], added, fillvalue=0)), 1


def as_windows(_function: Function, args: Arguments, kwargs: Named) -> Cost:
    """All windows of a size along a dimension."""
    dim, size, step = _given(("dimension", "size", "step"), args[1:], kwargs)
    length = args[0].shape[dim]
    return args[0].numel() // max(length, 1) * (length // max(step, 1) + 1) * size, 1


def as_matmul(_function: Function, args: Arguments, kwargs: Named) -> Cost:
    """Rows times columns, in each matrix of both; every number is a sum over the inner size."""
    left, right = args[0], *tensors_of(args[1:], kwargs)
    rows, columns = (left.shape[-2:-1] or (1,)), (right.shape[-1:] if right.ndim > 1 else (1,))
    matrices = joined_shape([left.shape[:-2], right.shape[:-2]])
    return prod((*matrices, *rows, *columns)), max(left.shape[-1], 1)


def as_inner(_function: Function, args: Arguments, kwargs: Named) -> Cost:
    """Rows times rows; every number is a sum over the last size."""
    left, right = args[0], *tensors_of(args[1:], kwargs)
    inner = max(left.shape[-1], 1) if left.ndim and right.ndim else 1
    return left.numel() // inner * (right.numel() // inner), inner


def as_selected(_function: Function, args: Arguments, kwargs: Named) -> Cost:
    """One slice of the tensor for each index."""
    (index,) = tensors_of(args[1:], kwargs)
    tensor, dim = args[0], kwargs["dim"] if "dim" in kwargs else args[1]
    return tensor.numel() // max(tensor.shape[dim], 1) * index.numel(), 1


def as_index(_function: Function, args: Arguments, _kwargs: Named) -> Cost:
    """What the indices of `x[...]` choose; a mask is counted as if it chose everything."""
    value, key = args
    if isinstance(value, Tensor):
        return _indexed(value.shape, key if isinstance(key, tuple) else (key,)), 1
    if not isinstance(value, tuple | list) or not isinstance(key, int | slice):
        kinds = f"{type(value).__name__} and {type(key).__name__}"
        raise TypeError(f"expected a tensor or a place in a list, got {kinds}")
    return 1, 1


def _indexed(shape: Sequence[int], keys: Sequence[Any]) -> int:
    """Numbers that indices of a tensor choose: those of all places times what the other dimensions hold."""
    left = list(shape)
    chosen: list[Sequence[int]] = []
    listed = 1
    used = [_dimensions(key) for key in keys]
    at = 0
    for place, key in enumerate(keys):
        if key is ...:
            at = len(left) - sum(used[place + 1 :])
        if isinstance(key, Tensor | list):
            left[at : at + used[place]] = [1] * used[place]
        if isinstance(key, Tensor):
            chosen.append((key.numel(),) if key.dtype in MASKS else key.shape)
        if isinstance(key, list):
            listed *= _leaves(key)
        at += used[place]
    return prod(left) * prod(joined_shape(chosen)) * listed


def _dimensions(key: Any) -> int:
    """How many dimensions an index takes."""
    if key is None or key is ... or isinstance(key, bool):
        return 0
    return key.ndim if isinstance(key, Tensor) and key.dtype in MASKS else 1


def _leaves(key: Any) -> int:
    """Places in a list of lists, numbers and tensors."""
    if isinstance(key, tuple | list):
        return sum(map(_leaves, key))
    return key.numel() if isinstance(key, Tensor) else 1
