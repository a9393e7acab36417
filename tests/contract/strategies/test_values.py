"""Valid values, boundaries and violations of every type, judged by pydantic itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.strategies import audit, edge, edges, invalid, trees, valid, violations
from tests.contract.strategies.models import CONTRACT_MODELS, FOREIGN, Cat, Numbers, Page
from tests.contract.strategies.refusals import refusals
from tests.draws import draws

TYPES = [*CONTRACT_MODELS, *FOREIGN]


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_values_are_drawn_and_hardly_any_is_refused(kind):
    made = audit(kind, examples=draws(20, 200))
    made.check()
    assert made.examples > 0


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_every_boundary_is_a_valid_value_with_a_name(kind):
    named = edges(kind)
    assert all(name and ": " in name for name in named)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_every_violation_is_refused_at_its_place_for_its_reason(kind):
    said = {name: (found, refusals(kind, found.tree)) for name, found in violations(kind).items()}
    assert {name: told for name, (found, told) in said.items() if (found.loc, found.type) not in told} == {}


@pytest.mark.parametrize("kind", [Numbers, Page[Cat]], ids=str)
def test_a_violation_is_the_only_one(kind):
    assert all(len(refusals(kind, found.tree)) == 1 for found in violations(kind).values())


@pytest.mark.parametrize("kind", FOREIGN, ids=str)
def test_a_violation_stands_in_values_that_are_otherwise_drawn(kind):
    @settings(max_examples=draws(15, 200), database=None, deadline=None)
    @given(invalid(kind))
    def is_refused(found):
        assert (found.loc, found.type) in refusals(kind, found.tree)

    is_refused()


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_a_boundary_is_drawn_like_a_value(data):
    assert data.draw(edge(Numbers)) in edges(Numbers).values()


@given(trees(Numbers))
@settings(max_examples=20, deadline=None)
def test_a_tree_is_what_json_carries(tree):
    assert refusals(Numbers, tree) == []
    assert isinstance(tree, dict)


@given(valid(Cat))
@settings(max_examples=20, deadline=None)
def test_a_value_has_the_type_that_was_asked_for(cat):
    assert isinstance(cat, Cat)
    assert 1 <= cat.lives <= 9


def test_the_body_of_a_violation_is_its_json():
    assert violations(Cat)["lives: a list"].body == b'{"lives":[]}'


def test_boundaries_are_named_for_people():
    assert list(edges(Cat)) == [
        "body: nothing but required fields",
        "body: every field",
        "kind: absent",
        "kind: 'cat'",
        "lives: absent",
        "lives: lowest",
        "lives: highest",
        "lives: one",
    ]


def test_violations_are_named_for_people():
    assert list(violations(Cat)) == [
        "body: null",
        "body: a list",
        "kind: null",
        "kind: another value",
        "kind: a list",
        "lives: null",
        "lives: a list",
        "lives: a text",
        "lives: a fraction",
        "lives: below the lowest",
        "lives: above the highest",
    ]
