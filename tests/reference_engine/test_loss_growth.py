"""Sizes that are foretold, against the sizes that torch gives."""

import operator
from typing import Any

import pytest
import torch

from reference_engine.loss_growth import as_index
from reference_engine.loss_operations import FUNCTIONS, METHODS, Operation

X, ROW, COLUMN, SCALAR = torch.ones(3, 4), torch.ones(4), torch.ones(3, 1), torch.ones(())
PLACES, MASK = torch.tensor([0, 2, 1, 1, 0]), torch.tensor([True, False, True])


def called(found: Operation, *args: Any, **kwargs: Any) -> tuple[int, int]:
    """Numbers foretold and numbers given."""
    result = found.function(*args, **kwargs)
    return found.size(found.function, args, kwargs)[0], result.numel()


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("zeros", (2, 3), {}),
        ("zeros", ((2, 3),), {"dtype": torch.int64}),
        ("ones", (), {"size": [2, 3], "requires_grad": False}),
        ("full", ((2, 3), 7), {}),
        ("eye", (4,), {}),
        ("eye", (4,), {"m": 5}),
        ("arange", (5,), {}),
        ("arange", (2, 9, 3), {}),
        ("arange", (0.5, 2.0), {"step": 0.25}),
        ("arange", (-7,), {"end": 2}),
        ("arange", (), {"end": 2}),
        ("linspace", (0, 1, 7), {}),
        ("linspace", (0, 1), {"steps": 7}),
        ("cat", ([X, X],), {"dim": 1}),
        ("stack", ((X, X, X),), {}),
        ("hstack", ([ROW, ROW],), {}),
        ("diff", (X,), {"prepend": COLUMN, "append": X}),
        ("nn.functional.pad", (X, (1, 2)), {}),
        ("nn.functional.pad", (X, [1, 2, 3, 4]), {"value": 1.0}),
        ("nn.functional.pad", (X,), {"pad": (0, 3)}),
        ("outer", (ROW, ROW), {}),
        ("quantile", (X, ROW / 4), {"dim": 0}),
        ("broadcast_to", (ROW, (5, -1)), {}),
        ("tile", (X, (2, 3)), {}),
        ("index_select", (X, 0, PLACES), {}),
        ("index_select", (X,), {"dim": 1, "index": PLACES}),
        ("matmul", (X, ROW), {}),
        ("matmul", (ROW, X.T), {}),
        ("matmul", (ROW, ROW), {}),
        ("matmul", (torch.ones(5, 1, 3, 4), torch.ones(2, 4, 6)), {}),
        ("mm", (X, X.T), {}),
        ("bmm", (torch.ones(2, 3, 4), torch.ones(2, 4, 5)), {}),
        ("mv", (X,), {"vec": ROW}),
        ("dot", (ROW, ROW), {}),
        ("inner", (X, torch.ones(5, 4)), {}),
        ("inner", (SCALAR, X), {}),
        ("inner", (X, SCALAR), {}),
        ("where", (MASK[:, None], ROW, 0.0), {}),
        ("take_along_dim", (X, torch.zeros(1, 4, dtype=torch.int64)), {"dim": 0}),
    ],
)
def test_a_function_gives_no_more_than_foretold(name, args, kwargs):
    foretold, given = called(FUNCTIONS[f"torch.{name}"], *args, **kwargs)
    assert given <= foretold <= 3 * given


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("expand", (COLUMN, -1, 4), {}),
        ("expand", (COLUMN, (5, 3, 4)), {}),
        ("expand", (COLUMN,), {"size": (3, 6), "implicit": False}),
        ("repeat", (X, 2, 3), {}),
        ("repeat", (X, [2, 1, 3]), {}),
        ("tile", (X,), {"dims": (2, 2)}),
        ("unfold", (X, 1, 2, 1), {}),
        ("unfold", (X,), {"dimension": -1, "size": 3, "step": 2}),
        ("new_zeros", (X, 2, 5), {}),
        ("new_full", (X, (2, 5), 3), {}),
        ("new_ones", (X,), {"size": (7,)}),
    ],
)
def test_a_method_gives_no_more_than_foretold(name, args, kwargs):
    foretold, given = called(METHODS[name], *args, **kwargs)
    assert given <= foretold <= 3 * given


@pytest.mark.parametrize(
    ("key", "most"),
    [
        (PLACES, 20),
        ((slice(None), PLACES), 15),
        ((..., PLACES), 15),
        ((None, ..., PLACES[None], None), 15),
        ((PLACES[:, None], PLACES[None]), 25),
        ((PLACES, PLACES), 5),
        ([0, 0, 1], 12),
        ((slice(None), [0, 1], None), 6),
        (([[0], [1]], PLACES), 10),
        (MASK, 12),
        ((MASK, slice(1, 3)), 12),
        ((MASK, PLACES[:1]), 3),
        (X > 0, 12),
        (1, 12),
        ((1, 2), 12),
        (True, 12),
        (slice(1, None), 12),
        (None, 12),
        (..., 12),
    ],
    ids=str,
)
def test_an_index_chooses_no_more_than_foretold(key, most):
    assert X[key].numel() <= most
    assert as_index(operator.getitem, (X, key), {}) == (most, 1)


def test_lists_of_lists_and_of_tensors_are_counted_place_by_place():
    assert as_index(operator.getitem, (X, [[0, 1], [2, 2]]), {}) == (16, 1)
    assert as_index(operator.getitem, (X, [PLACES, PLACES]), {}) == (40, 1)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("mm", (), {"mat2": X, "input": X.T}),
        ("inner", (), {"other": ROW, "input": X}),
        ("index_select", (X,), {"axis": 1, "index": PLACES}),
        ("index_select", (), {"index": PLACES, "dim": 0, "input": X}),
        ("unbind", (X,), {"axis": 1}),
        ("tile", (), {"dims": (2, 2), "input": X}),
        ("broadcast_to", (), {"size": (2, 3, 4), "input": X}),
    ],
)
def test_an_order_that_a_rule_does_not_know_is_refused(name, args, kwargs):
    found = FUNCTIONS[f"torch.{name}"]
    with pytest.raises((TypeError, LookupError, ValueError, AttributeError)):
        found.size(found.function, args, kwargs)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("zeros", (SCALAR.long(),), {}),
        ("zeros", ("3",), {}),
        ("arange", (SCALAR,), {}),
        ("linspace", (0, 1, SCALAR.long()), {}),
    ],
)
def test_sizes_are_numbers_that_are_known_before(name, args, kwargs):
    found = FUNCTIONS[f"torch.{name}"]
    with pytest.raises(TypeError, match=r"expected (whole )?numbers"):
        found.size(found.function, args, kwargs)
