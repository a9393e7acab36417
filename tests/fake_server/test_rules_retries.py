"""Rules of trying again: for each a client that breaks it, and one that nearly does."""

from collections.abc import Mapping

import pytest

from contract import ClientConfigResponse
from fake_server.settings import Settings
from fake_server.wire import Answer
from tests.fake_server.driver import Driver
from tests.fake_server.journals import Script, found

WEDNESDAY = "Wed, 18 Jun 2025 12:00:30 GMT"


@pytest.fixture
def driver():
    return Driver(control=True)


@pytest.fixture
def script():
    return Script()


def refusing(driver: Driver, operation: str, status: int, headers: Mapping[str, str], times: int = 1) -> None:
    """Answer the first requests of an operation with a status."""
    left = [times]

    async def refuse(exchange, row, incoming, serve):
        if row.name != operation or not left[0]:
            return await serve()
        left[0] -= 1
        exchange.faults.append("status")
        return Answer(status, b'{"detail": "no"}', headers=headers)

    driver.service.traffic.interceptors.append(refuse)


def test_an_error_that_is_final_is_not_tried_again(driver):
    model = driver.model()
    for _ in range(2):
        driver.post("optim_step", driver.step(model, 0))

    (said,) = found(driver.controls.journal, "CLI-06")
    assert said.startswith("optim_step was answered with 422 (seq_id: expected 1 to 2**63 - 1, got 0)")


def test_the_next_number_after_an_error_is_another_request(driver):
    model = driver.model()
    driver.post("optim_step", {"model_id": model, "seq_id": 1})
    driver.post("optim_step", driver.step(model, 2))

    assert not found(driver.controls.journal, "CLI-06")


def test_a_question_that_is_asked_twice_is_no_retry(driver):
    for _ in range(2):
        driver.post("get_info", {"model_id": "nobody"})
        driver.post("session_heartbeat", {"session_id": "nobody"})

    assert not found(driver.controls.journal, "CLI-06")


def test_a_question_that_says_it_is_a_retry_is_one(driver):
    driver.post("get_info", {"model_id": "nobody"})
    driver.post("get_info", {"model_id": "nobody"}, x_stainless_retry_count="1")

    assert len(found(driver.controls.journal, "CLI-06")) == 1


def test_a_future_that_there_is_not_is_not_polled_again(driver):
    for _ in range(2):
        driver.poll("nothing")

    assert len(found(driver.controls.journal, "CLI-06")) == 1


@pytest.mark.parametrize(("polls", "findings"), [(4, 0), (5, 1)])
def test_a_poll_may_be_tried_three_times_more_after_400(script, polls, findings):
    for _ in range(polls):
        script.read(1, {"detail": "no"}, status=400, answer_bytes=9)

    assert len(found(script.journal, "CLI-06")) == findings


def test_an_answer_that_asks_for_another_try_is_not_final(driver):
    refusing(driver, "optim_step", 400, {"x-should-retry": "true"})
    model = driver.model()
    for _ in range(2):
        driver.post("optim_step", driver.step(model, 1))

    assert not found(driver.controls.journal, "CLI-06")


def test_an_expired_token_is_not_final():
    driver = Driver(Settings(client_config=ClientConfigResponse(pjwt_auth_enabled=True)), control=True)
    for count in ("0", "1"):
        driver.post("get_info", {"model_id": "m"}, x_idempotency_key="a", x_stainless_retry_count=count)

    assert driver.controls.journal.calls().first().status == 401
    assert not found(driver.controls.journal, "CLI-06")


def test_a_proxys_empty_400_is_not_final(script):
    for _ in range(2):
        script.add("optim_step", {"model_id": "m", "seq_id": 1}, status=400, faults=["empty_400"])

    assert not found(script.journal, "CLI-06")


def test_an_answer_that_broke_off_is_not_final(script):
    for _ in range(2):
        script.add("optim_step", {"model_id": "m", "seq_id": 1}, status=403, faults=["truncate", "status"])

    assert not found(script.journal, "CLI-06")


@pytest.mark.parametrize(("waits", "findings"), [(0, 1), (4, 1), (5, 0)])
def test_retry_after_is_waited_for(driver, waits, findings):
    model = driver.model()
    refusing(driver, "optim_step", 503, {"Retry-After": "5"})
    driver.post("optim_step", driver.step(model, 1))
    driver.clock.advance(waits)
    driver.post("optim_step", driver.step(model, 1))

    assert len(found(driver.controls.journal, "CLI-07")) == findings


def test_retry_after_is_waited_for_in_the_clients_own_time(script):
    first = script.promise("optim_step", 1, status=429, answer_headers={"retry-after": "5"}, at=1.0)
    again = script.promise("optim_step", 1, at=1.0)
    first.real_at, again.real_at = 100.0, 105.0

    assert not found(script.journal, "CLI-07")


@pytest.mark.parametrize(
    ("headers", "findings"),
    [
        ({"retry-after-ms": "900"}, 0),
        ({"retry-after-ms": "1900"}, 1),
        ({"retry-after": WEDNESDAY}, 1),
        ({"retry-after": "soon"}, 0),
        ({}, 0),
    ],
)
def test_retry_after_has_several_forms(script, headers, findings):
    start = 1_750_248_000.0  # 2025-06-18 12:00:00
    script.promise("optim_step", 1, status=429, answer_headers=headers, at=start)
    script.promise("optim_step", 1, at=start + 1)

    assert len(found(script.journal, "CLI-07")) == findings


def test_samples_wait_by_a_rule_of_their_own(script):
    request = {"sampling_session_id": "s:sample:0", "seq_id": 1}
    for at in (1.0, 2.0, 2.1):
        script.add("asample", request, status=429, answer_headers={"retry-after": "30"}, at=at)

    assert found(script.journal, "CLI-07") == ["asample was told to wait 30 s, and came again after 0.1 s"]


def test_a_request_that_crossed_the_answer_did_not_ignore_it(script):
    headers = {"retry-after": "5"}
    script.promise("optim_step", 1, status=503, answer_headers=headers, at=1.0, answered_at=2.0)
    script.promise("optim_step", 1, at=1.5)

    assert not found(script.journal, "CLI-07")


def test_a_date_on_a_good_answer_is_nobodys_order(script):
    script.promise("optim_step", 1, answer_headers={"retry-after": "5"}, at=1.0)
    script.promise("optim_step", 1, at=1.0)

    assert not found(script.journal, "CLI-07")


def test_attempts_without_a_pause_are_a_storm(driver):
    model = driver.model()
    refusing(driver, "optim_step", 503, {}, times=9)
    for _ in range(9):
        driver.post("optim_step", driver.step(model, 1))

    (said,) = found(driver.controls.journal, "CLI-08")
    assert "optim_step was sent 5 times within" in said
    assert "each time answered with 503" in said


def test_attempts_with_growing_pauses_are_not(driver):
    model = driver.model()
    refusing(driver, "optim_step", 503, {}, times=9)
    for attempt in range(9):
        driver.post("optim_step", driver.step(model, 1))
        driver.clock.advance(0.4 * 2**attempt)

    assert not found(driver.controls.journal, "CLI-08")


def test_attempts_that_the_server_asked_for_are_no_storm(driver):
    model = driver.model()
    refusing(driver, "optim_step", 503, {"retry-after-ms": "10"}, times=9)
    for _ in range(9):
        driver.post("optim_step", driver.step(model, 1))

    assert not found(driver.controls.journal, "CLI-08")


@pytest.mark.parametrize(("status", "findings"), [(500, 0), (429, 1)])
def test_polls_may_come_again_at_once_but_not_after_429(script, status, findings):
    for _ in range(6):
        script.read(1, {"detail": "no"}, status=status, at=1.0)

    assert len(found(script.journal, "CLI-08")) == findings


def test_different_requests_are_no_storm(script):
    for number in range(9):
        script.add("get_info", {"model_id": str(number)}, status=503, at=1.0)

    assert not found(script.journal, "CLI-08")
