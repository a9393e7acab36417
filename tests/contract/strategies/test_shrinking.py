"""What failures shrink to: the smallest value that still fails."""

from typing import Annotated, Any

import pytest
from hypothesis import find, settings
from pydantic import BaseModel, Field

from contract import Datum, SampleRequest, TensorData
from contract.strategies import invalid, mutations, trees, valid
from tests.contract.strategies.models import Cat, Containers, Dog, Numbers, Page, Tree


class Kennel(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]


SEARCH = settings(database=None, deadline=None, max_examples=100)

SIMPLEST: list[tuple[Any, Any]] = [
    (
        Numbers,
        {
            "small": 0,
            "share": 0.0,
            "open_share": 0.5,
            "step": 1.0,
            "price": "0.00",
            "digits": "0.1",
            "finite": 0.0,
        },
    ),
    (Containers, {"some": [0], "unique": [], "pair": [0, ""], "by_name": {"": []}}),
    (Page[Cat], {"items": []}),
    (Tree, {"label": ""}),
    (TensorData, {"data": [], "dtype": "int64"}),
    (Datum, {"loss_fn_inputs": {}, "model_input": {"chunks": []}}),
    (SampleRequest, {"prompt": {"chunks": []}, "sampling_params": {}}),
]


@pytest.mark.parametrize(("kind", "expected"), SIMPLEST, ids=lambda part: getattr(part, "__name__", ""))
def test_anything_shrinks_to_the_simplest_tree(kind, expected):
    assert find(trees(kind), lambda _: True, settings=SEARCH) == expected


def test_a_number_shrinks_to_the_first_that_fails():
    found = find(valid(Page[int]), lambda page: any(item > 1000 for item in page.items), settings=SEARCH)
    assert found.items == [1001]


def test_a_branch_shrinks_to_one_item_of_it():
    found = find(
        trees(Kennel), lambda tree: any(pet["kind"] == "hound" for pet in tree["pets"]), settings=SEARCH
    )
    assert found == {"pets": [{"kind": "hound", "name": ""}]}


def test_a_recursive_value_shrinks_to_one_level():
    found = find(trees(Tree), lambda tree: bool(tree.get("children")), settings=SEARCH)
    assert found == {"label": "", "children": [{"label": ""}]}


def test_a_tensor_shrinks_to_one_number_of_the_kind_that_fails():
    found = find(valid(TensorData), lambda tensor: tensor.is_sparse and len(tensor.data) > 0, settings=SEARCH)
    assert found.sparse_crow_indices == [0, 1]
    assert list(found.data) == [0]


def test_a_violation_shrinks_to_the_first_in_the_simplest_tree():
    assert find(invalid(Cat), lambda found: bool(found.place), settings=SEARCH).tree == {"kind": None}


def test_a_mutation_shrinks_to_the_loss_of_one_byte():
    assert find(mutations(b"abc"), lambda _: True, settings=SEARCH).what == "the last 1 bytes cut"
