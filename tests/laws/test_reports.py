"""Reports for machines: JUnit XML, JSON and its schema, the badge."""

import json
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.laws.baseline import Excuse
from contract.laws.driver import Trace
from contract.laws.reports.badge import AMBER, GREEN, RED, as_badge
from contract.laws.reports.files import REPORTS, write_reports
from contract.laws.reports.junit import as_junit
from contract.laws.reports.record import Record
from tests.laws.records import mixed, outcome, record

SCHEMA = Record.model_json_schema(mode="serialization")
SVG = "{http://www.w3.org/2000/svg}"


def cases(made):
    return {
        case.get("name", "").partition(" ")[0]: case
        for case in ET.fromstring(as_junit(made)).iter("testcase")
        if case.get("classname") != "conformance.baseline"
    }


def test_junit_counts_add_up():
    root = ET.fromstring(as_junit(mixed()))
    counts = {name: int(root.get(name, "")) for name in ("tests", "failures", "errors", "skipped")}

    assert counts == {"tests": 7, "failures": 2, "errors": 1, "skipped": 3}
    for name, count in counts.items():
        assert sum(int(suite.get(name, "")) for suite in root) == count


def test_junit_has_a_case_for_each_law_with_what_came_of_it():
    found = cases(mixed())

    assert list(found["FUT-01"]) == []
    failure = found["FUT-02"].find("failure")
    assert failure is not None
    assert failure.get("message") == "request_id of the replay: expected 'one', got 'two'"
    assert "POST /api/v1/optim_step" in (failure.text or "")
    assert found["FUT-03"].find("error") is not None


@pytest.mark.parametrize(
    ("law_id", "message"),
    [
        ("SES-01", "known: not yet; request_id of the replay: expected 'one', got 'two'"),
        ("SES-02", "learning: three steps lower no loss"),
    ],
)
def test_junit_shows_known_failures_as_skipped_with_their_reason(law_id, message):
    skipped = cases(mixed())[law_id].find("skipped")

    assert skipped is not None
    assert skipped.get("message") == message


def test_junit_fails_where_no_law_was_tried():
    root = ET.fromstring(as_junit(record([outcome("FUT-01", "skipped")])))

    assert (root.get("failures"), root.get("skipped")) == ("1", "1")


def test_json_fits_its_schema_and_is_read_back():
    text = REPORTS["report.json"](mixed())

    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text))
    fields = json.loads(text)
    assert (fields["passed"], fields["percent"], fields["tried"]) == (False, 25, 4)
    assert fields["counts"] == mixed().counts
    computed = {"counts", "tried", "percent", "passed"}
    assert Record.model_validate({k: v for k, v in fields.items() if k not in computed}) == mixed()


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"rows": [{}]}, {"passed": "yes"}, {"unknown": 1}, {"started_at": None}]
)
def test_the_schema_refuses_what_is_no_report(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(mixed().model_dump(mode="json") | change, SCHEMA)


@pytest.mark.parametrize(
    ("made", "colour", "value"),
    [
        (record([outcome("FUT-01")]), GREEN, "1 of 1"),
        (record([outcome("FUT-01", "broken")], {"FUT-01": Excuse("x")}), AMBER, "0 of 1"),
        (mixed(), RED, "1 of 4"),
        (record([outcome("FUT-01", "skipped")]), RED, "0 of 0"),
    ],
)
def test_the_badge_tells_the_score_in_a_colour(made, colour, value):
    svg = ET.fromstring(as_badge(made))

    assert [text.text for text in svg.iter(f"{SVG}text")] == ["tinker laws", value]
    assert colour in {rect.get("fill") for rect in svg.iter(f"{SVG}rect")}
    assert svg.get("aria-label") == f"tinker laws: {made.headline}"


def test_a_client_is_tried_by_scenarios():
    made = mixed().model_copy(update={"kind": "client"})

    assert "1 of 4 scenarios hold" in made.headline
    assert "tinker scenarios" in as_badge(made)


def test_all_reports_are_written_into_a_new_folder(tmp_path):
    paths = write_reports(mixed(), tmp_path / "new" / "reports")

    assert {path.name: path.read_text("utf-8") for path in paths} == {
        name: made(mixed()) for name, made in REPORTS.items()
    }


@given(st.text(st.characters(codec=None)))
def test_whatever_a_server_says_reports_are_well_formed(text):
    trace = (Trace("POST", f"/{text}", text, 200, text),)
    made = record([outcome("FUT-01", "broken", text, trace=trace), outcome("FUT-02", "skipped", text)])

    ET.fromstring(as_junit(made).encode())
    ET.fromstring(as_badge(made).encode())
    for name, report in REPORTS.items():
        assert report(made).encode(), name
