import numpy as np

from contract import TensorData
from fake_server.scripted_batch import Layout, flat

LAYOUT = Layout.of([2, 0, 3, 0])
NUMBERS = np.arange(5.0)


def test_each_datum_has_its_part() -> None:
    assert [part.tolist() for part in LAYOUT.split(NUMBERS)] == [[0, 1], [], [2, 3, 4], []]
    assert LAYOUT.sums(NUMBERS).tolist() == [1, 0, 9, 0]
    assert LAYOUT.spread(np.array([5, 6, 7, 8])).tolist() == [5, 5, 7, 7, 7]


def test_empty_datums_start_nowhere() -> None:
    assert LAYOUT.starts == [0, 2]


def test_a_position_is_in_a_datum_that_has_numbers() -> None:
    assert [LAYOUT.where(position) for position in (1, 2)] == [" (datum 1 of 4)", " (datum 3 of 4)"]


def test_a_fault_is_that_of_the_first_datum_that_has_one() -> None:
    assert LAYOUT.fault(NUMBERS > 9) is None
    assert LAYOUT.fault(NUMBERS > 2) == (2, 3, " (datum 3 of 4)")
    assert LAYOUT.fault(NUMBERS >= 1) == (1, 2, " (datum 1 of 4)")


def test_what_a_sparse_tensor_does_not_list_is_0() -> None:
    sparse = TensorData(
        data=[7], dtype="int64", shape=[2, 2], sparse_crow_indices=[0, 0, 1], sparse_col_indices=[1]
    )
    assert flat(sparse).tolist() == [0, 0, 0, 7]
