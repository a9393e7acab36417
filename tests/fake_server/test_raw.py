"""One call of the API at a time, without the SDK."""

import pytest


def test_a_call_is_named_as_in_the_contract(tinker_fake):
    reply = tinker_fake.raw.call("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

    assert reply.status == 200
    assert tinker_fake.raw.call("get_session", {"session_id": reply["session_id"]}).status == 200


def test_a_deferred_call_is_polled(tinker_fake):
    session = tinker_fake.service.open_implicit_session("s").session_id
    model = {"session_id": session, "model_seq_id": 0, "base_model": "tinkerproof/pico"}
    promise = tinker_fake.raw.call("create_model", model | {"lora_config": {"rank": 4}})

    assert tinker_fake.raw.result(promise["request_id"])["model_id"] == "s:train:0"


def test_a_poll_that_waits_is_repeated(tinker_fake, monkeypatch):
    raw, answers = tinker_fake.raw, [408, 408, 200]
    monkeypatch.setattr(type(raw), "call", lambda *_: type("Reply", (), {"status": answers.pop(0)}))

    assert raw.result("any").status == 200
    assert answers == []


def test_what_is_no_json_comes_as_bytes(tinker_fake, monkeypatch):
    import fake_server.raw

    rows = {"metrics": fake_server.raw.Endpoint("metrics", "GET", "", path="/-/metrics")}
    monkeypatch.setattr(fake_server.raw, "ROWS", rows)

    assert tinker_fake.raw.call("metrics").json.startswith(b"# HELP tinkerproof_")


def test_an_answer_without_a_body_is_none(tinker_fake):
    session = tinker_fake.service.open_implicit_session("s").session_id
    sampler = {"session_id": session, "sampling_session_seq_id": 0, "base_model": "tinkerproof/pico"}
    opened = tinker_fake.raw.call("create_sampling_session", sampler)["sampling_session_id"]
    sample = {"sampling_session_id": opened, "seq_id": 0, "prompt": {"chunks": []}, "sampling_params": {}}
    sample["prompt"]["chunks"] = [{"tokens": [72], "type": "encoded_text"}]
    promise = tinker_fake.raw.call("asample", sample)["request_id"]

    assert tinker_fake.raw.call("cancel_future", {"request_id": promise}).json is None
    tinker_fake.raw.result(promise)


def test_an_unknown_operation_is_refused(tinker_fake):
    with pytest.raises(LookupError, match="operation: expected a name"):
        tinker_fake.raw.call("train")
