import re

import pytest

from contract.operations import OPERATIONS, UNSERVED, Deferred

ROWS = [*OPERATIONS, *UNSERVED]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_says_what_it_does_in_one_sentence(row):
    assert row.summary.endswith(".")
    assert row.summary[0].isupper()


def test_names_and_routes_are_unique():
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({(row.method, row.route) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_what_stands_in_a_path_is_a_field_of_the_request(row):
    assert set(re.findall(r"\{(\w+)\}", row.route)) <= row.request.model_fields.keys()


@pytest.mark.parametrize("row", [r for r in OPERATIONS if isinstance(r, Deferred)], ids=lambda row: row.name)
def test_work_is_posted(row):
    assert (row.method, row.path) == ("POST", "")
    assert row.route == f"/api/v1/{row.name}"


@pytest.mark.parametrize("row", UNSERVED, ids=lambda row: row.name)
def test_what_is_not_served_says_why(row):
    assert row.reason


def test_every_row_is_in_an_area():
    areas = {row.area for row in OPERATIONS}
    assert areas == {"service", "auth", "sessions", "training", "sampling", "weights", "futures", "account"}
