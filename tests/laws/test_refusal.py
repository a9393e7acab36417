"""What counts as a refusal for good."""

import pytest

from contract.laws.driver import Reply
from contract.laws.law import Broken
from contract.laws.refusal import refusal_of


def answer(status, body=b'{"detail":"no"}'):
    return Reply(status, {"content-type": "application/json"}, body)


@pytest.mark.parametrize("status", [400, 403, 404, 410, 422])
def test_a_status_that_clients_give_up_on_is_a_refusal(subject, status):
    assert refusal_of(subject, answer(status), "asample") == '{"detail":"no"}'


@pytest.mark.parametrize("status", [302, 402, 408, 409, 429, 500, 503])
def test_a_status_that_clients_repeat_is_none(subject, status):
    with pytest.raises(Broken, match=f"asample: expected a refusal that clients do not repeat, got {status}"):
        refusal_of(subject, answer(status), "asample")


def test_a_refusal_has_a_body(subject):
    with pytest.raises(Broken, match="asample: expected a body that says why, got status 400 and none"):
        refusal_of(subject, answer(400, b""), "asample")


def test_a_future_that_fails_is_a_refusal(subject):
    reply = subject.sampler().send(temperature=-1)

    assert "temperature" in refusal_of(subject, reply, "asample")


def test_a_future_that_succeeds_is_none(subject):
    reply = subject.sampler().send(max_tokens=1)

    with pytest.raises(Broken, match="expected a failure with status 200"):
        refusal_of(subject, reply, "asample")


@pytest.mark.parametrize("body", [b'{"checkpoints":[]}', b"[]"])
def test_an_answer_that_is_neither_a_refusal_nor_a_promise_is_none(subject, body):
    with pytest.raises(Broken, match="a list: expected a refusal, got 200"):
        refusal_of(subject, answer(200, body), "a list")
