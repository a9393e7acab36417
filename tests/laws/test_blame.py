"""A refusal is one wherever it stands, and names what is at fault."""

import json

import pytest

from contract.laws.blame import expect_refusal
from contract.laws.driver import Reply
from contract.laws.law import Broken
from contract.laws.subject import Subject

TAKEN = Reply(200, {"content-type": "application/json"}, b'{"request_id": "r"}')


def answered(monkeypatch: pytest.MonkeyPatch, subject: Subject, **body: str) -> Subject:
    """The server, whose futures all have this outcome."""
    reply = Reply(200, {"content-type": "application/json"}, json.dumps(body).encode())
    monkeypatch.setattr(Subject, "poll", lambda *_: reply)
    return subject


def test_an_answer_of_4xx_that_names_it_is_one(subject):
    expect_refusal(subject, Reply(422, {}, b"Rank: at least 1"), "rank", what="create_model")


def test_an_answer_that_names_something_else_is_none(subject):
    with pytest.raises(Broken, match=r"create_model: expected a refusal that names rank or lora, got 'no'"):
        expect_refusal(subject, Reply(400, {}, b"no"), "rank", "lora", what="create_model")


def test_a_future_that_is_the_users_fault_is_one(subject, monkeypatch):
    failed = answered(monkeypatch, subject, error="no loss x", category="user")

    expect_refusal(failed, TAKEN, "x", what="a pass")


def test_a_future_that_is_the_servers_fault_is_none(subject, monkeypatch):
    failed = answered(monkeypatch, subject, error="no loss x", category="server")

    with pytest.raises(Broken, match=r"a pass: the failure's category: expected .*user"):
        expect_refusal(failed, TAKEN, what="a pass")


def test_a_future_with_a_result_is_none(subject, monkeypatch):
    done = answered(monkeypatch, subject, model_id="m")

    with pytest.raises(Broken, match="expected a failure with status 200"):
        expect_refusal(done, TAKEN, what="a pass")


def test_an_error_of_the_server_is_none(subject):
    with pytest.raises(Broken, match="a pass: expected a refusal that clients do not repeat, got 500"):
        expect_refusal(subject, Reply(500, {}, b"oops"), what="a pass")
