"""Changes of answers that a right client does not mind."""

import gzip
import json

import pytest

from contract.codec import JSON, PROTOBUF
from fake_server.fake import Fake
from fake_server.scenarios import SCENARIOS
from fake_server.scenarios.changes import (
    MEGABYTES,
    bad_gateway,
    compressed,
    grown,
    newer,
    of_category,
    parametrised,
    paused_anew,
    repeated_with_200,
)
from fake_server.wire import Answer, Headers, Incoming

TOLD = Answer(200, b'{"path": "x"}')
WAIT = Answer(408, b'{"type": "try_again", "queue_state": "active"}')


class Blow:
    """A request of a client that can read these encodings."""

    def __init__(self, encodings):
        self.incoming = Incoming(Headers([(b"accept-encoding", encodings)]), {}, b"", b"")


@pytest.mark.parametrize("answer", [Answer(204, b""), Answer(200, b"[1]"), Answer(200, b"x", "text/plain")])
def test_what_is_no_object_is_left_alone(answer):
    assert newer(answer, None) == answer


def test_a_new_field_is_added_in_both_forms():
    assert json.loads(newer(TOLD, None).body).keys() == {"from_a_newer_release", "path"}
    assert newer(Answer(200, b"\x08\x01", PROTOBUF), None).body == b"\x08\x01\xfa\x06\x03new"


def test_an_answer_grows():
    assert len(grown(TOLD, None).body) > MEGABYTES


def test_an_answer_is_compressed_for_who_can_read_it():
    zipped = compressed(TOLD, Blow(b"gzip, zstd"))

    assert (gzip.decompress(zipped.body), zipped.headers) == (TOLD.body, {"content-encoding": "gzip"})
    assert compressed(TOLD, Blow(b"identity")) == TOLD
    assert compressed(Answer(204, b""), Blow(b"gzip")) == Answer(204, b"")


def test_a_type_gets_a_parameter_where_there_is_a_body():
    assert parametrised(TOLD, None).media_type == f"{JSON}; charset=utf-8"
    assert parametrised(Answer(204, b""), None).media_type == JSON


def test_only_what_is_pending_is_told_anew():
    assert repeated_with_200(WAIT, None).status == 200
    assert repeated_with_200(Answer(503, b""), None).status == 503
    assert b"eclipse" in paused_anew(WAIT, None).body
    assert paused_anew(TOLD, None) == TOLD


def test_only_a_failure_has_a_category():
    assert json.loads(of_category("new")(Answer(200, b'{"error": "no"}'), None).body)["category"] == "new"
    assert json.loads(of_category("new")(TOLD, None).body) == {"path": "x"}


def test_a_gateway_answers_with_a_page():
    assert (bad_gateway(TOLD, None).status, bad_gateway(TOLD, None).media_type) == (502, "text/html")


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_can_be_set_up_and_tells_what_it_did(trials, scenario):
    fake = Fake(trials, f"set-up-{scenario.id}", settings=scenario.settings)
    scenario.prepare(fake)
    told = [str(one) for one in fake.faults]
    fake.close()

    assert all(" on " in words for words in told)
