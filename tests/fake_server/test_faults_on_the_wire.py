"""Statuses and spoilt bodies, as a bare socket sees them."""

import json
import zlib
from math import isnan

import pytest

from contract import BadRequest, ForwardBackwardOutput, SampleResponse
from contract.codec import JSON, PROTOBUF, decode
from tests.fake_server.driver import PICO, datum
from tests.fake_server.raw_client import RawClient

OK = b'{"status":"ok"}'


@pytest.fixture
def faults(tinker_fake):
    return tinker_fake.faults


@pytest.fixture
def client(tinker_fake):
    return RawClient(tinker_fake)


@pytest.fixture
def session(client):
    return client.post("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"}).json[
        "session_id"
    ]


def promised(client, operation, body):
    return client.post(operation, body).json["request_id"]


@pytest.fixture
def model(client, session):
    body = {"session_id": session, "model_seq_id": 0, "base_model": PICO, "lora_config": {"rank": 8}}
    promise = promised(client, "create_model", body)
    return client.post("retrieve_future", {"request_id": promise}).json["model_id"]


@pytest.fixture
def passed(client, model):
    """The promise of a training pass."""
    given = {"data": [datum()], "loss_fn": "cross_entropy"}
    return promised(
        client, "forward_backward", {"model_id": model, "seq_id": 1, "forward_backward_input": given}
    )


@pytest.fixture
def sampled(client, session):
    """The promise of a sample."""
    given = {"session_id": session, "sampling_session_seq_id": 0, "base_model": PICO}
    sampler = client.post("create_sampling_session", given).json["sampling_session_id"]
    prompt = {"chunks": [{"tokens": [72, 105], "type": "encoded_text"}]}
    asked = {
        "sampling_session_id": sampler,
        "seq_id": 0,
        "prompt": prompt,
        "sampling_params": {"max_tokens": 4},
    }
    return promised(client, "asample", asked)


def poll(client, promise, accept=PROTOBUF):
    return client.post("retrieve_future", {"request_id": promise}, accept=accept)


@pytest.mark.parametrize("status", [400, 404, 409, 418, 429, 500, 503, 599])
def test_any_status_with_any_body_and_headers(faults, client, status):
    headers = {"retry-after": "7", "x-should-retry": "false"}
    faults.status("healthz", status, body={"oh": ["no"]}, headers=headers)

    reply = client.get("healthz")

    assert (reply.status, reply.json, reply.end) == (status, {"oh": ["no"]}, "whole")
    assert headers.items() <= reply.headers.items()


def test_a_status_has_a_detail_or_a_plain_text(faults, client):
    faults.status("healthz", 500, nth=1)
    faults.status("healthz", 502, body="<b>Bad Gateway</b>", nth=2)

    first, second = client.get("healthz"), client.get("healthz")

    assert first.json == {"detail": "fault: status 500"}
    assert (second.body, second.headers["content-type"][:10]) == (b"<b>Bad Gateway</b>", "text/plain")


@pytest.mark.parametrize("work", [True, False])
def test_a_status_comes_before_the_work_or_after_it(tinker_fake, faults, client, work):
    faults.status("create_session", 503, work=work)

    client.post("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

    assert len(tinker_fake.service.store.sessions) == work


def test_too_many_requests_with_and_without_a_word_of_when(faults, client):
    faults.rate_limit("healthz", nth=1)
    faults.rate_limit("healthz", nth=2, retry_after=1.5, retry_after_ms=1500, should_retry=True)

    bare, told = client.get("healthz"), client.get("healthz")

    assert (bare.status, told.status) == (429, 429)
    assert set(bare.headers) == {"content-type", "content-length"}
    assert (told.headers["retry-after"], told.headers["retry-after-ms"]) == ("1.5", "1500")
    assert told.headers["x-should-retry"] == "true"


def test_a_billing_pause(faults, client):
    faults.billing_pause("healthz")

    assert client.get("healthz").status == 402


def test_a_token_that_is_not_valid(faults, client):
    faults.invalid_token("healthz")

    reply = client.get("healthz")

    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_a_400_without_a_body(faults, client):
    faults.empty_400("healthz")

    reply = client.get("healthz")

    assert (reply.status, reply.headers["content-length"], reply.body) == (400, "0", b"")


def test_json_that_ends_early(faults, client):
    faults.bad_json("healthz")

    reply = client.get("healthz")

    assert (reply.body, reply.headers["content-type"]) == (OK[:-1], JSON)
    with pytest.raises(json.JSONDecodeError):
        _ = reply.json


def test_bad_json_in_the_place_of_protobuf(faults, client, passed):
    faults.bad_json("retrieve_future")

    assert poll(client, passed).body == b'{"'


@pytest.mark.parametrize("operation", ["passed", "sampled"])
def test_protobuf_that_is_none(faults, client, request, operation):
    promise = request.getfixturevalue(operation)
    faults.bad_protobuf("retrieve_future")

    reply = poll(client, promise)

    assert reply.headers["content-type"] == PROTOBUF
    for kind in (ForwardBackwardOutput, SampleResponse):
        with pytest.raises(BadRequest, match="expected a protobuf"):
            decode(kind, reply.body, PROTOBUF)


def test_the_right_body_under_another_type(faults, client):
    faults.wrong_content_type("healthz", "text/csv")

    reply = client.get("healthz")

    assert (reply.body, reply.headers["content-type"]) == (OK, "text/csv")


def test_a_body_that_only_says_it_is_compressed(faults, client):
    faults.wrong_encoding("healthz")

    reply = client.get("healthz")

    assert reply.headers["content-encoding"] == "gzip"
    with pytest.raises(zlib.error):
        zlib.decompress(reply.body, wbits=31)


def test_a_result_of_another_type(faults, client):
    faults.wrong_result("client_config", nth=1)
    faults.wrong_result("client_config", nth=2, body=[1, "two"])
    asked = {"sdk_version": "0.38.0"}

    assert client.post("client/config", asked).json == {"status": "ok"}
    assert client.post("client/config", asked).json == [1, "two"]


def test_protobuf_results_change_places(faults, client, passed, sampled):
    faults.wrong_result("retrieve_future")

    output, sample = poll(client, passed), poll(client, sampled)

    assert decode(SampleResponse, output.body, PROTOBUF).sequences[0].tokens == [1]
    assert decode(ForwardBackwardOutput, sample.body, PROTOBUF).loss_fn_outputs == []


def test_nan_literals(faults, client, passed):
    faults.nan("retrieve_future")

    body = poll(client, passed, accept=JSON).body

    constants = []
    json.loads(body, parse_constant=constants.append)
    assert set(constants) == {"NaN"}


def test_nan_where_there_is_no_fraction(faults, client):
    faults.nan("healthz")

    assert client.get("healthz").body == b'{"metrics": {"loss:sum": NaN}, "status": "ok"}'


def test_nan_in_protobuf(faults, client, passed, sampled):
    faults.nan("retrieve_future")

    output = decode(ForwardBackwardOutput, poll(client, passed).body, PROTOBUF)
    sample = decode(SampleResponse, poll(client, sampled).body, PROTOBUF)

    assert output.metrics
    assert all(map(isnan, output.metrics.values()))
    assert all(map(isnan, sample.sequences[0].logprobs))
    assert len(sample.sequences[0].tokens) == 4


def test_nan_of_what_another_fault_has_spoilt(faults, client):
    faults.nan("healthz")
    faults.forged("healthz", b"\xff", PROTOBUF)

    assert client.get("healthz").body == b"\xff"


def test_nothing_where_something_should_be(faults, client):
    faults.empty_body("healthz")

    reply = client.get("healthz")

    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "0")


def test_an_answer_without_a_body_gets_one_with_200(faults, client, session):
    faults.nan("finish_session")

    reply = client.post(f"sessions/{session}/finish", {"reason": {"type": "success"}, "detail": None})

    assert (reply.status, reply.json.keys()) == (200, {"metrics"})


def test_garbage_is_the_same_for_the_same_seed(faults, client):
    for nth, seed in enumerate((1, 1, 2), 1):
        faults.garbage("healthz", size=32, nth=nth, seed=seed)

    bodies = [client.get("healthz").body for _ in range(3)]

    assert [(len(body), body[0]) for body in bodies] == [(32, 255)] * 3
    assert len(set(bodies)) == 3  # the call's number counts, too
