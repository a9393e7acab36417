"""What an uploaded loss may call: functions, tensor methods and attributes by name, each with its size rule.

Names are those that the SDK's tracing records. Only what is listed is callable: nothing is imported or looked
up by a client's text. Left out on purpose: random numbers (a repeat would differ), writing in place, values
that leave torch (`item`), and what allocates by the content of a tensor (`bincount`, `one_hot`).
"""

import builtins
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch

from reference_engine.loss_growth import (
    as_diff,
    as_expanded,
    as_index,
    as_inner,
    as_joined,
    as_matmul,
    as_padded,
    as_range,
    as_repeated,
    as_selected,
    as_shaped,
    as_windows,
)
from reference_engine.loss_sizes import (
    SizeRule,
    as_broadcast,
    as_norm,
    as_numbers,
    as_operator,
    as_pieces,
    as_product,
    as_where,
)

__all__ = ["ATTRIBUTES", "DTYPES", "FUNCTIONS", "METHODS", "Operation", "attribute"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A callable of the list."""

    function: Callable[..., Any]
    size: SizeRule
    """How many numbers the result can have, from the arguments; raises where they are refused."""


BOTH = """
abs absolute neg negative positive exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square reciprocal sin cos
tan arcsin asin arccos acos arctan atan atan2 arctan2 sinh cosh tanh asinh acosh atanh sigmoid logit erf
erfc erfinv lgamma digamma sign sgn ceil floor round trunc fix frac nan_to_num clamp clip clamp_min
clamp_max add sub subtract mul multiply div divide true_divide floor_divide remainder fmod pow float_power
maximum minimum fmax fmin logaddexp logaddexp2 xlogy hypot copysign heaviside lerp addcmul addcdiv deg2rad
rad2deg sinc eq ne gt ge lt le not_equal greater greater_equal less less_equal isnan isinf isfinite isposinf
isneginf isclose logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor
bitwise_not masked_fill masked_select take take_along_dim relu detach clone sum mean prod amax amin max min
all any argmax argmin std var logsumexp median nanmean nansum nanmedian count_nonzero aminmax numel reshape
flatten unflatten squeeze unsqueeze transpose permute swapaxes swapdims movedim t ravel flip roll narrow
select diagonal tril triu sort argsort topk kthvalue cumsum cumprod cummax cummin logcumsumexp softmax
log_softmax gather scatter scatter_add scatter_reduce index_add index_fill index_copy
"""
"""Functions of torch and methods of tensors. Source: ours: what published losses are made of."""
ONLY_FUNCTIONS = """
rsub std_mean var_mean bucketize searchsorted zeros_like ones_like full_like cosine_similarity
nn.functional.relu nn.functional.relu6 nn.functional.leaky_relu nn.functional.elu nn.functional.selu
nn.functional.celu nn.functional.silu nn.functional.mish nn.functional.hardtanh nn.functional.hardsigmoid
nn.functional.softsign nn.functional.softmax nn.functional.softmin nn.functional.log_softmax
nn.functional.normalize nn.functional.mse_loss nn.functional.l1_loss nn.functional.smooth_l1_loss
nn.functional.huber_loss nn.functional.kl_div nn.functional.binary_cross_entropy
nn.functional.binary_cross_entropy_with_logits _C._nn.softplus _C._nn.log_sigmoid _C._nn.gelu
_C._linalg.linalg_vector_norm _C._special.special_entr _C._special.special_expit _C._special.special_logit
_C._special.special_xlogy _C._special.special_xlog1py _C._special.special_log_ndtr _C._special.special_ndtr
_C._special.special_logsumexp _C._special.special_softmax _C._special.special_log_softmax
"""
ONLY_METHODS = """
size dim ndimension nelement view view_as reshape_as expand_as type_as contiguous float double half bfloat16
int long bool to masked_scatter
"""
DTYPES: Mapping[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float32,
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    )
}

ATTRIBUTES = ("shape", "ndim", "dtype", "device", "T", "mT", "values", "indices")
"""What may be read of a tensor; the last two of the pair that `max`, `min`, `sort` and others give."""
NUMBERS = """
sqrt exp expm1 log log1p log2 log10 pow floor ceil trunc fabs copysign sin cos tan asin acos atan atan2 sinh
cosh tanh erf erfc lgamma hypot isfinite isinf isnan fmod
"""
OPERATORS = """
add sub mul truediv floordiv mod pow neg pos abs invert and_ or_ xor lshift rshift eq ne lt le gt ge
"""


def attribute(value: Any, name: Any, *default: Any) -> Any:
    """`getattr`, for the attributes of the list and no default.

    Raises:
        TypeError: for any other.
    """
    own = ATTRIBUTES[:-2] if isinstance(value, torch.Tensor) else ATTRIBUTES[-2:]
    known = isinstance(value, torch.Tensor) or type(value).__module__ == "torch.return_types"
    if default or not known or name not in own:
        raise TypeError(f"expected one of {', '.join(ATTRIBUTES)} of a tensor, got {str(name)[:64]!r}")
    return getattr(value, name)


def _named(owner: Any, prefix: str, names: str, size: SizeRule) -> dict[str, Operation]:
    return {prefix + name: Operation(reduce(getattr, name.split("."), owner), size) for name in names.split()}


def _both(owner: Any, prefix: str, written_in_python: str = "") -> dict[str, Operation]:
    """What torch has as functions and tensors as methods; the former may live in a module of their own."""
    return {
        **_named(owner, prefix, BOTH, as_broadcast),
        **_named(owner, prefix, "where", as_where),
        **_named(owner, prefix, f"{written_in_python}norm", as_norm),
        **_named(owner, prefix, "diff", as_diff),
        **_named(owner, prefix, "quantile nanquantile outer ger", as_product),
        **_named(owner, prefix, f"unbind chunk {written_in_python}split", as_pieces),
        **_named(owner, prefix, "matmul mm mv dot bmm", as_matmul),
        **_named(owner, prefix, "inner", as_inner),
        **_named(owner, prefix, "index_select", as_selected),
        **_named(owner, prefix, "broadcast_to", as_expanded),
        **_named(owner, prefix, "tile", as_repeated),
    }


FUNCTIONS: Mapping[str, Operation] = {
    **_both(torch, "torch.", "functional."),
    **_named(torch, "torch.", ONLY_FUNCTIONS, as_broadcast),
    **_named(torch, "torch.", "_C._linalg.linalg_norm", as_norm),
    **_named(torch, "torch.", "cat concat concatenate stack hstack vstack column_stack", as_joined),
    **_named(torch, "torch.", "nn.functional.pad", as_padded),
    **_named(torch, "torch.", "zeros ones full eye", as_shaped),
    **_named(torch, "torch.", "arange linspace", as_range),
    **_named(math, "math.", NUMBERS, as_numbers),
    **_named(operator, "operator.", OPERATORS, as_operator),
    "operator.matmul": Operation(operator.matmul, as_matmul),
    "operator.getitem": Operation(operator.getitem, as_index),
    builtins.getattr.__name__: Operation(attribute, as_broadcast),
}
METHODS: Mapping[str, Operation] = {
    **_both(torch.Tensor, ""),
    **_named(torch.Tensor, "", ONLY_METHODS, as_broadcast),
    **_named(torch.Tensor, "", "expand", as_expanded),
    **_named(torch.Tensor, "", "repeat", as_repeated),
    **_named(torch.Tensor, "", "unfold", as_windows),
    **_named(torch.Tensor, "", "new_zeros new_ones new_full", as_shaped),
}
