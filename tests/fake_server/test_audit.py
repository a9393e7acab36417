"""The audit log keeps the latest entries, and says what it no longer has."""

from datetime import UTC, datetime, timedelta

import pytest

from contract import AuditLogEntry
from fake_server.audit import AuditLog
from fake_server.handlers import copies
from tests.fake_server.driver import Driver

START = datetime(2026, 3, 1, 22, tzinfo=UTC)
TODAY = START.date()


def filled(hours, most_entries=3):
    """A log with an entry at each of some hours from the start."""
    log = AuditLog(most_entries)
    for hour in hours:
        event = "project_assign" if hour % 2 else "checkpoint_create"
        log.add(AuditLogEntry(timestamp=START + timedelta(hours=hour), event=event))
    return log


def told(log, day, resource=""):
    return [(entry.event, (entry.timestamp - START) // timedelta(hours=1)) for entry in log.of(day, resource)]


def test_a_day_that_is_whole_has_its_entries_alone():
    log = filled([0, 1, 2])
    assert told(log, TODAY) == [("checkpoint_create", 0), ("project_assign", 1)]
    assert told(log, TODAY, "project_") == [("project_assign", 1)]
    assert told(log, TODAY + timedelta(days=1)) == [("checkpoint_create", 2)]


def test_a_day_that_lost_entries_says_how_many_and_of_which_time():
    log = filled([0, 1, 2, 3, 4])
    drop, *kept = log.of(TODAY, "checkpoint_")
    assert (drop.event, drop.timestamp, kept) == ("audit_drop", START + timedelta(hours=1), [])
    assert drop.event_details == {
        "dropped": 2,
        "from": "2026-03-01T22:00:00+00:00",
        "until": "2026-03-01T23:00:00+00:00",
        "kept": 3,
    }
    assert told(log, TODAY + timedelta(days=1))[0] == ("checkpoint_create", 2)
    assert told(log, TODAY - timedelta(days=1)) == []


def test_every_day_between_the_dropped_says_so_in_its_own_time():
    log = filled([0, 60, 61, 62, 63])
    for days, event in ((-1, None), (0, "audit_drop"), (2, "audit_drop"), (3, "audit_drop"), (4, None)):
        day = TODAY + timedelta(days=days)
        entries = log.of(day, "checkpoint_")
        assert [entry.event for entry in entries[:1]] == ([event] if event else [])
        assert all(entry.timestamp.date() == day for entry in entries)


def test_the_log_of_a_server_is_bounded():
    driver = Driver()
    for number in range(10_002):
        driver.service.note("checkpoint_create", tinker_path=f"tinker://s:train:0/weights/{number}")
    drop, *kept = driver.get("audit?event_type=projects").json["entries"]
    assert (drop["event"], drop["event_details"]["dropped"], kept) == ("audit_drop", 2, [])
    assert len(driver.get("audit").json["entries"]) == 10_001


@pytest.mark.parametrize(("most", "runs"), [(2, 2), (1, 3)])
def test_the_latest_copies_are_replayed_by_their_key(monkeypatch, most, runs):
    monkeypatch.setattr(copies, "MOST_COPIES", most)
    driver = Driver()
    body = {"model_id": driver.model(), "seq_id": 1, "path": "s"}
    source = driver.result("save_weights", body)["path"]
    copy = {"source_path": source, "destination_project_id": "p"}
    paths = [
        driver.answer("copy_weights", copy, x_idempotency_key=key)["tinker_path"] for key in ("a", "b", "a")
    ]
    assert len(set(paths)) == runs
    assert len(driver.service.copies) == most
