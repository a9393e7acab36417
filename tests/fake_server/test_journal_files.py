"""A journal as files: JSON lines that are read back, HAR, over HTTP and by the command."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount

from fake_server.app import create_app
from fake_server.cli import main
from fake_server.har import as_har
from fake_server.journal import Journal
from fake_server.journal_files import as_lines, journal_of, open_journal, read_journal
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from tests.fake_server.driver import Driver
from tests.fake_server.journals import Script, lived

TEXT, NUMBER = {"type": "string"}, {"type": "number"}
PAIRS = {
    "type": "array",
    "items": {"required": ["name", "value"], "properties": {"name": TEXT, "value": TEXT}},
}
MESSAGE = {"httpVersion": TEXT, "cookies": {"type": "array"}, "headers": PAIRS}
SIZES = {"headersSize": {"type": "integer"}, "bodySize": {"type": "integer"}}


def having(**properties):
    """An object with all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}


HAR = having(
    log=having(
        version={"const": "1.2"},
        creator=having(name=TEXT, version=TEXT),
        entries={
            "type": "array",
            "items": having(
                startedDateTime={"type": "string", "format": "date-time"},
                time={"type": "number", "minimum": 0},
                request=having(method=TEXT, url=TEXT, queryString=PAIRS, **MESSAGE, **SIZES),
                response=having(
                    status={"type": "integer"},
                    statusText=TEXT,
                    content=having(size={"type": "integer"}, mimeType=TEXT),
                    redirectURL=TEXT,
                    **MESSAGE,
                    **SIZES,
                ),
                cache={"type": "object"},
                timings=having(send=NUMBER, wait=NUMBER, receive=NUMBER),
            ),
        },
    )
)
"""The fields that HAR 1.2 requires. Source: HTTP Archive 1.2 specification."""


@pytest.fixture(scope="module")
def driver():
    driver = lived()
    driver.get("training_runs?limit=2&access_scope=owned")
    driver.get("training_runs/nobody:train:0/checkpoints")
    driver.call("PUT", "sessions/nobody/project", {"project_id": "p"})
    return driver


def test_json_lines_are_read_back(driver):
    journal = driver.controls.journal
    text = as_lines(journal)
    again = journal_of(text.splitlines())

    assert as_lines(again) == text
    assert [call.outcome for call in again.calls("optim_step")] == journal.calls("optim_step").outcomes()
    again.assert_order("create_session", "create_model", "forward_backward", "optim_step", "save_state")


def test_numbers_that_json_does_not_know_are_read_back():
    script = Script()
    script.add("asample", {"prompt": float("nan")}, {"sequences": [float("-inf")]})
    text = as_lines(script.journal)

    assert '"NaN"' in text
    assert '"-Infinity"' in text
    assert as_lines(journal_of(text.splitlines())) == text


def test_a_client_without_a_version_stays_one(driver):
    entries = driver.get("/-/journal").json["entries"]
    script = Script()
    script.add("healthz", sdk="0.18.0")
    (read,) = journal_of(as_lines(script.journal).splitlines()).calls(sdk="0.18.0")

    assert {entry["sdk_version"] for entry in entries} == {None}
    assert read.sdk_version == "0.18.0"


@pytest.mark.parametrize("line", ["[]", '{"number": 1}', "no json", '{"number": "x"}'])
def test_a_line_that_is_no_entry_is_named(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    path.write_text(f"\n{line}\n")

    with pytest.raises(ValueError, match=r"journal.jsonl, line 2: expected an entry of a journal, got"):
        read_journal(path)


def test_an_empty_file_is_an_empty_journal(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text("")

    assert len(read_journal(path)) == 0


def test_har_has_what_the_specification_requires(driver):
    har = json.loads(json.dumps(as_har(driver.controls.journal)))

    Draft202012Validator(HAR, format_checker=FormatChecker(["date-time"])).validate(har)
    assert len(har["log"]["entries"]) == len(driver.controls.journal)


def test_har_tells_url_query_and_bodies(driver):
    entries = as_har(driver.controls.journal)["log"]["entries"]
    listing = next(e for e in entries if e["_operation"] == "list_training_runs")
    step = next(e for e in entries if e["_operation"] == "optim_step")
    runs = next(e for e in entries if e["_operation"] == "list_checkpoints")

    assert listing["request"]["url"].endswith("/api/v1/training_runs?limit=2&offset=0&access_scope=owned")
    assert {"name": "limit", "value": "2"} in listing["request"]["queryString"]
    assert json.loads(step["request"]["postData"]["text"])["seq_id"] == 2
    assert json.loads(step["response"]["content"]["text"])["request_id"]
    assert "/training_runs/nobody:train:0/checkpoints" in runs["request"]["url"]
    assert (runs["response"]["status"], runs["response"]["statusText"]) == (404, "Not Found")


def test_har_has_requests_that_nobody_waited_for():
    script = Script()
    script.add("get_session", status=0, answered_at=None)
    script.add("healthz", status=499)
    unanswered, odd = as_har(script.journal)["log"]["entries"]

    assert (unanswered["response"]["status"], unanswered["response"]["headers"]) == (0, [])
    assert unanswered["request"]["url"].endswith("/sessions/{session_id}")
    assert odd["response"]["statusText"] == ""


def test_the_journal_is_served_in_all_forms(driver):
    assert driver.get("/-/journal.jsonl").body.decode() == as_lines(driver.controls.journal)
    assert driver.get("/-/journal.har").json == as_har(driver.controls.journal)


def test_the_journal_is_filtered_over_http(driver):
    model = driver.controls.journal.calls("optim_step").first().model_id

    def numbers(query):
        return [entry["seq_id"] for entry in driver.get(f"/-/journal?{query}").json["entries"]]

    steps = driver.get(f"/-/journal?operation=optim_*&model_id={model}&seq_id=4").json["entries"]
    assert [step["request"]["seq_id"] for step in steps] == [4]
    assert steps[0]["model_id"] == model
    assert len(driver.get("/-/journal?status=404").json["entries"]) == 2
    assert driver.get("/-/journal?operation=sample&limit=0").json["entries"] == []


def test_an_operation_that_there_is_not_is_refused_over_http(driver):
    reply = driver.get("/-/journal?operation=optim_stp")

    assert (reply.status, "did you mean 'optim_step'" in reply.json["detail"]) == (400, True)


@pytest.fixture(scope="module")
def file(driver, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    path.write_text(as_lines(driver.controls.journal))
    return path


def test_the_command_shows_a_table(file, capsys):
    assert main(["journal", str(file), "--operation", "optim_*"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()

    assert head.split() == ["entry", "seconds", "operation", "seq_id", "status", "faults", "failure"]
    assert [row.split()[:5] for row in rows] == [
        ["#6", "+0.000", "optim_step", "2", "200"],
        ["#10", "+0.000", "optim_step", "4", "200"],
    ]


def test_the_command_writes_lines_and_har(file, capsys):
    assert main(["journal", str(file), "--jsonl"]) == 0
    assert capsys.readouterr().out == file.read_text()
    assert main(["journal", str(file), "--har", "--operation", "optim_step"]) == 0
    assert len(json.loads(capsys.readouterr().out)["log"]["entries"]) == 2


def test_the_command_of_nothing_shows_a_head(tmp_path, capsys):
    (tmp_path / "empty").write_text("")

    assert main(["journal", str(tmp_path / "empty")]) == 0
    assert capsys.readouterr().out.startswith("entry")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no/such/file"], "No such file"),
        (["pyproject.toml"], "line 1: expected an entry of a journal"),
        (["http://127.0.0.1:9"], "expected an answer, got"),
    ],
)
def test_the_command_complains_of_what_is_no_journal(arguments, said, capsys):
    assert main(["journal", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_command_complains_of_an_operation_that_there_is_not(file, capsys):
    assert main(["journal", str(file), "--operation", "optim_stp"]) == 2
    assert "did you mean 'optim_step'" in capsys.readouterr().err


def test_a_journal_is_fetched_from_a_server():
    app = create_app(open_scripted, control=True)
    with LiveServer(app) as server:
        Driver(app=app).get("healthz")
        journal = open_journal(server.url + "/")

    journal.assert_called_once("healthz")


def test_a_server_without_controls_says_so():
    with (
        LiveServer(create_app(open_scripted)) as server,
        pytest.raises(OSError, match=r"got 404: controls are off on this server; start it with --control$"),
    ):
        open_journal(server.url)


@pytest.mark.parametrize(("body", "said"), [(b"[]", "[]"), (b"{}", "{}"), (b"\xffno", "\ufffdno")])
def test_an_error_of_another_server_is_told_as_it_is(body, said):
    app = Starlette(routes=[Mount("/", Response(body, 502))])

    with LiveServer(app) as server, pytest.raises(OSError, match=f"got 502: {re.escape(said)}$"):
        open_journal(server.url)


def test_a_file_that_is_no_text_is_no_journal(tmp_path):
    (tmp_path / "j.jsonl").write_bytes(b"{\xad")

    with pytest.raises(ValueError, match=r"j.jsonl: expected a journal, which is text, got byte 1 that is"):
        read_journal(tmp_path / "j.jsonl")


def test_a_journal_of_no_tenant_has_plain_urls():
    script = Script()
    script.add("healthz")

    assert as_har(Journal())["log"]["entries"] == []
    assert as_har(script.journal)["log"]["entries"][0]["request"]["url"].endswith(".invalid/api/v1/healthz")
