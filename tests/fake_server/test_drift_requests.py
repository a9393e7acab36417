"""Two lists of requests for the same steps, compared."""

import pytest

from contract.codec import JSON, PROTOBUF
from fake_server.drift.recorder import Sent
from fake_server.drift.requests_compared import request_changes, step_changes


def sent(operation="optim_step", step="train", headers=None, query=None, body=None, media_type=JSON):
    return Sent(step, operation, headers or {}, query or {}, media_type, body or {})


def compared(older, newer, required=frozenset(), refused=False):
    changes = request_changes(older, newer, ["train"], set(required), refused)
    return [(change.severity, change.place, change.text) for change in changes]


def test_the_same_requests_have_no_changes():
    both = [sent(headers={"accept": JSON}, body={"seq_id": "1"}, query={"limit": "2"})]
    assert compared(both, both) == []


@pytest.mark.parametrize(
    ("old", "new", "severity"),
    [
        (None, "1", "additive"),
        ("1", None, "additive"),
        ("1", "2", "additive"),
        ("null", "1", "additive"),
        ("1", '"1"', "breaking"),
        ("true", "{}", "breaking"),
        ("[]", "[1]", "additive"),
    ],
)
def test_a_field_that_comes_goes_or_changes(old, new, severity):
    sides = [[sent(body={} if value is None else {"a.rate": value})] for value in (old, new)]
    text = f"{old or 'absent'} -> {new or 'absent'}"
    assert compared(*sides) == [(severity, "field a.rate", text)]


def test_a_field_that_was_required_and_goes_breaks():
    found = compared([sent(body={"seq_id": "1"})], [sent()], {("optim_step", "seq_id")})
    assert found == [("breaking", "field seq_id", "1 -> absent")]


def test_a_field_of_several_operations_is_one_change():
    older = [sent(), sent("forward")]
    newer = [sent(body={"type": '"optim_step"'}), sent("forward", body={"type": '"forward"'})]
    [change] = request_changes(older, newer, ["train"], set())
    assert change.text == 'absent -> "forward" and 1 others'
    assert change.operations == ("forward", "optim_step")


def test_bodies_of_different_media_types_are_not_compared():
    older = [sent(headers={"content-type": JSON}, body={"a": "1"})]
    newer = [sent(headers={"content-type": PROTOBUF}, body={"b": "1"}, media_type=PROTOBUF)]
    assert compared(older, newer) == []


def test_headers_are_grouped_over_operations():
    older = [sent(), sent("forward")]
    newer = [sent(headers={"x-new": "a"}), sent("forward", headers={"x-new": "b"})]
    [change] = request_changes(older, newer, ["train"], set())
    assert (change.place, change.text) == ("header x-new", "absent -> b and 1 others")
    assert change.operations == ("forward", "optim_step")


def test_a_credential_that_is_elsewhere_breaks():
    older, newer = [sent(headers={"x-api-key": "{key}"})], [sent(headers={"authorization": "{key}"})]
    assert [change[0] for change in compared(older, newer)] == ["additive", "breaking"]


@pytest.mark.parametrize(("refused", "severity"), [(True, "breaking"), (False, "additive")])
def test_what_is_accepted_breaks_where_json_results_are_refused(refused, severity):
    older, newer = [sent(headers={"accept": JSON})], [sent(headers={"accept": PROTOBUF})]
    [change] = request_changes(older, newer, ["train"], set(), refused)
    assert (change.severity, change.words) == (severity, ("protobuf",))


def test_a_query_comes_and_changes():
    found = compared([sent(query={"a": "1"})], [sent(query={"a": "2", "b": "3"})])
    assert found == [
        ("additive", "query a of optim_step", "1 -> 2"),
        ("additive", "query b of optim_step", "absent -> 3"),
    ]


def test_steps_that_only_one_release_has_are_not_compared():
    assert compared([sent(step="other", body={"a": "1"})], [sent(step="other")]) == []


def steps(older, newer, broken=None, common=("a", "b")):
    changes = step_changes(older, newer, common, broken or {})
    return [(change.severity, change.place, change.text) for change in changes]


def test_a_new_operation_breaks_where_its_absence_fails_the_step():
    older, newer = [sent(step="a")], [sent(step="a"), sent("get_sampler", "a")]
    told = "calls get_sampler as well"
    assert steps(older, newer, {"get_sampler": ["a"]}) == [("breaking", "step a", told)]
    assert steps(older, newer, {"get_sampler": []}) == [("additive", "step a", told)]


def test_a_known_operation_in_one_more_step_is_additive():
    older = [sent("get_info", "a"), sent(step="b")]
    newer = [sent("get_info", "a"), sent("get_info", "b"), sent(step="b")]
    assert steps(older, newer) == [("additive", "step b", "calls get_info as well")]


def test_an_operation_that_is_not_called_any_more_is_kept():
    assert steps([sent("forward", "a")], []) == [("additive", "step a", "calls forward no more")]


def test_work_that_goes_to_a_known_operation_with_a_new_field_breaks():
    older = [sent("forward", "a"), sent("forward_backward", "b", body={"data": "1"})]
    newer = [
        sent("forward_backward", "a", body={"forward_only": "true"}),
        sent("forward_backward", "b", body={"data": "1"}),
    ]
    [change] = step_changes(older, newer, ["a", "b"], {})
    assert (change.severity, change.text) == ("breaking", "forward -> forward_backward")
    assert change.words == ("forward_only",)


def test_work_that_goes_to_an_operation_that_the_step_called_before_breaks_too():
    older = [sent("forward", "a"), sent("forward_backward", "a")]
    newer = [sent("forward_backward", "a", body={"forward_only": "true"})]
    assert steps(older, newer) == [("breaking", "step a", "forward -> forward_backward")]


def test_an_operation_that_comes_in_another_step_is_only_moved():
    older, newer = [sent("create_session", "a")], [sent("create_session", "b")]
    assert steps(older, newer) == [
        ("compatible", "time of create_session", "create_session is called in: a -> b")
    ]


def test_polls_and_what_timers_send_are_of_no_step():
    assert steps([], [sent("retrieve_future", "a"), sent("session_heartbeat", "a")]) == []
