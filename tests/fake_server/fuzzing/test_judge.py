import json

import pytest

from contract.codec import JSON, PROTOBUF, encode
from contract.laws.driver import Reply
from contract.sampling import SampledSequence, SampleResponse
from contract.training import ForwardBackwardOutput
from fake_server.fuzzing.fault import OPENAPI, Fault
from fake_server.fuzzing.judge import Judge, protobuf_result
from fake_server.fuzzing.plain import plain
from fake_server.fuzzing.request import Request
from fake_server.fuzzing.sending import ready

REFUSED = plain("optim_step").having("of nobody", "refused", "WIRE-42")
EITHER = plain("optim_step").having("of any kind", "either", "")
POLL = Request("retrieve_future", {"request_id": "r"})
OUTPUT = ForwardBackwardOutput(loss_fn_output_type="A", loss_fn_outputs=[], metrics={"loss:sum": 1.0})


@pytest.fixture(scope="module")
def judge():
    return Judge("http://127.0.0.1:1")


def reply(status, body, media_type=JSON):
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {"content-type": media_type}, sent)


def broken(judge, request, answer):
    with pytest.raises(Fault) as told:
        judge.check(request, ready(request, {}), answer)
    return told.value.law


@pytest.mark.parametrize(
    ("request_", "answer", "law"),
    [
        (REFUSED, reply(500, {"detail": "x"}), "WIRE-42"),
        (EITHER, reply(500, {"detail": "x"}), "WIRE-34"),
        (EITHER, reply(409, {"detail": "x"}), "WIRE-34"),
        (plain("optim_step"), reply(400, {"detail": "x"}), "TRN-14"),
        (plain("session_heartbeat").having("x", "refused", "SES-04"), reply(200, {}), "SES-04"),
        (
            REFUSED.having("x", "refused", "", headers={"x-api-key": "k1"}),
            reply(401, {"detail": "no k1"}),
            "ACC-02",
        ),
        (REFUSED, reply(404, b""), "WIRE-42"),
        (EITHER, reply(404, b""), "WIRE-31"),
        (REFUSED, reply(404, b"<html>", "text/html"), "WIRE-05"),
        (REFUSED, reply(404, {"detail": "Traceback (most recent call last)"}), "FUT-35"),
        (REFUSED, reply(404, {"error": "x"}), OPENAPI),
        (plain("optim_step"), reply(200, {"request_id": 7}), OPENAPI),
        (plain("optim_step"), reply(200, b"{"), "WIRE-05"),
        (plain("optim_step"), reply(200, b'{"request_id": NaN}'), "WIRE-65"),
        (plain("optim_step"), reply(201, {"request_id": "r"}), OPENAPI),
        (POLL, reply(200, encode(OUTPUT, PROTOBUF), PROTOBUF), "WIRE-05"),
        (POLL.having("x", "refused", "FUT-05"), reply(408, {"type": "try_again"}), "FUT-05"),
    ],
)
def test_an_answer_breaks_a_law(judge, request_, answer, law):
    assert broken(judge, request_, answer) == law


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (REFUSED, reply(404, {"detail": "no model"})),
        (REFUSED, reply(200, {"request_id": "its future fails"})),
        (POLL, reply(408, {"type": "try_again", "request_id": "r", "queue_state": "active"})),
        (plain("finish_session"), Reply(204, {}, b"")),
        (REFUSED.having("x", "refused", "WIRE-41", method="PATCH"), reply(405, {"error": "any form"})),
    ],
)
def test_an_answer_is_as_it_must_be(judge, request_, answer):
    judge.check(request_, ready(request_, {}), answer)


@pytest.mark.parametrize(
    ("operation", "accept", "answer", "law"),
    [
        ("forward_backward", PROTOBUF, reply(200, {"metrics": {}}), "WIRE-01"),
        ("asample", PROTOBUF, reply(200, {"sequences": []}), "WIRE-02"),
        ("forward_backward", JSON, reply(200, encode(OUTPUT, PROTOBUF), PROTOBUF), "WIRE-61"),
        ("asample", JSON, reply(200, b"", PROTOBUF), "WIRE-62"),
        ("optim_step", PROTOBUF, reply(200, b"", PROTOBUF), "WIRE-03"),
        ("forward", PROTOBUF, reply(200, {"error": "x", "category": "user"}, PROTOBUF), "WIRE-04"),
        ("optim_step", JSON, reply(200, {"metrics": "none"}), OPENAPI),
        ("optim_step", JSON, reply(200, {"error": "", "category": "user"}), "FUT-32"),
        ("optim_step", JSON, reply(200, {"error": "x", "category": "server"}), "FUT-33"),
    ],
)
def test_an_outcome_breaks_a_law(judge, operation, accept, answer, law):
    with pytest.raises(Fault) as told:
        judge.check_result(operation, Request(operation, accept=accept), answer)
    assert told.value.law == law


def test_an_outcome_is_read_in_both_forms(judge):
    request = Request("forward_backward", accept=f"{PROTOBUF}, {JSON}")
    whole = judge.check_result("forward_backward", request, reply(200, encode(OUTPUT, PROTOBUF), PROTOBUF))
    failed = judge.check_result("forward_backward", request, reply(200, {"error": "x", "category": "user"}))
    assert (whole["metrics"], failed["error"]) == ({"loss:sum": 1.0}, "x")


def test_schemathesis_reads_protobuf_results():
    class Answer:
        content = encode(
            SampleResponse(sequences=[SampledSequence(stop_reason="stop", tokens=[1])]), PROTOBUF
        )

    assert "sequences" in protobuf_result(None, Answer())
    Answer.content = b"\xff"
    with pytest.raises(ValueError, match="expected a protobuf result"):
        protobuf_result(None, Answer())
