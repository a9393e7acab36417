"""Every violation of every request type that is sent: refused at its place, and nothing is changed."""

import json
import warnings

import pytest
from hypothesis import given, settings
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from contract import OPERATIONS
from contract.strategies import invalid, violations
from contract.strategies.form import dotted
from contract.versions import upgrade
from tests.fake_server.driver import Driver

POSTED = [
    row for row in OPERATIONS if row.method == "POST" and "{" not in row.route and row.request.model_fields
]


def traces(driver):
    store = driver.service.store
    tables = (store.sessions, store.models, store.samplers, store.checkpoints, store.losses)
    return (*map(len, tables), len(list(driver.service.futures)))


def is_tolerated(row, tree):
    """Whether a server repairs the body: what old clients leave out, nulls for defaults, unknown fields."""
    if not isinstance(tree, dict):
        return False
    try:
        TypeAdapter(row.request).validate_json(to_json(upgrade(row.name, tree)))
    except ValidationError as error:
        return {found["type"] for found in error.errors()} == {"extra_forbidden"}
    return True


def names(text, place):
    """Whether an error text names a place; keys of users' own mappings are quoted there."""
    parts = [str(part) for part in place if not isinstance(part, int)]
    return all(part in text for part in parts) if parts else "body" in text or "expected" in text


def is_refused(driver, row, found):
    before = traces(driver)
    reply = driver.post(row.route, found.body)
    assert 400 <= reply.status < 500, (found.name, reply)
    assert names(reply.json["detail"], found.place), (found.name, dotted(found.place), reply.json)
    assert traces(driver) == before


@pytest.fixture(scope="module")
def driver():
    driver = Driver()
    driver.model()
    return driver


@pytest.mark.parametrize("row", POSTED, ids=lambda row: row.name)
def test_every_violation_is_refused_at_its_place_and_changes_nothing(driver, row):
    known = violations(row.request).values()
    sent = [found for found in known if not is_tolerated(row, found.tree)]
    for found in sent:
        is_refused(driver, row, found)
    assert len(sent) > len(known) // 2


@pytest.mark.parametrize("row", POSTED, ids=lambda row: row.name)
def test_a_violation_in_a_drawn_body_is_refused_as_well(driver, row):
    @settings(max_examples=10, database=None, deadline=None)
    @given(invalid(row.request))
    def refused(found):
        if not is_tolerated(row, found.tree):
            is_refused(driver, row, found)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused()


def test_bodies_are_what_is_sent():
    found = violations(POSTED[0].request)["body: null"]
    assert json.loads(found.body) is None
