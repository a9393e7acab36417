"""What a server lacks is found by a probe, once, and told in words."""

import pytest

from contract.laws import Skipped
from contract.laws.features import FEATURES, require
from tests.laws.small_server import small_server

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

    assert "loss dro: retrieve_future: expected a result, got the failure" in lacking("loss dro", answers)


def test_a_feature_is_tried_once():
    with small_server({}) as subject:
        for _ in range(2):
            with pytest.raises(Skipped):
                require(subject, "capabilities")

        assert len(subject.driver.trace) == 1


def test_a_server_that_does_not_learn_lacks_learning(monkeypatch, subject):
    from contract.laws.model import Model

    monkeypatch.setattr(Model, "loss", lambda *_: 1.0)

    assert FEATURES["learning"](subject) == "three steps at a rate of 0.001 lower no loss"


def test_a_name_that_is_no_feature_is_refused():
    with small_server({}) as subject, pytest.raises(LookupError, match=r"expected one of .* got 'telepathy'"):
        require(subject, "telepathy")
