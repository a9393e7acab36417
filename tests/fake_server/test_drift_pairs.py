"""What was read and observed of two releases, put together."""

from pathlib import Path

from fake_server.drift.between import Pair, Release
from fake_server.drift.lacking import Lacking
from fake_server.drift.recorder import Sent
from fake_server.drift.runs import Played
from fake_server.drift.scenes import BASIC, WHOLE, scenes

NOTHING = Lacking({}, {})
SHAPE = {
    "version": "1",
    "types": {"GetInfoRequest": {"model_id": {"required": True, "default": "", "kinds": ["text"]}}},
    "methods": {},
    "calls": [],
    "messages": "",
    "unread": [],
}


def release(*operations, heartbeat="ok", body=None):
    """A release all of whose steps end well."""
    played = {
        scene.name: Played(dict.fromkeys(scene.steps, "ok"), (), dict.fromkeys(scene.strikes, 1))
        for scene in scenes()
    }
    sent = [Sent("info", name, {}, {}, "application/json", body or {}) for name in operations]
    played["whole"] = Played(dict.fromkeys(WHOLE, "ok"), sent, {})
    played["heartbeat"] = Played({"heartbeat": heartbeat}, (), {})
    return played


def told(older, newer, lacking=NOTHING):
    pair = Pair(SHAPE, SHAPE, older, newer)
    return [(each.severity, each.place, each.text) for each in (*pair.observed(lacking), *pair.read(lacking))]


def test_releases_that_do_the_same_have_no_changes():
    assert told(release("get_info"), release("get_info")) == []


def test_a_field_of_an_answer_that_is_needed_breaks_and_one_that_is_not_is_nothing():
    lacking = Lacking({}, {("GetInfoResponse", "a"): ["info"], ("GetInfoResponse", "b"): []})
    assert told(release(), release(), lacking) == [
        ("breaking", "answer GetInfoResponse.a", "not read -> needed in info")
    ]


def test_only_the_operations_of_the_steps_that_fail_are_concerned():
    pair = Pair(SHAPE, SHAPE, release("asample"), release("asample"))
    lacking = Lacking({}, {("UntypedAPIFuture", "sample_sequence_ids"): ["info"]})
    [change] = pair.observed(lacking)
    assert change.operations == ("asample",)


def test_a_new_operation_of_no_step_breaks_where_its_absence_does():
    for steps, severity in ([], "additive"), (["service"], "breaking"):
        lacking = Lacking({"client_dynamic_config": steps}, {})
        assert told(release(), release("client_dynamic_config"), lacking) == [
            (severity, "operation client_dynamic_config", "new")
        ]


def test_a_new_operation_of_a_step_is_told_with_the_step():
    found = told(release(), release("get_info"), Lacking({"get_info": []}, {}))
    assert found == [("additive", "step info", "calls get_info as well")]


def test_heartbeats_that_come_are_told():
    assert told(release(heartbeat="absent"), release()) == [("additive", "heartbeats", "absent -> ok")]


def test_a_required_field_that_is_not_sent_any_more_breaks():
    older = release("get_info", body={"model_id": '"…"'})
    assert told(older, release("get_info")) == [("breaking", "field model_id", '"…" -> absent')]


def test_what_was_read_of_a_release_is_kept():
    kept = Release("0.24.1", Path("/nowhere"), SHAPE, release())
    assert kept.shape() is SHAPE
    assert kept.played(None)["JSON results"].outcomes.keys() == set(BASIC)
    assert str(kept.number) == "0.24.1"
