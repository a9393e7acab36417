"""Base models: as requests name them, and as answers describe them."""

from collections.abc import Sequence

import pytest

from contract import BackendOptions, BaseModelInfo
from fake_server.app import create_app
from fake_server.clock import VirtualClock
from fake_server.scripted import ScriptedBackend
from tests.fake_server.driver import PICO, Driver


def info(name: str, **fields: object) -> BaseModelInfo:
    facts = {"vocab_size": 300, "max_context_length": 64, "arch": "tiny", "tokenizer_id": name}
    return BaseModelInfo(**{"name": name, "end_of_text_ids": (0,), **facts, **fields})


class Chosen(ScriptedBackend):
    """A backend that has base models of all kinds."""

    def base_models(self) -> Sequence[BaseModelInfo]:
        return [
            info(PICO, tokenizer_id="/models/pico folder"),
            info("my/frozen", trainable=False),
            info("my/unfinished", sampleable=False),
        ]


@pytest.fixture
def driver() -> Driver:
    return Driver(app=create_app(lambda options: Chosen(BackendOptions()), clocks=VirtualClock))


def create(driver: Driver, name: str | None) -> tuple[int, str]:
    body = {"session_id": driver.session(), "model_seq_id": 0, "base_model": name}
    reply = driver.post("create_model", {key: value for key, value in body.items() if value is not None})
    return reply.status, reply.json.get("detail", "")


@pytest.mark.parametrize("name", ["", None])
def test_a_model_needs_a_base_model(driver, name):
    assert create(driver, name) == (400, "base_model is required")


def test_a_base_model_that_cannot_be_trained_is_refused(driver):
    assert create(driver, "my/frozen") == (
        400,
        "base_model: expected one that can be trained, got 'my/frozen', which cannot",
    )


def test_a_base_model_that_cannot_be_sampled_from_is_refused(driver):
    body = {
        "session_id": driver.session(),
        "sampling_session_seq_id": 0,
        "base_model": "my/unfinished:peft:9",
    }

    reply = driver.post("create_sampling_session", body)

    assert reply.status == 400
    assert "expected one that can be sampled from, got 'my/unfinished:peft:9'" in reply.json["detail"]


def test_a_tokenizer_in_a_folder_is_told_as_it_is(driver):
    told = driver.answer("get_info", {"model_id": driver.model(base_model=f"{PICO}:peft:32")})

    data = {"arch": "tiny", "model_name": f"{PICO}:peft:32", "tokenizer_id": "/models/pico folder"}
    assert told["model_data"] == data


def test_capabilities_are_the_backends_own_facts(driver):
    models = driver.get("get_server_capabilities").json["supported_models"]

    assert [(m["model_name"], m["trainable"], m["sampleable"]) for m in models] == [
        (PICO, True, True),
        ("my/frozen", False, True),
        ("my/unfinished", True, False),
    ]
    assert {m["max_context_length"] for m in models} == {64}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [("other", "expected 'tinkerproof/pico', as tinker://"), (f"{PICO}:peft:x", "NAME:peft:LENGTH")],
)
def test_weights_are_of_one_base_model(driver, wanted, words):
    model = driver.model()
    path = driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "s"})["path"]
    body = {"session_id": driver.session(), "sampling_session_seq_id": 0, "model_path": path}

    reply = driver.post("create_sampling_session", {**body, "base_model": wanted})

    assert reply.status == 400
    assert words in reply.json["detail"]
    assert driver.sampler(body["session_id"], 1, model_path=path, base_model=f"{PICO}:peft:32")
