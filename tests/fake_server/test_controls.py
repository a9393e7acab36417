"""The controls: off unless asked for, one table, and a JSON face for each."""

import pytest

from fake_server.app import create_app
from fake_server.clock import SystemClock
from fake_server.control_api import CONTROLS
from fake_server.fake import Fake
from fake_server.front import transport_of
from fake_server.journal import Journal
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from tests.fake_server.driver import Driver


@pytest.fixture
def driver():
    return Driver(control=True)


def test_controls_are_off_unless_they_are_asked_for():
    reply = Driver().get("/-/journal")

    assert reply.status == 404
    assert reply.json["detail"] == "controls are off on this server; start it with --control"


def test_a_fake_without_controls_says_so():
    with LiveServer(create_app(open_scripted)) as server:
        fake = Fake(server, "bare")
        with pytest.raises(LookupError, match="make its app with control=True"):
            _ = fake.journal


def test_each_control_has_a_name_and_a_url_of_its_own():
    rows = [control.binding.row for control in CONTROLS]

    assert len({row.name for row in rows}) == len(rows)
    assert len({(row.method, row.route) for row in rows}) == len(rows)


def test_the_journal_holds_requests_and_answers_decoded(driver):
    driver.session(tags=["one"])

    (entry,) = driver.get("/-/journal").json["entries"]

    assert entry["operation"] == "create_session"
    assert entry["request"]["tags"] == ["one"]
    assert entry["answer"]["session_id"]
    assert entry["status"] == 200


def test_a_poll_is_in_the_journal_with_the_outcome(driver):
    model = driver.model()
    driver.result("optim_step", driver.step(model, 1))

    poll = list(driver.controls.journal)[-1]

    assert poll.operation == "retrieve_future"
    assert "optim" in type(poll.answer).__name__.lower()


def test_an_error_is_in_the_journal_in_its_words(driver):
    driver.post("get_info", {"model_id": "nobody"})

    (entry,) = driver.get("/-/journal").json["entries"]

    assert (entry["status"], entry["answer"]["detail"][:17]) == (404, "no model 'nobody'")


def test_the_journal_can_be_asked_for_a_part(driver):
    session = driver.session()
    for _ in range(3):
        driver.post("session_heartbeat", {"session_id": session})

    asked = driver.get("/-/journal?operation=session_heartbeat&after=2&limit=1").json

    assert (asked["total"], [entry["number"] for entry in asked["entries"]]) == (4, [3])


def test_a_cleared_journal_is_empty(driver):
    driver.session()

    assert driver.call("DELETE", "/-/journal").status == 204
    assert driver.get("/-/journal").json == {"total": 0, "entries": []}


def test_a_full_journal_drops_the_oldest_and_counts_them(driver):
    journal = Journal(limit=2)
    driver.service.traffic.observers.append(journal.add)
    for _ in range(3):
        driver.get("healthz")

    assert ([entry.number for entry in journal], journal.total, len(journal)) == ([2, 3], 3, 2)


def test_a_virtual_clock_is_moved_over_http(driver):
    before = driver.get("/-/clock").json

    after = driver.post("/-/clock/advance", {"seconds": 5}).json

    assert before["virtual"]
    assert after["now"] == before["now"] + 5


def test_time_does_not_go_back(driver):
    reply = driver.post("/-/clock/advance", {"seconds": -1})

    assert (reply.status, reply.json["detail"]) == (400, "seconds: expected 0 or more, got -1.0")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (b"NaN", "seconds: expected 0 or more, got nan"),
        (b"Infinity", "seconds: expected a time before the year 10000, got inf from now"),
        (b"1e300", "seconds: expected a time before the year 10000, got 1e+300 from now"),
    ],
)
def test_time_does_not_leave_the_calendar(driver, seconds, said):
    reply = driver.post("/-/clock/advance", b'{"seconds": ' + seconds + b"}")

    assert (reply.status, reply.json["detail"]) == (400, said)
    assert driver.get("/-/clock").json["now"] == driver.clock.now()


def test_the_machines_clock_cannot_be_moved():
    driver = Driver(app=create_app(open_scripted, clocks=SystemClock, control=True))

    reply = driver.post("/-/clock/advance", {"seconds": 1})

    assert (reply.status, "expected a virtual one" in reply.json["detail"]) == (400, True)


def test_an_unknown_control_is_not_found(driver):
    assert driver.get("/-/nothing").status == 404


def test_a_request_in_process_has_no_connection():
    with pytest.raises(LookupError, match="expected a request over tinkerproof's own server"):
        transport_of({})
