"""Rules of sessions: for each a client that breaks it, and one that nearly does."""

import pytest

from tests.fake_server.driver import Driver
from tests.fake_server.journals import Script, found


@pytest.fixture
def driver():
    return Driver(control=True)


def beat(driver, session):
    driver.post("session_heartbeat", {"session_id": session})


def finish(driver, session):
    driver.post(f"sessions/{session}/finish", {"reason": {"type": "success"}, "detail": None})


def test_a_client_that_works_and_does_not_beat_is_found(driver):
    session = driver.session()
    for _ in range(4):
        driver.clock.advance(50)
        driver.get(f"sessions/{session}")

    assert found(driver.controls.journal, "CLI-13") == [f"{session} had no heartbeat for 200 s"]


def test_a_client_that_beats_is_fine(driver):
    session = driver.session()
    driver.get("healthz")
    for _ in range(40):
        driver.clock.advance(50)
        driver.get(f"sessions/{session}")
        beat(driver, session)

    assert not found(driver.controls.journal, "CLI-13")


def test_a_clock_that_was_moved_by_hand_is_no_gap(driver):
    session = driver.session()
    driver.clock.advance(3600)
    driver.get(f"sessions/{session}")
    driver.get(f"sessions/{session}")

    assert not found(driver.controls.journal, "CLI-13")


def test_time_that_is_skipped_with_heartbeats_is_no_gap(driver):
    session = driver.session()
    for _ in range(4):
        driver.controls.clock.advance(3600, heartbeats=True)
        driver.get(f"sessions/{session}")

    assert not found(driver.controls.journal, "CLI-13")


def test_time_that_skips_by_itself_is_no_gap(driver):
    session = driver.session()
    for number in range(4):
        driver.model(session, number)
        driver.controls.clock.virtual(auto=True)
        driver.controls.delivery("optim_step").after(3600)
        driver.result("optim_step", driver.step(f"{session}:train:{number}", 1))

    assert driver.controls.journal.calls()[-1].arrived_at > 3 * 3600
    assert not found(driver.controls.journal, "CLI-13")


def test_a_finished_session_need_not_beat(driver):
    session = driver.session()
    finish(driver, session)
    for _ in range(4):
        driver.clock.advance(100)
        driver.get(f"sessions/{session}")

    assert not found(driver.controls.journal, "CLI-13")


def test_a_session_that_began_before_the_journal_is_not_judged(driver):
    session = driver.session()
    driver.controls.journal.clear()
    for _ in range(4):
        driver.clock.advance(100)
        driver.get(f"sessions/{session}")

    assert not found(driver.controls.journal, "CLI-13")


@pytest.mark.parametrize(("seconds", "findings"), [(10, 0), (20, 1)])
def test_a_heartbeat_long_after_the_end_is_found(driver, seconds, findings):
    session = driver.session()
    finish(driver, session)
    driver.clock.advance(seconds)
    beat(driver, session)

    assert len(found(driver.controls.journal, "CLI-14")) == findings


def test_work_after_the_end_is_found(driver):
    session = driver.session()
    model = driver.model(session)
    finish(driver, session)
    finish(driver, session)
    driver.post("optim_step", driver.step(model, 1))

    assert found(driver.controls.journal, "CLI-15") == [f"{session} was finished, and then optim_step came"]


def test_polls_and_replays_after_the_end_are_no_work(driver):
    session = driver.session()
    model = driver.model(session)
    promised = driver.answer("optim_step", driver.step(model, 1))["request_id"]
    finish(driver, session)
    driver.answer("optim_step", driver.step(model, 1))
    driver.poll(promised)

    assert not found(driver.controls.journal, "CLI-15")


def test_a_session_that_nobody_finished_is_noted(driver):
    left, ended = driver.session(), driver.session()
    finish(driver, ended)

    assert found(driver.controls.journal, "CLI-16") == [f"{left} was opened and, so far, not finished"]


def test_a_version_that_cannot_finish_is_not_blamed(driver):
    driver.headers["x-stainless-package-version"] = "0.27.0"
    driver.session()

    assert not found(driver.controls.journal, "CLI-16")


def test_a_session_that_was_refused_is_none():
    script = Script()
    script.add("create_session", status=400)
    script.add("finish_session", {"session_id": "s"}, status=404)

    assert not found(script.journal, "CLI-16")
    assert not found(script.journal, "CLI-14")
