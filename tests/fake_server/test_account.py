"""Audit, billing, capabilities and telemetry."""

import pytest

from fake_server.times import utc
from tests.fake_server.driver import PICO, Driver


@pytest.fixture
def driver() -> Driver:
    return Driver()


def window(driver: Driver, hours: float = 1, offset: float = 0) -> str:
    hour = driver.clock.now() // 3600 * 3600 + offset
    start, end = utc(hour).isoformat(), utc(hour + hours * 3600).isoformat()
    return f"billing/usage/events?starting_on={start}&ending_before={end}".replace("+", "%2B")


def test_usage_counts_tokens_and_checkpoints_by_hour(driver):
    session = driver.session(user_metadata={"k": "v"})
    model, sampler = driver.model(session), driver.sampler(session)
    driver.result("forward_backward", driver.train(model, 1))
    driver.result("save_weights", {"model_id": model, "seq_id": 2, "path": "s"})
    driver.result("asample", driver.sample(sampler, 0, sampling_params={"max_tokens": 4, "stop": []}))

    usage = driver.get(window(driver)).json

    events = [(event["event_info"]["type"], event["session_id"]) for event in usage["data"]]
    assert sorted(kind for kind, _ in events) == [
        "checkpoint",
        "sampling_prefill",
        "sampling_sample",
        "training",
    ]
    assert {owner for _, owner in events} == {session}
    assert usage["sessions"] == {session: {"user_metadata": {"k": "v"}}}


@pytest.mark.parametrize(("hours", "offset"), [(0, 0), (15 * 24, 0), (1, 1)])
def test_usage_is_told_for_whole_hours_of_at_most_14_days(driver, hours, offset):
    assert driver.get(window(driver, hours, offset)).status == 400


def test_a_moment_without_a_zone_is_in_utc(driver):
    reply = driver.get(
        "billing/usage/events?starting_on=2026-01-01T00:00:00&ending_before=2026-01-01T01:00:00"
    )

    assert reply.json == {"data": [], "sessions": {}}


def test_storage_is_told_by_project(driver):
    first, second = driver.model(driver.session(project_id="p")), driver.model()
    for model in (first, second):
        driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "s"})

    everything = driver.get("billing/usage/checkpoints/current").json["data"]
    one = driver.get("billing/usage/checkpoints/current?project_id=p").json["data"]

    assert [(item["project_id"], item["checkpoint_count"]) for item in everything] == [
        ("default", 1),
        ("p", 1),
    ]
    assert one == everything[1:]
    assert one[0]["size_bytes"] > 0


def test_the_audit_log_tells_what_was_done_on_a_day(driver):
    model = driver.model()
    path = driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "s"})["path"]
    driver.call("PUT", f"sessions/{model.partition(':')[0]}/project", {"project_id": "p"})

    today = driver.get("audit").json["entries"]
    checkpoints = driver.get(f"audit?event_type=checkpoints&day={utc(driver.clock.now()).date()}").json[
        "entries"
    ]

    assert [entry["event"] for entry in today] == ["checkpoint_create", "project_assign"]
    assert [entry["tinker_path"] for entry in checkpoints] == [path]
    assert driver.get("audit?day=1999-01-01").json["entries"] == []


def test_capabilities_list_the_base_models(driver):
    models = driver.get("get_server_capabilities").json["supported_models"]

    assert models[0] == {
        "model_name": PICO,
        "max_context_length": 4096,
        "trainable": True,
        "sampleable": True,
    }


def test_telemetry_is_accepted(driver):
    event = {
        "event": "SESSION_START",
        "event_id": "e",
        "event_session_index": 0,
        "severity": "INFO",
        "timestamp": "2026-11-23T15:50:15Z",
    }
    body = {
        "events": [event],
        "platform": "Linux",
        "sdk_version": "0.38.0",
        "session_id": "s",
        "process_uuid": "p",
    }

    assert driver.answer("telemetry", body) == {"status": "accepted"}


def test_a_model_is_described_with_its_tokenizer(driver):
    model = driver.model(base_model=f"{PICO}:peft:512", lora_config={"rank": 4})

    info = driver.answer("get_info", {"model_id": model})

    assert info["model_data"]["model_name"] == f"{PICO}:peft:512"
    assert info["model_data"]["tokenizer_id"].endswith("pico")
    assert (info["is_lora"], info["lora_rank"]) == (True, 4)


def test_an_unloaded_model_takes_no_more_operations(driver):
    model = driver.model()

    assert driver.result("unload_model", {"model_id": model}) == {"model_id": model, "type": "unload_model"}
    reply = driver.post("optim_step", driver.step(model, 2))
    assert reply.status == 400
    assert "was unloaded" in reply.json["detail"]


def uploaded(session: str, number: int) -> dict[str, object]:
    """The upload of a loss: the sum of the logprobs."""
    nodes = [
        {"op": "placeholder", "name": "logprobs", "target": "logprobs"},
        {"op": "call_method", "name": "sum_1", "target": "sum", "args": [{"ref": "logprobs"}]},
        {
            "op": "output",
            "name": "output",
            "target": "output",
            "args": [{"tuple": [{"ref": "sum_1"}, {"dict": {}}]}],
        },
    ]
    inputs = [{"name": "logprobs", "rank": 1}]
    body = {"session_id": session, "custom_loss_seq_id": number, "name": "n", "inputs": inputs}
    return {**body, "graph": {"format": 1, "nodes": nodes}}


def test_a_custom_loss_is_kept_for_its_session(driver):
    session = driver.session()
    kept = driver.result("create_custom_loss", uploaded(session, 0))
    used = driver.train(driver.model(session), 1, loss_fn="custom", loss_fn_config=kept)
    elsewhere = driver.train(driver.model(), 1, loss_fn="custom", loss_fn_config=kept)

    assert kept == {"loss_id": f"{session}:loss:0", "type": "create_custom_loss"}
    assert "does not run uploaded losses" in driver.result("forward_backward", used)["error"]
    assert (
        "expected a loss that this session uploaded" in driver.result("forward_backward", elsewhere)["error"]
    )


def test_a_custom_loss_that_cannot_be_run_is_not_kept(driver):
    session = driver.session()

    refused = driver.result("create_custom_loss", {**uploaded(session, 0), "inputs": []})
    negative = driver.post("create_custom_loss", uploaded(session, -1))

    assert "expected 'logprobs' of rank 1 or 2 first" in refused["error"]
    assert (negative.status, "expected 0 or more, got -1" in negative.json["detail"]) == (422, True)
    assert len(driver.service.store.losses) == 0


def test_a_default_adapter_has_the_rank_that_clients_use(driver):
    body = {"session_id": driver.session(), "model_seq_id": 0, "base_model": PICO}
    model = driver.result("create_model", body)["model_id"]

    assert driver.answer("get_info", {"model_id": model})["lora_rank"] == 32
