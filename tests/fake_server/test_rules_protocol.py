"""Rules of what is sent beside the work, and of the protocol: broken, and nearly broken."""

import pytest

from contract.versions import SdkVersion
from fake_server.wire import UnknownFieldWarning
from tests.fake_server.driver import Driver, datum
from tests.fake_server.journals import Script, found

KEY = "tml-secret-of-mine"


@pytest.fixture
def driver():
    return Driver(control=True)


@pytest.fixture
def script():
    return Script()


def work(script, at, **fields):
    script.add("optim_step", {"session_id": "s"}, at=at, **fields)


def report(script, at, until):
    script.add("telemetry", {"session_id": "s"}, at=at, answered_at=until)


def test_work_that_waits_for_telemetry_is_found(script):
    work(script, 1.0)
    report(script, 1.5, 5.0)
    report(script, 5.5, 9.5)
    work(script, 9.6)

    assert found(script.journal, "CLI-17") == ["optim_step waited for 2 telemetry requests, 8.0 s"]


@pytest.mark.parametrize(("until", "after"), [(3.0, 3.1), (9.5, 12.0)])
def test_quick_telemetry_and_work_that_came_by_chance_are_fine(script, until, after):
    work(script, 1.0)
    report(script, 1.5, until)
    work(script, after)

    assert not found(script.journal, "CLI-17")


def test_telemetry_beside_work_is_fine(script):
    script.add("retrieve_future", {"request_id": "r"}, at=1.0, answered_at=9.0)
    report(script, 1.5, 8.9)
    script.add("session_heartbeat", {"session_id": "s"}, at=4.0)
    work(script, 9.1)
    report(script, 9.2, 20.0)

    assert not found(script.journal, "CLI-17")


def test_telemetry_that_nobody_answered_is_short(script):
    work(script, 1.0)
    report(script, 1.5, None)
    work(script, 1.6)

    assert not found(script.journal, "CLI-17")


def save(driver, model, seq_id, name, operation="save_weights"):
    return driver.result(operation, {"model_id": model, "seq_id": seq_id, "path": name})["path"]


def test_a_checkpoint_that_nobody_uses_is_noted(driver):
    path = save(driver, driver.model(), 1, "left")

    assert found(driver.controls.journal, "CLI-18") == [f"{path} was saved and not used"]


def test_checkpoints_that_are_used_are_fine(driver):
    session = driver.session()
    model = driver.model(session)
    state, weights = save(driver, model, 1, "s"), save(driver, model, 2, "w", "save_weights_for_sampler")
    files = save(driver, model, 3, "e", "save_weights_external")
    driver.post("load_weights", {"model_id": model, "seq_id": 4, "path": state, "optimizer": True})
    driver.sampler(session, base_model=None, model_path=weights)
    driver.call("DELETE", f"training_runs/{model}/checkpoints/external_weights/e")

    assert files.endswith("/external_weights/e")
    assert not found(driver.controls.journal, "CLI-18")


def test_a_save_that_was_sent_twice_is_noted_once(driver):
    model = driver.model()
    for _ in range(2):
        save(driver, model, 1, "once")

    assert len(found(driver.controls.journal, "CLI-18")) == 1


def test_a_sampler_without_a_checkpoint_is_none(driver):
    model = driver.model()
    driver.result("save_weights_for_sampler", {"model_id": model, "seq_id": 1, "sampling_session_seq_id": 0})

    assert not found(driver.controls.journal, "CLI-18")


def test_a_field_of_a_later_version_is_found(driver):
    driver.headers["x-stainless-package-version"] = "0.6.3"
    body = driver.step(driver.model(), 1)
    for _ in range(2):
        driver.post("optim_step", {**body, "adam_params": {"learning_rate": 1e-3, "weight_decay": 0.1}})

    assert found(driver.controls.journal, "CLI-19") == [
        "0.6.3 sends optim_step.adam_params.weight_decay, which it does not have"
    ]


def test_an_endpoint_of_another_version_is_found(driver):
    driver.headers["x-stainless-package-version"] = "0.38.0"
    model = driver.model()
    driver.post("unload_model", {"model_id": model})
    driver.headers["x-stainless-package-version"] = "0.2.0"
    driver.post("cancel_future", {"request_id": "r"})

    assert found(driver.controls.journal, "CLI-19") == [
        "0.38.0 sends unload_model, which it does not have",
        "0.2.0 sends cancel_future, which it does not have",
    ]


def test_an_old_versions_own_fields_are_its_own(driver):
    driver.headers["x-stainless-package-version"] = "0.3.0"
    session = driver.session()
    model = driver.model(session, lora_config={"rank": 8, "seed": None})
    body = {"forward_backward_input": {"data": [datum()], "loss_fn": "cross_entropy", "loss_fn_config": None}}
    driver.post("forward_backward", {"model_id": model, "seq_id": 1, **body})
    driver.post("save_weights", {"model_id": model, "seq_id": 2, "path": "x"})
    driver.post("load_weights", {"model_id": model, "seq_id": 3, "path": "tinker://x/weights/y"})

    assert not found(driver.controls.journal, "CLI-19")


def test_a_client_that_names_no_version_may_send_what_it_likes(driver):
    driver.post("unload_model", {"model_id": driver.model()})

    assert not found(driver.controls.journal, "CLI-19")


@pytest.mark.parametrize(("version", "told"), [("0.38.0", True), ("0.24.1", False)])
def test_json_where_a_version_speaks_protobuf_alone_is_found(driver, version, told):
    driver.headers["x-stainless-package-version"] = version
    body = {"forward_backward_input": {"data": [datum()], "loss_fn": "cross_entropy"}}
    driver.result("forward_backward", {"model_id": driver.model(), "seq_id": 1, **body})

    texts = [
        f"{version} sends forward_backward in JSON, which it does not have",
        f"{version} reads the result of forward_backward in JSON, which it does not have",
    ]
    assert found(driver.controls.journal, "CLI-19") == (texts if told else [])


def test_a_failure_is_json_for_every_version(driver):
    driver.headers["x-stainless-package-version"] = "0.38.0"
    sampler = driver.sampler(driver.session())
    driver.controls.stubs.on("sample").fails("user", "no")
    driver.result("asample", driver.sample(sampler, 0))

    assert not found(driver.controls.journal, "CLI-19")


def test_a_version_that_is_told_in_the_body_alone_is_noted(driver):
    for _ in range(2):
        driver.session()
    assert found(driver.controls.journal, "CLI-22") == [
        "a session of 0.38.0 was opened without X-Stainless-Package-Version"
    ]


def test_a_version_in_the_header_is_told(driver):
    driver.headers["x-stainless-package-version"] = "0.38.0"
    driver.session()

    assert not found(driver.controls.journal, "CLI-22")


def test_what_is_not_served_is_of_no_version(driver):
    driver.headers["x-stainless-package-version"] = "0.38.0"
    driver.post("/oai/api/v1/completions", {})

    assert not found(driver.controls.journal, "CLI-19")


def test_a_field_that_nobody_knows_is_found(driver):
    for _ in range(2):
        with pytest.warns(UnknownFieldWarning):
            driver.post("get_info", {"model_id": "m", "colour": "red"})

    assert found(driver.controls.journal, "CLI-20") == ["get_info came with colour, and it was ignored"]


def test_a_newer_client_may_know_more(script):
    made = script.add("get_info", {"model_id": "m"}, unknown_fields=("colour",))
    made.sdk_version = SdkVersion(9, 0, 0)

    assert not found(script.journal, "CLI-20")


def test_a_key_in_telemetry_is_found(driver):
    event = {
        "event": "GENERIC_EVENT",
        "event_id": "1",
        "event_session_index": 0,
        "severity": "INFO",
        "timestamp": "2026-01-01T00:00:00Z",
        "event_name": "request",
        "event_data": {"headers": {"X-API-Key": KEY}, "tries": [1, {"with": f"key {KEY}"}]},
    }
    batch = {"platform": "Linux", "sdk_version": "0.38.0", "session_id": "s", "process_uuid": "p"}
    driver.answer("telemetry", {"events": [event], **batch})

    assert found(driver.controls.journal, "CLI-21") == [
        "telemetry has a key in events.0.event_data.headers.X-API-Key, events.0.event_data.tries.1.with"
    ]


def test_a_key_in_metadata_is_found(driver):
    driver.session(user_metadata={KEY: 1}, tags=["a", KEY])

    assert found(driver.controls.journal, "CLI-21") == [
        "create_session has a key in tags.1, a name in user_metadata"
    ]


def test_a_key_as_a_fields_name_is_found(script):
    script.add("telemetry", {KEY: 1})

    assert found(script.journal, "CLI-21") == ["telemetry has a key in a name in the body"]


def test_keys_and_tokens_where_they_belong_are_fine(driver):
    driver.headers["x-api-key"] = KEY
    driver.session(display_name="tml")
    load = {"model_id": driver.model(), "seq_id": 1, "path": "tinker://a/weights/b", "optimizer": True}
    driver.post("load_weights", {**load, "weights_access_token": KEY})

    assert not found(driver.controls.journal, "CLI-21")
