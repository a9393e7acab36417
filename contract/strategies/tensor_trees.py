"""JSON forms of tensors: dense of several ranks, and compressed sparse rows."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.strategies.form import Tree, Violation
from contract.strategies.number_forms import leaf
from contract.strategies.overrides import Override

__all__ = ["FLOATS", "TENSOR", "WHOLES", "tensor_trees"]

WHOLES = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
MOST_COLUMNS = 6
MOST_VALUES = 6


def _dense(dtype: str, numbers: SearchStrategy[Any]) -> SearchStrategy[dict[str, Tree]]:
    return st.tuples(st.lists(numbers, max_size=MOST_VALUES), st.integers(0, 4)).map(
        lambda drawn: {"data": drawn[0], "dtype": dtype, **_shaped(len(drawn[0]), drawn[1])}
    )


def _flat(dtype: str, numbers: SearchStrategy[Any]) -> SearchStrategy[dict[str, Tree]]:
    return st.lists(numbers, max_size=MOST_VALUES).map(lambda data: {"data": data, "dtype": dtype})


def _shaped(count: int, choice: int) -> dict[str, Tree]:
    """One of the shapes that hold `count` numbers."""
    half = [2, count // 2] if count and count % 2 == 0 else [count, 1]
    shapes = [None, [count], [1, count], half, [] if count == 1 else [count]]
    shape = shapes[choice]
    return {} if shape is None else {"shape": shape}


def _sparse(dtype: str, numbers: SearchStrategy[Any]) -> SearchStrategy[dict[str, Tree]]:
    row = st.dictionaries(st.integers(0, MOST_COLUMNS - 1), numbers, max_size=3)
    return st.lists(row, max_size=3).map(lambda rows: _of_rows(rows, dtype))


def _of_rows(rows: list[dict[int, Tree]], dtype: str) -> dict[str, Tree]:
    starts, columns, data = [0], [], []
    for row in rows:
        columns += sorted(row)
        data += [row[column] for column in sorted(row)]
        starts.append(len(columns))
    return {
        "data": data,
        "dtype": dtype,
        "shape": [len(rows), MOST_COLUMNS],
        "sparse_crow_indices": starts,
        "sparse_col_indices": columns,
    }


def tensor_trees(
    wholes: SearchStrategy[int] = WHOLES, floats: SearchStrategy[float] = FLOATS
) -> SearchStrategy[dict[str, Tree]]:
    """JSON forms of `TensorData`; the simplest is an empty list of integers."""
    return (
        _flat("int64", wholes)
        | _dense("int64", wholes)
        | _dense("float32", floats)
        | _sparse("int64", wholes)
        | _sparse("float32", floats)
    )


_EDGES: Mapping[str, dict[str, Tree]] = {
    "a scalar": {"data": [0], "dtype": "int64", "shape": []},
    "no rows": {"data": [], "dtype": "float32", "shape": [0, 5]},
    "no columns": {"data": [], "dtype": "float32", "shape": [5, 0]},
    "many dimensions": {"data": [0.0], "dtype": "float32", "shape": [1] * 8},
    "whole numbers as floats": {"data": [1.0, -0.0], "dtype": "int64"},
    "integers as float32": {"data": [1, 2**24 + 1], "dtype": "float32"},
    "largest of float32": {"data": [3.4028234663852886e38, 1.401298464324817e-45], "dtype": "float32"},
    "largest of int64": {"data": [2**63 - 1, -(2**63)], "dtype": "int64"},
    "sparse without values": _of_rows([{}, {}], "int64"),
    "sparse without rows": _of_rows([], "float32"),
    "sparse and full": _of_rows([dict.fromkeys(range(MOST_COLUMNS), 1)] * 2, "int64"),
}


def _layout(what: str, **fields: Tree) -> Violation:
    return leaf("value_error", what, {"data": [1, 2], "dtype": "int64", **fields})


TENSOR = Override(
    tensor_trees(),
    _EDGES,
    (
        _layout("a shape that holds more", shape=[3]),
        _layout("a shape that holds less", shape=[]),
        _layout("a negative dimension", shape=[-1, -2]),
        _layout("a fraction among whole numbers", data=[0.5, 1.5]),
        _layout("more than 64 bits", data=[2**63, 0]),
        _layout("row starts without columns", shape=[1, 2], sparse_crow_indices=[0, 2]),
        _layout("columns without row starts", shape=[1, 2], sparse_col_indices=[0, 1]),
        _layout("sparse without a shape", sparse_crow_indices=[0, 2], sparse_col_indices=[0, 1]),
        _layout("sparse of one dimension", shape=[2], sparse_crow_indices=[0, 2], sparse_col_indices=[0, 1]),
        _layout("too few row starts", shape=[2, 2], sparse_crow_indices=[0, 2], sparse_col_indices=[0, 1]),
        _layout(
            "falling row starts", shape=[3, 2], sparse_crow_indices=[0, 2, 1, 2], sparse_col_indices=[0, 1]
        ),
        _layout("a column outside", shape=[1, 2], sparse_crow_indices=[0, 2], sparse_col_indices=[0, 2]),
    ),
)
"""Tensors: every layout, and every rule between numbers, shape and indices."""
