"""Faults as values and as a control: schedules, counts, the JSON face, the command."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_server.app import create_app
from fake_server.fake import FakeServer
from fake_server.fault_answers import Status
from fake_server.faults import KINDS, Schedule
from fake_server.occasions import When
from fake_server.scripted import open_scripted
from tests.fake_server.driver import Driver
from tests.fake_server.raw_client import RawClient, until

LATE = {"kind": "latency", "seconds": 2.0, "when": {"operation": "sample", "nth": [1, 3]}}


@pytest.fixture
def driver():
    return Driver(control=True)


@pytest.fixture
def faults(driver):
    return driver.controls.faults


def test_a_schedule_is_json_and_back():
    schedule = Schedule.from_json(json.dumps({"faults": [LATE, {"kind": "reset", "at": 0.5}]}))

    assert Schedule.from_json(schedule.to_json()) == schedule
    assert json.loads(schedule.to_json())["faults"] == [LATE, {"kind": "reset", "at": 0.5}]


@given(st.integers(), st.lists(st.sampled_from(sorted(KINDS)), min_size=1), st.integers(1, 20))
def test_any_rolled_schedule_survives_json(seed, kinds, budget):
    schedule = Schedule.random(seed, kinds=kinds, budget=budget)

    assert Schedule.from_json(schedule.to_json()) == schedule
    assert len(schedule.faults) == budget


def test_schedules_add_up():
    one, other = Schedule.random(1), Schedule.random(2)

    assert (one + other).faults == (*one.faults, *other.faults)


def test_a_seed_determines_a_schedule():
    assert Schedule.random(5) == Schedule.random(5)
    assert Schedule.random(5) != Schedule.random(6)


def test_a_rolled_schedule_keeps_to_its_budget_and_calls():
    schedule = Schedule.random(3, operation="optim_step", budget=9, calls=4)

    assert all(fault.when.times == 1 and 1 <= fault.when.nth[0] <= 4 for fault in schedule.faults)
    assert {fault.when.operation for fault in schedule.faults} == {"optim_step"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kinds": ["fire"]}, "kinds: expected some of latency, .*, got 'fire'"),
        ({"kinds": []}, "expected 1 or more of each, got 0, 5 and 50"),
        ({"budget": 0}, "got 8, 0 and 50"),
        ({"operation": "optm_step"}, "near: optim_step"),
    ],
)
def test_a_schedule_that_cannot_be_rolled_says_why(fields, words):
    with pytest.raises(ValueError, match=words):
        Schedule.random(1, **fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"faults": [{"kind": "fire"}]}', r"faults\[0\]: expected one of .*latency.*, got 'fire'"),
        ('{"faults": [{"kind": "status", "status": 200}]}', r"faults\[0\]\.status: expected"),
        ('{"faults": [{"kind": "reset", "colour": 1}]}', r"faults\[0\]\.colour: expected no field"),
        ('{"faults": [{"kind": "reset", "when": {"operation": "x"}}]}', r"operation: expected the name"),
        ("{", "expected JSON"),
        ('{"faults": [{"kind": "status", "headers": {"Content-Length": "3"}}]}', "headers: expected none of"),
        ('{"faults": [{"kind": "status", "headers": {"a": "b\\r\\nc: d"}}]}', "ASCII without line ends"),
        ('{"faults": [{"kind": "status", "headers": {"": "x"}}]}', "ASCII without line ends"),
    ],
)
def test_a_text_that_is_no_schedule_names_the_place(text, words):
    with pytest.raises(ValueError, match=words):
        Schedule.from_json(text)


def test_a_predicate_is_no_data():
    schedule = Schedule(faults=(Status(when=When(predicate=lambda _: True)),))

    with pytest.raises(ValueError, match="status: expected a fault that JSON can carry, got a predicate"):
        schedule.to_json()


def test_a_fault_tells_what_it_does_and_when(faults):
    one = faults.status("optim_step", 502, times=2)

    assert str(one.fault) == "status on optim_step, status=502, times=2"
    assert str(one) == "status on optim_step, status=502, times=2: struck 0 of 0 calls"


def test_without_faults_nothing_stands_before_the_service(driver, faults):
    interceptors = driver.service.traffic.interceptors
    before = list(interceptors)
    faults.status("healthz", 500)
    faults.status("healthz", 501)
    assert len(interceptors) == len(before) + 1

    faults.clear()
    faults.clear()

    assert interceptors == before
    assert driver.get("healthz").status == 200


def test_what_struck_is_counted(driver, faults):
    one = faults.status("healthz", 500, nth=2)
    never = faults.status("optim_step", 500)
    statuses = [driver.get("healthz").status for _ in range(3)]

    assert statuses == [200, 500, 200]
    assert (one.calls, one.fired, len(faults)) == (3, 1, 2)
    assert faults.fired == {str(one.fault): 1, str(never.fault): 0}
    assert faults.unfired == [never]


def test_a_schedule_is_counted_from_the_start_wherever_it_is_set(driver, faults):
    schedule = Schedule(faults=(Status(when=When(operation="healthz", nth=1)),))
    faults.add(schedule)
    driver.get("healthz")

    (again,) = faults.add(schedule)

    assert (again.calls, driver.get("healthz").status, again.fired) == (0, 503, 1)


def test_fields_and_futures_choose_the_request(driver, faults):
    model = driver.model()
    faults.status("optim_step", 500, fields={"model_id": model, "seq_id": 2})
    polls = faults.status("retrieve_future", 500, future="optim_step")

    first, second = (driver.post("optim_step", driver.step(model, number)) for number in (1, 2))

    assert (first.status, second.status) == (200, 500)
    assert driver.poll(first.json["request_id"]).status == 500
    assert driver.poll("nothing").status == 404
    assert (polls.calls, polls.fired) == (1, 1)


def test_a_request_that_does_not_fit_matches_no_field(driver, faults):
    faults.status("optim_step", 500, fields={"seq_id": 1})

    assert driver.post("optim_step", {"model_id": 5}).status == 422


def test_an_operation_that_is_not_served_has_no_request(driver, faults):
    faults.status("*", 500, fields={"seq_id": 1})

    assert driver.post("sample", {}).status == 400


def test_predicates_see_the_decoded_request(driver, faults):
    faults.status("create_session", 503, predicate=lambda one: "bad" in one.request.tags)
    body = {"user_metadata": {}, "sdk_version": "0.38.0"}

    assert driver.post("create_session", {"tags": ["bad"], **body}).status == 503
    assert driver.post("create_session", {"tags": ["good"], **body}).status == 200


def test_a_fault_of_the_connection_in_process_fails_loudly(driver, faults):
    faults.lose_answer("healthz")

    with pytest.raises(LookupError, match="expected a request over tinkerproof's own server"):
        driver.get("healthz")


def test_a_refusal_in_process_fails_loudly(faults):
    with pytest.raises(LookupError, match="refuse: expected tinkerproof's own server"):
        faults.refuse()


def test_faults_are_set_seen_and_cleared_over_http(driver):
    made = driver.post("/-/faults", {"faults": [{"kind": "status", "when": {"operation": "healthz"}}]})
    assert made.json["url"] == "http://fake.test"
    assert driver.get("healthz").status == 503

    (seen,) = driver.get("/-/faults").json["faults"]
    assert seen == {
        "fault": {"kind": "status", "when": {"operation": "healthz"}},
        "calls": 1,
        "fired": 1,
    }
    assert driver.call("DELETE", "/-/faults").status == 204
    assert driver.get("healthz").status == 200


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ({"kind": "status", "when": {"operation": "optm_step"}}, 422, "near: optim_step"),
        ({"kind": "refuse"}, 400, "expected tinkerproof's own server"),
    ],
)
def test_a_wrong_fault_over_http_is_refused(driver, fault, status, words):
    reply = driver.post("/-/faults", {"faults": [fault]})

    assert (reply.status, words in reply.json["detail"]) == (status, True)
    assert driver.get("/-/faults").json["faults"] == []


def test_an_app_may_strike_each_tenant_from_the_start():
    app = create_app(open_scripted, faults=Schedule(faults=(Status(when=When(operation="healthz", nth=1)),)))
    statuses = [Driver(app=app, prefix=prefix).get("healthz").status for prefix in ("/t/a", "/t/a", "/t/b")]

    assert statuses == [503, 200, 503]
    assert Driver(app=app).get("/-/faults").status == 404


def served(*arguments):
    """The standard error of a server that is stopped once it runs."""
    command = [sys.executable, "-m", "fake_server.cli", "serve", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    process.terminate()
    _, said = process.communicate(timeout=30)
    return url, said


def test_the_command_rolls_faults_and_tells_how_to_repeat_them(tmp_path):
    file = tmp_path / "faults.json"
    file.write_text(json.dumps({"faults": [LATE]}))

    url, said = served("--faults", str(file), "--faults-seed", "7")

    assert url.startswith("http://")
    assert f"faults of --faults-seed 7: {Schedule.random(7).to_json()}" in said


def test_the_command_refuses_a_file_that_is_no_schedule(tmp_path):
    file = tmp_path / "faults.json"
    file.write_text('{"faults": [{"kind": "fire"}]}')

    url, said = served("--faults", str(file))

    assert (url, f"serve: --faults {file}: faults[0]: expected one of" in said) == ("", True)


def refused(client):
    try:
        client.get("healthz")
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.tinker_virtual_time
def test_connections_are_refused_for_a_while(tinker_fake, tinker_clock):
    one = tinker_fake.faults.refuse(seconds=10)
    client = RawClient(tinker_fake)
    assert refused(client)
    assert refused(client)

    tinker_clock.advance(9)
    assert refused(client)
    until(lambda: tinker_clock.advance(1) or not refused(client))

    assert client.get("healthz").status == 200
    assert one.fired == 1


def test_a_request_may_take_the_server_down_with_it(tinker_fake):
    one = tinker_fake.faults.refuse("create_session", work=True)
    client = RawClient(tinker_fake)
    idle = client.send("healthz", method="GET")
    assert client.read_rest(idle, whole=True)

    reply = client.post("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

    assert (reply.raw, reply.end) == (b"", "reset")
    assert client.read(idle).end == "reset"
    assert refused(client)
    assert (len(tinker_fake.service.store.sessions), one.fired) == (1, 1)
    tinker_fake.faults.clear()
    assert client.get("healthz").status == 200


def test_the_longest_of_two_refusals_counts(tinker_fake):
    tinker_fake.faults.refuse(seconds=0.001)
    tinker_fake.faults.refuse()
    client = RawClient(tinker_fake)

    tinker_fake.faults._open()

    assert refused(client)


def test_a_url_that_was_given_away_cannot_be_refused(tinker_fake):
    assert tinker_fake.url
    with pytest.raises(RuntimeError, match="refuse: expected to be set before the fake's url is given"):
        tinker_fake.faults.refuse()


def test_a_tenant_of_its_own_port_keeps_it(tinker_fake):
    usual = str(tinker_fake)
    tinker_fake.faults.refuse("healthz", nth=99)

    url = tinker_fake.url
    tinker_fake.faults.refuse("healthz", nth=98)

    assert url not in usual
    assert tinker_fake.url == url
    tinker_fake.faults.clear()


def test_over_http_the_answer_tells_the_new_url(tinker_fake):
    client = RawClient(tinker_fake)
    body = {"faults": [{"kind": "refuse", "at_once": True}, {"kind": "refuse", "when": {"nth": 9}}]}

    told = client.post_control("faults", body).json

    assert told["url"] == tinker_fake.url
    assert f"//{client.host}/" not in told["url"]
    assert refused(RawClient(tinker_fake))
    assert client.get("healthz").status == 200  # by the server's own port
    tinker_fake.faults.clear()


def test_a_door_that_leads_nowhere_any_more_is_closed():
    with FakeServer(open_scripted) as server:
        fake = server.fresh()
        fake.faults.refuse("healthz")
        faults = fake.faults
    faults.close()

    assert faults.door_url


def test_of_a_schedule_that_is_refused_nothing_is_set(driver):
    faults = [{"kind": "latency", "seconds": 1}, {"kind": "refuse"}]

    reply = driver.post("/-/faults", {"faults": faults})

    assert (reply.status, driver.get("/-/faults").json["faults"]) == (400, [])
