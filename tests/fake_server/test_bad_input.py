"""Bad input: a clear answer, nothing lost, no trace in the state."""

import asyncio
import gzip
import warnings

import pytest
import zstandard

from fake_server.app import create_app
from fake_server.scripted import open_scripted
from fake_server.settings import Settings
from fake_server.wire import UnknownFieldWarning
from tests.fake_server.driver import KEY, PICO, Driver, datum, exchange

PROTOBUF = {"content_type": "application/x-protobuf"}


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def model(driver) -> str:
    return driver.model()


def traces(driver: Driver) -> tuple[int, ...]:
    store = driver.service.store
    tables = (store.sessions, store.models, store.samplers, store.checkpoints, store.losses)
    return (*map(len, tables), len(list(driver.service.futures)))


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b"{", {}, 400, "body: expected JSON"),
        (b"[]", {}, 422, "expected"),
        (b"\xff\xfe", {}, 400, "body: expected JSON"),
        (b"\x0a\xff", PROTOBUF, 415, "application/x-protobuf"),
        (b"{}", {"content_type": "text/html"}, 415, "text/html"),
        (b"{}", {"content_encoding": "br"}, 415, "br"),
        (b"not zstd", {"content_encoding": "zstd"}, 400, "zstd"),
        (b"not gzip", {"content_encoding": "gzip"}, 400, "gzip"),
        (b'{"model_id": 5, "seq_id": 1, "adam_params": {}}', {}, 422, "model_id: expected"),
        (
            b'{"model_id": "nope", "seq_id": 1, "adam_params": {}}',
            {},
            404,
            "no model 'nope'; this server has",
        ),
        (b'{"model_id": "nope", "seq_id": 1}', {}, 422, "optim_params"),
    ],
)
def test_a_bad_body_is_refused_and_leaves_no_trace(driver, model, body, headers, status, words):
    before = traces(driver)

    reply = driver.post("optim_step", body, **headers)

    assert (reply.status, traces(driver)) == (status, before)
    assert words in reply.json["detail"]


def test_a_truncated_protobuf_is_refused(driver, model):
    before = traces(driver)

    reply = driver.post("forward_backward", b"\x0a\x09s:train", **PROTOBUF)

    assert (reply.status, traces(driver)) == (400, before)
    assert "protobuf" in reply.json["detail"]


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("zstd", zstandard.ZstdCompressor().compress(bytes(200_000_000))),
        ("gzip", gzip.compress(bytes(20_000_000))),
    ],
)
def test_a_bomb_is_refused_by_its_size(encoding, bomb):
    driver = Driver(Settings(max_body_bytes=1_000_000))

    reply = driver.post("forward_backward", bomb, content_encoding=encoding, **PROTOBUF)

    assert reply.status == 413
    assert "1000000 bytes" in reply.json["detail"]


def test_a_body_that_is_too_large_is_read_to_its_end_and_refused():
    app = create_app(open_scripted, Settings(max_body_bytes=10))
    parts = [b"x" * 6] * 3

    reply = asyncio.run(exchange(app, "POST", "/api/v1/optim_step", parts, KEY))

    assert reply.status == 413
    assert "expected at most 10 bytes, got 18" in reply.json["detail"]


def test_a_client_that_leaves_in_the_middle_of_its_body_gets_no_answer():
    app = create_app(open_scripted)

    with pytest.raises(IndexError):
        asyncio.run(exchange(app, "POST", "/api/v1/optim_step", [], KEY))


def test_a_body_may_be_compressed(driver, model):
    import json

    body = json.dumps(driver.train(model, 1)).encode()

    packed = driver.answer("forward_backward", gzip.compress(body), content_encoding="gzip")
    assert driver.poll(packed["request_id"]).status == 200


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss_fn": "l2"}, "loss_fn: expected one of"),
        ({"data": []}, "data: expected at least one datum"),
        ({"loss_fn": "ppo"}, "got no logprobs and no advantages"),
        (
            {"data": [datum(), datum(weights={"data": [1.0], "dtype": "float32", "shape": [1]})]},
            r"loss_fn_inputs['weights']: expected 3 values, one per target token, got 1 (datum 2 of 2)",
        ),
        ({"loss_fn_config": {"beta": 1}}, "loss_fn_config['beta']: expected a setting of cross_entropy"),
        (
            {"loss_fn": "custom", "loss_fn_config": {"loss_id": "x"}},
            "expected a loss that this session uploaded",
        ),
    ],
)
def test_a_batch_that_does_not_fit_fails_its_future_and_the_next_operation_proceeds(
    driver, model, change, words
):
    failed = driver.result("forward_backward", driver.train(model, 1, **change))

    assert failed["category"] == "user"
    assert words in failed["error"]
    assert "metrics" in driver.result("optim_step", driver.step(model, 2))


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "..", ".", "", "a\\b", "a\nb", "a?b", "a#b", "a%41", "x" * 300]
)
def test_a_checkpoint_name_is_no_path(driver, model, name):
    reply = driver.post("save_weights", {"model_id": model, "seq_id": 1, "path": name})

    assert reply.status == 400
    assert "path: expected a name" in reply.json["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nope",
        "/nope",
        "/api/v1/training_runs/a/checkpoints/weights/../../x",
        "/api/v1/optim_step/",
    ],
)
def test_an_unknown_path_is_not_found(driver, path):
    reply = driver.get(path)

    assert reply.status == 404
    assert "no operation GET" in reply.json["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "optim_step", "POST"),
        ("PATCH", "auth/apikey/me", "DELETE, GET"),
        ("PUT", "training_runs/a:train:0/checkpoints/weights/s/publish", "DELETE, POST"),
        ("POST", "training_runs/a:train:0/checkpoints/weights/s", "DELETE"),
        ("DELETE", "sessions/search", "GET, POST"),
        ("GET", "/oai/api/v1/completions", "POST"),
    ],
)
def test_another_method_on_a_path_names_those_that_it_has(driver, method, path, allowed):
    reply = driver.call(method, path)

    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    where = path if path.startswith("/") else f"/api/v1/{path}"
    assert reply.json["detail"] == f"{where}: expected {allowed.replace(', ', ' or ')}, got {method}"


def test_ids_of_another_tenant_are_not_found(driver, model):
    other = Driver(prefix="/t/other", app=driver.app)
    request_id = driver.answer("optim_step", driver.step(model, 1))["request_id"]

    assert other.post("get_info", {"model_id": model}).status == 404
    assert other.poll(request_id).status == 404
    assert "this server has none" in other.post("get_info", {"model_id": model}).json["detail"]


def test_a_tenant_of_a_bad_name_is_refused(driver):
    assert Driver(prefix="/t/a b", app=driver.app).post("create_session", {}).status == 400


def test_an_unknown_field_is_dropped_warned_about_and_reported(driver):
    seen = []
    driver.service.traffic.observers.append(seen.append)

    with pytest.warns(
        UnknownFieldWarning, match="create_session: expected the fields of the contract, got shiny"
    ):
        session = driver.session(shiny=1)

    assert session
    assert seen[0].unknown_fields == ("shiny",)


def test_an_unknown_field_is_refused_where_warnings_are_errors(driver):
    body = {"tags": [], "user_metadata": {}, "sdk_version": "9", "shiny": 1}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reply = driver.post("create_session", body)

    assert reply.status == 422
    assert "shiny" in reply.json["detail"]


def test_an_operation_that_makes_no_sense_here_says_why(driver):
    reply = driver.post("/oai/api/v1/completions", {"model": "x"})

    assert reply.status == 400
    assert "oai_completions is not served: not part of the Tinker API" in reply.json["detail"]


def test_a_bug_is_answered_without_its_traceback(driver, caplog):
    driver.service.backend.base_models = lambda: 1 / 0  # type: ignore[method-assign]

    reply = driver.get("get_server_capabilities")

    assert reply.status == 500
    assert reply.json == {
        "detail": "internal error in get_server_capabilities; the server's log has the details"
    }
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"base_model": "nope/nope"}, "base_model: expected one of tinkerproof/pico"),
        ({"lora_config": {"rank": 0}}, "lora_config.rank must be positive"),
        (
            {"lora_config": {"rank": 1, "train_mlp": False, "train_attn": False, "train_unembed": False}},
            "At least one of train_unembed, train_mlp, or train_attn must be True",
        ),
        ({"model_seq_id": -7}, "model_seq_id: expected 0 or more, got -7"),
    ],
)
def test_a_model_that_cannot_be_is_refused(driver, fields, words):
    body = {"session_id": driver.session(), "model_seq_id": 0, "base_model": PICO, "lora_config": {"rank": 8}}

    reply = driver.post("create_model", {**body, **fields})

    assert reply.status in (400, 422)
    assert words in reply.json["detail"]
    assert traces(driver)[1] == 0


def test_a_session_is_finished_by_json_only(driver):
    assert driver.post(f"sessions/{driver.session()}/finish", b"not json").status == 400
    assert driver.post(f"sessions/{driver.session()}/finish", b"[]").status == 422


def test_a_protobuf_request_that_does_not_fit_uses_up_its_number(driver, model):
    from contract.proto.tinker_public_pb2 import ForwardBackwardRequest

    body = ForwardBackwardRequest(model_id=model, seq_id=1, data=[{"model_input": [{}]}]).SerializeToString()

    assert driver.post("forward_backward", body, **PROTOBUF).status == 422
    assert "metrics" in driver.result("optim_step", driver.step(model, 2))


def test_a_forward_pass_of_an_older_client_leaves_no_gradients(driver, model):
    batch = driver.train(model, 1)
    driver.result(
        "forward", {"model_id": model, "seq_id": 1, "forward_input": batch["forward_backward_input"]}
    )

    assert driver.result("optim_step", driver.step(model, 2))["metrics"]["grad_norm"] == 0.0


def test_json_may_be_a_quarter_as_large_as_protobuf():
    driver = Driver(Settings(max_body_bytes=4000))

    reply = driver.post("optim_step", b"x" * 1001)

    assert reply.status == 413
    assert "expected at most 1000 bytes of JSON, got 1001" in reply.json["detail"]


def test_targets_have_an_end_even_where_most_cells_are_not_listed(driver, model):
    sparse = {"data": [1], "dtype": "int64", "shape": [1, 2**40]}
    sparse |= {"sparse_crow_indices": [0, 1], "sparse_col_indices": [0]}
    batch = {"data": [datum((1,), target_tokens=sparse)]}

    failed = driver.result("forward_backward", driver.train(model, 1, **batch))

    assert "target_tokens']: expected at most 1048576 cells" in failed["error"]


def test_sparse_indices_have_64_bits(driver, model):
    sparse = {"data": [1], "dtype": "int64", "shape": [1, 4], "sparse_crow_indices": [0, 1]}
    batch = {"data": [datum((1,), target_tokens={**sparse, "sparse_col_indices": [2**70]})]}

    reply = driver.post("forward_backward", driver.train(model, 1, **batch))

    assert (reply.status, "64-bit indices" in reply.json["detail"]) == (422, True)


def test_a_context_that_cannot_be_is_refused_and_not_ignored(driver):
    body = {"session_id": driver.session(), "model_seq_id": 0, "base_model": f"{PICO}:peft:many"}

    reply = driver.post("create_model", body)

    assert reply.status == 400
    assert "expected NAME:peft:LENGTH" in reply.json["detail"]
