"""What a server lacks is found by a probe, once, and told in words."""

import pytest

from contract.laws import Skipped
from contract.laws.features import FEATURES, require
from contract.laws.model import Model
from tests.laws.small_server import small_server

BROKEN = (200, {"error": "out of memory", "category": "server"})
FAILED = (200, {"error": "not here", "category": "user"})
SESSION = (200, {"session_id": "s"})
PROMISE = (200, {"request_id": "r"})


def lacking(name, answers, **fields):
    with small_server(answers, **fields) as subject, pytest.raises(Skipped) as skipped:
        require(subject, name)
    return str(skipped.value)


@pytest.mark.parametrize("name", FEATURES)
def test_our_servers_have_every_feature(subject_for, name):
    assert require(subject_for((name,)), name) is None


@pytest.mark.parametrize(
    ("name", "answers", "told"),
    [
        ("capabilities", {}, "capabilities: get_server_capabilities is answered by 404"),
        ("sampling", {}, "sampling: create_session: expected 200, got 404"),
        ("loss ppo", {"create_session": SESSION, "create_model": (400, {})}, "loss ppo: create_model: exp"),
        ("session search", {"create_session": SESSION}, "session search: search_sessions is answered by 404"),
        ("second account", {}, "second account: no key of another account was given"),
        (
            "cancelling",
            {
                "create_session": SESSION,
                "create_sampling_session": (200, {"sampling_session_id": "s:0"}),
                "asample": (429, {}),
                "cancel_future": (501, {}),
            },
            "cancelling: cancel_future is answered by 501",
        ),
    ],
)
def test_what_lacks_is_skipped_with_the_reason(name, answers, told):
    assert lacking(name, answers).startswith(told)


def test_a_server_that_fails_a_loss_lacks_it():
    created = (200, {"model_id": "m"})
    answers = {
        "create_session": SESSION,
        "create_model": PROMISE,
        "forward_backward": PROMISE,
        "retrieve_future": [created, FAILED],
    }

    assert lacking("loss dro", answers) == "loss dro: a pass with the loss dro fails: not here"


@pytest.mark.parametrize(
    ("status", "told"), [(404, "404"), (405, "405"), (501, "501"), (500, None), (503, None), (400, None)]
)
def test_an_operation_lacks_only_where_it_is_not_there(status, told):
    with small_server({"get_server_capabilities": (status, {})}) as subject:
        assert FEATURES["capabilities"](subject) == (
            told and f"get_server_capabilities is answered by {told}"
        )


def test_an_operation_that_not_every_key_may_ask_for_lacks_where_it_is_forbidden():
    with small_server({"audit": (403, {}), "get_server_capabilities": (403, {})}) as subject:
        assert FEATURES["audit"](subject) == "get_audit_log is answered by 403"
        assert FEATURES["capabilities"](subject) is None


@pytest.mark.parametrize("asample", [(500, {}), (503, {}), PROMISE])
def test_what_breaks_a_server_is_not_lacking(asample):
    answers = {
        "create_session": SESSION,
        "create_sampling_session": (200, {"sampling_session_id": "s:0"}),
        "asample": asample,
        "retrieve_future": BROKEN,
    }

    with small_server(answers) as subject:
        assert FEATURES["sampling"](subject) is None


@pytest.mark.parametrize("status", [400, 422, 501])
def test_what_is_refused_is_lacking(status):
    answers = {
        "create_session": SESSION,
        "create_sampling_session": (200, {"sampling_session_id": "s:0"}),
        "asample": (status, {}),
    }

    assert f"asample is answered by {status}" in lacking("stop texts", answers)


def test_a_feature_is_tried_once():
    with small_server({}) as subject:
        for _ in range(2):
            with pytest.raises(Skipped):
                require(subject, "capabilities")

        assert len(subject.driver.trace) == 1


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (1.0, "three steps at a rate of 0.001 change no loss"),
        (0.5, None),
        (1.5, None),
        (float("nan"), None),
    ],
    ids=["stays", "learns", "learns the opposite", "diverges"],
)
def test_a_server_lacks_learning_where_nothing_changes_not_where_it_goes_wrong(
    monkeypatch, subject, after, reason
):
    losses = iter([1.0, after])
    monkeypatch.setattr(Model, "loss", lambda *_: next(losses))

    assert FEATURES["learning"](subject) == reason


def test_a_name_that_is_no_feature_is_refused():
    with small_server({}) as subject, pytest.raises(LookupError, match=r"expected one of .* got 'telepathy'"):
        require(subject, "telepathy")
