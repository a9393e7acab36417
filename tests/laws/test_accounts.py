"""What laws of accounts read, and what a server without accounts or tokens is told."""

import pytest

from contract.account import ApiKeyResponse
from contract.laws import LAWS
from contract.laws.account_laws import claims_of, expect_shape
from contract.laws.driver import Driver, Reply
from contract.laws.features import FEATURES
from contract.laws.law import Broken
from contract.laws.subject import Subject
from contract.laws.trial import try_law
from fake_server.app import create_app
from fake_server.running import LiveServer, find_backend
from fake_server.settings import AuthSettings, Settings
from tests.laws.conftest import KEY, PICO


class Answers(Driver):
    """Answers each call by the next of some replies."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__("http://127.0.0.1:1", "tml-k", "0.38.0")
        self.replies = list(replies)

    def send(self, *_args: object, **_options: object) -> Reply:
        return self.replies.pop(0)


def answered(*replies: Reply) -> Subject:
    return Subject(Answers(*replies), "m")


def test_claims_are_those_in_the_middle_of_a_token():
    assert claims_of("e30.eyJleHAiOjF9.c2ln") == {"exp": 1}


@pytest.mark.parametrize("token", [None, "opaque", "a.b", "a.####.c", "a.e30x.c", "a.Zm9v.c"])
def test_a_token_without_claims_is_broken(token):
    with pytest.raises(Broken, match=r"^jwt: expected three parts with claims in the second, got '"):
        claims_of(token)


def test_claims_that_are_no_object_are_broken():
    with pytest.raises(Broken, match=r"^jwt: expected an object of claims, got list"):
        claims_of("e30.W10.c2ln")


def test_an_answer_of_another_shape_is_broken_and_names_the_field():
    body = b'{"key_id": 1, "name": "n", "note": "n", "details": {"org_details": {"name": "o"}}}'
    with pytest.raises(
        Broken, match=r"^key: expected ApiKeyResponse, got details.user_details: Field required"
    ):
        expect_shape(ApiKeyResponse, Reply(200, {}, body), "key")


@pytest.mark.parametrize("law_id", [law.id for law in LAWS.values() if "accounts apart" in law.needs])
def test_laws_of_isolation_are_skipped_where_all_keys_are_of_one_account(law_id, subject):
    outcome = try_law(LAWS[law_id], subject)

    assert outcome.verdict == "skipped"
    assert "the other key sees models and checkpoints of this one" in outcome.text


def test_laws_of_isolation_are_skipped_where_there_is_no_other_key(law_server):
    lonely = Subject(Driver(law_server.url, KEY, "0.38.0"), PICO)

    outcome = try_law(LAWS["ACC-44"], lonely)

    assert (outcome.verdict, "give one with --other-api-key" in outcome.text) == ("skipped", True)


def test_laws_of_tokens_are_skipped_where_clients_are_asked_for_none(subject):
    outcome = try_law(LAWS["ACC-12"], subject)

    assert (outcome.verdict, "client/config does not ask" in outcome.text) == ("skipped", True)


def test_a_server_that_asks_for_zstd_must_read_it():
    asks = Reply(200, {}, b'{"proto_compress_fwdbwd": true}')
    assert FEATURES["zstd"](answered(asks)) is None
    assert FEATURES["zstd"](answered(Reply(200, {}, b"{}"), Reply(415, {}, b"no"))) == (
        "a body in zstd is answered by 415"
    )


@pytest.mark.parametrize(
    ("law_id", "reason"),
    [
        ("ACC-01", "checked keys: a request without a key is answered by 200"),
        ("ACC-02", "known keys: a key that nobody has is answered by 200"),
    ],
)
def test_laws_of_keys_are_skipped_where_nobody_looks_at_them(law_id, reason):
    anybody = Settings(auth=AuthSettings(anybody=True))
    with LiveServer(create_app(find_backend("scripted"), anybody)) as server:
        outcome = try_law(LAWS[law_id], Subject(Driver(server.url, KEY, "0.38.0"), PICO))

    assert (outcome.verdict, outcome.text) == ("skipped", reason)
