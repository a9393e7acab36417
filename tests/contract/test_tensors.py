import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pydantic import ValidationError

from contract.tensors import TensorData

shapes = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
floats = npst.arrays(np.float32, shapes, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
integers = npst.arrays(np.int64, shapes)
matrices = npst.arrays(
    np.int64, npst.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.integers(-1, 1)
)


def sparse(matrix, pad):
    """`matrix` with its cells other than `pad` listed by row."""
    listed = matrix != pad
    return TensorData(
        data=matrix[listed].tolist(),
        dtype="int64",
        shape=list(matrix.shape),
        sparse_crow_indices=[0, *np.cumsum(listed.sum(1)).tolist()],
        sparse_col_indices=np.nonzero(listed)[1].tolist(),
    )


@given(floats | integers)
def test_an_array_comes_back_with_its_shape_and_dtype(array):
    back = TensorData.from_numpy(array).to_numpy()
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@given(floats | integers)
def test_a_tensor_crosses_json_unchanged(array):
    tensor = TensorData.from_numpy(array)
    assert TensorData.model_validate_json(tensor.model_dump_json()) == tensor


@given(matrices, st.integers(-1, 1))
def test_a_sparse_tensor_is_its_listed_values_on_a_ground_of_pad_values(matrix, pad):
    tensor = sparse(matrix, pad)
    assert tensor.is_sparse
    np.testing.assert_array_equal(tensor.to_numpy(pad), matrix)
    assert tensor.tolist(pad) == matrix.tolist()


@pytest.mark.sdk
@given(floats | integers)
@settings(derandomize=True, deadline=None)
def test_the_sdk_reads_our_tensors_as_we_do(array):
    from tinker import types

    tensor = TensorData.from_numpy(array)
    theirs = types.TensorData(**tensor.model_dump()).to_numpy()
    assert theirs.dtype == array.dtype
    np.testing.assert_array_equal(theirs, tensor.to_numpy())


@given(
    npst.arrays(
        st.sampled_from([np.float64, np.float16, np.int32, np.int8]), shapes, elements=st.integers(0, 9)
    )
)
def test_other_floats_and_integers_become_the_two_wire_types(array):
    tensor = TensorData.from_numpy(array)
    assert tensor.dtype == ("float32" if array.dtype.kind == "f" else "int64")


@pytest.mark.parametrize("dtype", ["bool", "uint8", "complex64", "U1"])
def test_other_arrays_are_refused(dtype):
    with pytest.raises(ValueError, match=r"array dtype: expected floats or signed integers, got "):
        TensorData.from_numpy(np.zeros(1, dtype))


def test_without_a_shape_there_is_one_dimension():
    tensor = TensorData(data=[1, 2, 3], dtype="int64")
    assert tensor.dimensions == (3,)
    assert tensor.tolist() == [1, 2, 3]


def test_what_is_handed_out_is_a_copy():
    tensor = TensorData.from_numpy(np.zeros(2, np.float32))
    tensor.to_numpy()[0] = 1
    assert tensor.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        tensor.values[0] = 1


@pytest.mark.parametrize("shape", [[2], [-1, -3], [2, 2], []])
def test_a_shape_that_does_not_hold_the_values_is_refused(shape):
    with pytest.raises(ValidationError, match="shape: expected one that holds 3 values, got "):
        TensorData(data=[1, 2, 3], dtype="int64", shape=shape)


@pytest.mark.parametrize("number", [0.5, float("nan"), float("inf")])
def test_an_integer_tensor_takes_whole_numbers_alone(number):
    with pytest.raises(
        ValidationError, match="data: expected whole numbers for dtype int64, got 1 that are not"
    ):
        TensorData(data=[1.0, number], dtype="int64")
    assert TensorData(data=[1.0, 2.0], dtype="int64").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sparse_crow_indices": None}, "expected sparse_crow_indices, sparse_col_indices and a 2-D shape"),
        ({"sparse_col_indices": None}, "expected sparse_crow_indices, sparse_col_indices and a 2-D shape"),
        ({"shape": None}, "and a 2-D shape, got shape None"),
        ({"shape": [4]}, r"and a 2-D shape, got shape \[4\]"),
        ({"shape": [2, -2]}, r"and a 2-D shape, got shape \[2, -2\]"),
        ({"sparse_crow_indices": [0, 2]}, "expected 3 row starts from 0 to 2 .*, got 2 row starts"),
        ({"sparse_crow_indices": [1, 1, 2]}, "expected 3 row starts from 0 to 2"),
        ({"sparse_crow_indices": [0, 1, 1]}, "expected 3 row starts from 0 to 2"),
        ({"sparse_col_indices": [0, 1, 1]}, "and as many columns as values, got 3 row starts and 3 columns"),
        (
            {"sparse_crow_indices": [0, 3, 2]},
            r"expected rising row starts and columns in \[0, 2\), got others",
        ),
        ({"sparse_col_indices": [0, 2]}, r"expected rising row starts and columns in \[0, 2\), got others"),
        ({"sparse_col_indices": [-1, 0]}, r"expected rising row starts and columns in \[0, 2\), got others"),
    ],
)
def test_rows_that_do_not_fit_are_refused(change, message):
    rows = {"shape": [2, 2], "sparse_crow_indices": [0, 1, 2], "sparse_col_indices": [0, 1]}
    with pytest.raises(ValidationError, match=message):
        TensorData(data=[7, 8], dtype="int64", **{**rows, **change})


class FakeTensor:
    """As much of a torch tensor as is asked of one: an array behind torch's method names."""

    __module__ = "torch"

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = detach

    def is_floating_point(self):
        return self.array.dtype.kind == "f"

    def float(self):
        return FakeTensor(self.array.astype(np.float32))

    def numpy(self):
        return self.array


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "int64"])
def test_a_torch_tensor_becomes_one_of_the_two_wire_types(dtype):
    tensor = TensorData.from_torch(FakeTensor(np.arange(6, dtype=dtype).reshape(2, 3)))
    assert tensor.dtype == ("float32" if dtype.startswith("float") else "int64")
    assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_tensor_becomes_a_torch_tensor(monkeypatch):
    torch = ModuleType("torch")
    torch.from_numpy = lambda array: SimpleNamespace(array=array)
    monkeypatch.setitem(sys.modules, "torch", torch)
    made = TensorData(data=[1, 2], dtype="int64", shape=[2, 1]).to_torch()
    assert made.array.tolist() == [[1], [2]]


def test_integers_have_64_bits():
    with pytest.raises(ValidationError, match="data: expected 64-bit integers, got a number that is larger"):
        TensorData(data=[2**63], dtype="int64")
