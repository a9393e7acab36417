import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contract
from contract.losses import LOSSES
from contract.model import Since, Until
from contract.operations import CREATE_MODEL, OPERATIONS, UNSERVED
from contract.sampling import SampleRequest
from contract.versions import (
    LEGACY_SESSION,
    NEWEST,
    NEXT_MODEL,
    TRAITS,
    SdkVersion,
    follows_archive_redirect,
    has_trait,
    in_force,
    is_known,
    knows_checkpoint_type,
    misplaced,
    retries_429_on_retrieve,
    sends_through_pyqwest,
    upgrade,
)

REQUEST = {row.name: row.request for row in OPERATIONS}
MEASURED = json.loads(Path(__file__).with_name("since.json").read_text())
"""First and last SDK release of what came or went, measured over 75 releases."""


def test_every_field_says_since_and_until_when_it_exists():
    annotated = {}
    for name in contract.__all__:
        kind = getattr(contract, name)
        for field, info in getattr(kind, "model_fields", {}).items():
            since = next((m.version for m in info.metadata if isinstance(m, Since)), None)
            until = next((m.version for m in info.metadata if isinstance(m, Until)), None)
            if since or until:
                annotated[f"{name}.{field}"] = [since, until]
    assert annotated == MEASURED["fields"]


def test_every_operation_says_since_and_until_when_it_exists():
    said = {row.name: [row.since, row.until] for row in (*OPERATIONS, *UNSERVED) if "/oai/" not in row.path}
    assert said == MEASURED["operations"]


def test_every_loss_says_since_when_it_exists():
    assert {loss.name: loss.since for loss in LOSSES.values()} == MEASURED["losses"]


def test_versions_compare_by_age():
    assert SdkVersion.parse("0.9.0") < SdkVersion.parse("0.30.4") < SdkVersion.parse("1.0.0")
    assert str(SdkVersion.parse("0.30.4")) == "0.30.4"


@pytest.mark.parametrize("text", [None, "", "curl"])
def test_no_version_means_the_newest(text):
    assert SdkVersion.parse(text) == SdkVersion.parse(NEWEST)


def test_the_text_that_the_first_releases_share_means_the_oldest():
    assert SdkVersion.parse("0.0.1-alpha.1") == SdkVersion(0, 1, 0)


@pytest.mark.parametrize(("version", "knows"), [("0.27.2", False), ("0.28.0", True), (None, True)])
def test_external_checkpoints_are_known_since_0_28_0(version, knows):
    assert knows_checkpoint_type(SdkVersion.parse(version), "external") is knows
    assert knows_checkpoint_type(SdkVersion.parse(version), "training")


@pytest.mark.parametrize(("version", "retries"), [("0.20.0", False), ("0.21.0", True)])
def test_429_is_retried_on_retrieve_since_0_21_0(version, retries):
    assert retries_429_on_retrieve(SdkVersion.parse(version)) is retries


@pytest.mark.parametrize(("version", "sends"), [("0.21.0", False), ("0.22.0", True)])
def test_pyqwest_is_the_usual_transport_since_0_22_0(version, sends):
    assert sends_through_pyqwest(SdkVersion.parse(version)) is sends


@pytest.mark.parametrize(("version", "redirect"), [("0.2.0", True), ("0.22.1", True), ("0.22.2", False)])
def test_archives_are_redirects_until_0_22_1(version, redirect):
    assert follows_archive_redirect(SdkVersion.parse(version)) is redirect


@pytest.mark.parametrize(
    ("version", "traits"),
    [
        ("0.1.0", {"arrival", "archive_redirect"}),
        ("0.12.0", {"numbers", "defaults", "archive_redirect"}),
        ("0.24.1", {"numbers", "flags", "protobuf_samples", "protobuf_passes", "retries_429", "pyqwest"}),
        (
            NEWEST,
            {
                "numbers",
                "flags",
                "retries_429",
                "pyqwest",
                "protobuf_alone",
                "sample_ids",
                "external_checkpoints",
            },
        ),
    ],
)
def test_a_release_has_the_traits_of_its_time(version, traits):
    assert {name for name in TRAITS if has_trait(SdkVersion.parse(version), name)} == traits


def test_a_release_after_the_newest_is_not_known():
    assert is_known(SdkVersion.parse(NEWEST))
    assert not is_known(SdkVersion(99, 0, 0))


def test_what_does_not_tell_its_number_may_be_any_release_up_to_0_2_2():
    oldest = SdkVersion.parse("0.0.1-alpha.1")
    assert in_force("0.2.0", None, oldest)
    assert in_force(None, "0.1.5", oldest)
    assert not in_force("0.3.0", None, oldest)
    assert misplaced(CREATE_MODEL, {"base_model": "m", "user_metadata": {"a": "b"}}, oldest) == []


TOKENS = {"chunks": [{"tokens": [1, 2, 3]}]}
OLD_BODIES = {
    "create_model 0.1.0": {
        "base_model": "Qwen/Qwen3-8B",
        "lora_config": {"rank": 8, "seed": None, "train_mlp": True},
        "type": "create_model",
    },
    "create_session 0.18.0": {"tags": [], "sdk_version": "0.18.0", "type": "create_session"},
    "forward_backward 0.3.0": {
        "forward_backward_input": {
            "data": [{"loss_fn_inputs": {}, "model_input": TOKENS}],
            "loss_fn": "cross_entropy",
            "loss_fn_config": None,
        },
        "model_id": "sess-1:train:0",
        "seq_id": 1,
    },
    "forward 0.1.0": {
        "forward_input": {"data": [], "loss_fn": "cross_entropy"},
        "model_id": "model-1",
    },
    "optim_step 0.3.0": {"adam_params": {"learning_rate": 1e-4}, "model_id": "m", "seq_id": 3},
    "asample 0.1.0": {
        "num_samples": 1,
        "prompt": TOKENS,
        "sampling_params": {"max_tokens": 2, "seed": None, "stop": None, "temperature": 1},
        "model_path": "tinker://m/sampler_weights/x",
        "prompt_logprobs": False,
        "type": None,
    },
    "save_weights 0.12.0": {"model_id": "m", "path": "st1", "seq_id": 4, "ttl_seconds": None},
    "load_weights 0.5.1": {"model_id": "m", "path": "tinker://m/weights/x", "seq_id": 1},
    "telemetry 0.23.4": {"events": [], "platform": "Linux", "sdk_version": "0.23.4", "session_id": "s"},
    "retrieve_future 0.1.0": {"request_id": "r"},
}
"""What old clients send, recorded."""


@pytest.mark.parametrize("case", OLD_BODIES)
def test_the_newest_request_types_accept_what_old_clients_send(case):
    operation = case.partition(" ")[0]
    sent = copy.deepcopy(OLD_BODIES[case])
    REQUEST[operation].model_validate(upgrade(operation, sent))
    assert sent == OLD_BODIES[case]


def test_a_client_without_sessions_creates_the_next_model_of_the_legacy_session():
    request = upgrade("create_model", {"base_model": "b"})
    assert (request["session_id"], request["model_seq_id"]) == (LEGACY_SESSION, NEXT_MODEL)


def test_what_a_client_sends_is_not_filled():
    sent = {"model_id": "m", "path": "tinker://m/weights/x", "optimizer": False}
    assert upgrade("load_weights", sent) == sent


def test_a_client_without_the_choice_loads_the_optimizer_too():
    assert upgrade("load_weights", {"path": "p"}) == {"path": "p", "optimizer": True}


@pytest.mark.parametrize("content", [{"data": "AAAA"}, {"location": "a.png"}])
def test_an_old_image_chunk_advises_its_tokens_under_the_new_name(content):
    chunk = {**content, "format": "png", "height": 8, "width": 8, "tokens": 4}
    sent = {"prompt": {"chunks": [{"tokens": [1]}, chunk]}, "sampling_params": {}}
    request = SampleRequest.model_validate(upgrade("asample", sent))
    assert request.prompt.length == 5


def test_a_null_for_a_default_is_dropped_and_any_other_null_stays():
    params = {"temperature": None, "stop": None}
    sent = {"prompt": {"chunks": None}, "sampling_params": params, "num_samples": None}
    assert upgrade("asample", sent) == {"prompt": {"chunks": None}, "sampling_params": {"stop": None}}


def test_dimuon_constants_are_dropped_and_other_values_of_them_stay():
    old = {"type": "dimuon", "learning_rate": 0.1, "damping": 1e-4, "rank_lr_correction_exponent": 0.5}
    params = upgrade("optim_step", {"optimizer_params": old})["optimizer_params"]
    assert params == {"type": "dimuon", "learning_rate": 0.1, "rank_lr_correction_exponent": 0.5}


@given(st.sampled_from(sorted(REQUEST)), st.dictionaries(st.text(), st.integers() | st.lists(st.text())))
@settings(derandomize=True, deadline=None)
def test_unknown_fields_stay_for_the_request_type_to_judge(operation, sent):
    assert sent.items() <= upgrade(operation, sent).items()
