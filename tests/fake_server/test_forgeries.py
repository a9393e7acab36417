"""Faults that change what an answer says, as a bare client sees them."""

from base64 import b64encode

import pytest

from contract.codec import JSON, PROTOBUF
from fake_server.faults import Schedule
from tests.fake_server.driver import PICO, datum
from tests.fake_server.raw_client import RawClient

NEW = {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"}


@pytest.fixture
def faults(tinker_fake):
    return tinker_fake.faults


@pytest.fixture
def client(tinker_fake):
    return RawClient(tinker_fake)


@pytest.fixture
def passed(client):
    """The promise of a training pass."""
    session = client.post("create_session", NEW).json["session_id"]
    body = {"session_id": session, "model_seq_id": 0, "base_model": PICO, "lora_config": {"rank": 8}}
    promise = client.post("create_model", body).json["request_id"]
    model = client.post("retrieve_future", {"request_id": promise}).json["model_id"]
    given = {"data": [datum()], "loss_fn": "cross_entropy"}
    sent = {"model_id": model, "seq_id": 1, "forward_backward_input": given}
    return client.post("forward_backward", sent).json["request_id"]


def test_a_body_that_was_made_up(faults, client):
    faults.forged("healthz", b"\x00\xff", PROTOBUF, status=201)

    reply = client.get("healthz")

    assert (reply.status, reply.body, reply.headers["content-type"]) == (201, b"\x00\xff", PROTOBUF)


def test_bytes_are_cut_and_put_in(faults, client):
    whole = client.get("healthz").body
    faults.edited("healthz", at=0.0, drop=3, insert=b"[", nth=1)
    faults.edited("healthz", insert=b"!", nth=2)

    assert [client.get("healthz").body for _ in range(2)] == [b"[" + whole[3:], whole + b"!"]


def test_fields_are_set_and_left_out(faults, client):
    faults.changed_fields("healthz", answer={"deep.er": 1, "list": [1, {"a": 2}]}, without=["status"], nth=1)
    faults.changed_fields("healthz", answer={"status.x": 1}, without=["no", "status.0"], nth=2)

    assert client.get("healthz").json == {"deep": {"er": 1}, "list": [1, {"a": 2}]}
    assert client.get("healthz").json == {"status": {"x": 1}}


def test_places_in_lists_have_numbers(faults, client, passed):
    faults.changed_fields(
        "retrieve_future",
        answer={"loss_fn_outputs.0.logprobs.data": None, "loss_fn_outputs.7.logprobs": 1, "metrics": {}},
        without=["loss_fn_outputs.0.logprobs.shape", "loss_fn_outputs.9.logprobs"],
    )

    reply = client.post("retrieve_future", {"request_id": passed}, accept=PROTOBUF)

    assert reply.headers["content-type"] == JSON
    assert reply.json["metrics"] == {}
    outputs = reply.json["loss_fn_outputs"]
    assert len(outputs) == 1
    assert outputs[0]["logprobs"]["data"] is None
    assert "shape" not in outputs[0]["logprobs"]


def test_an_item_of_a_list_is_left_out(faults, client, passed):
    faults.changed_fields("retrieve_future", without=["loss_fn_outputs.0"])

    assert client.post("retrieve_future", {"request_id": passed}, accept=JSON).json["loss_fn_outputs"] == []


def test_an_answer_that_is_no_object_is_left_alone(faults, client):
    faults.changed_fields("healthz", answer={"a": 1})
    faults.forged("healthz", b"[]")

    assert client.get("healthz").json == []


@pytest.mark.parametrize("body", [b'"', b"[]"])
def test_what_another_fault_has_left_is_left_alone(faults, client, body):
    faults.nan("healthz")
    faults.changed_fields("healthz", answer={"a": 1})
    faults.forged("healthz", body)

    assert client.get("healthz").body == body


def test_an_answer_without_a_body_becomes_an_object(faults, client):
    session = client.post("create_session", NEW).json["session_id"]
    faults.changed_fields("finish_session", answer={"a": 1})

    reply = client.post(f"sessions/{session}/finish", {"reason": {"type": "success"}, "detail": None})

    assert reply.json == {"a": 1}


def test_they_are_data(faults):
    faults.forged("healthz", b"\xff")
    faults.edited("healthz", insert=b"\xfe")

    schedule = Schedule(faults=tuple(one.fault for one in faults))
    faults.clear()

    assert b64encode(b"\xff").decode() in schedule.to_json()
    assert Schedule.from_json(schedule.to_json()) == schedule
