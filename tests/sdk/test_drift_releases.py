"""Drift between published releases whose differences are known from reading and running them."""

from functools import cache

import pytest

from contract.drift.wheels import find_wheel, unpacked
from fake_server.drift import Release, drift_between
from fake_server.drift.recorder import Scene
from fake_server.drift.runs import Stage
from fake_server.drift.scenes import BASIC
from tests.sdk.environments import ROOT

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

WHEELS = ROOT / ".cache" / "sdk-wheels"


@cache
def release(version: str) -> Release:
    """A published release."""
    return Release(version, unpacked(find_wheel(version, [], WHEELS), WHEELS))


def places(found, severity):
    return {change.place for change in found.changes if change.severity == severity}


def test_0_25_is_protobuf_alone_and_refuses_results_as_json():
    found = drift_between(release("0.24.1"), release("0.25.0"))
    assert (found.unchecked, found.status) == ((), 1)
    assert places(found, "breaking") == {
        "header accept",
        "requests of forward_backward",
        "results",
        "step forward, custom_loss",
    }
    assert places(found, "additive") == {
        "operation client_dynamic_config",
        "type ClientConfigResponse.fwdbwd_dispatch_bytes_semaphore_size",
        "type ClientConfigResponse.fwdbwd_max_chunk_bytes_count",
        "type ClientConfigResponse.fwdbwd_max_chunk_len",
    }
    results = next(change for change in found.changes if change.place == "results")
    assert results.operations == ("forward_backward", "asample", "retrieve_future")
    assert {"WIRE-01", "WIRE-02"} <= set(found.laws[found.changes.index(results)])


@pytest.mark.parametrize(("version", "works"), [("0.24.1", True), ("0.25.0", False)])
def test_a_server_of_json_alone_serves_0_24_and_not_0_25(version, works):
    scene = Scene("JSON alone", BASIC, json_results=True)
    with Stage() as stage:
        outcomes = stage.play(release(version).folder, [scene])["JSON alone"].outcomes
    refused = [step for step, outcome in outcomes.items() if "Server returned a JSON payload" in outcome]
    assert refused == ([] if works else ["forward_backward", "sample", "logprobs"])
    assert all(outcome == "ok" for step, outcome in outcomes.items() if step not in refused)


def test_0_26_needs_the_ids_of_sampled_sequences():
    found = drift_between(release("0.25.0"), release("0.26.0"))
    assert "answer UntypedAPIFuture.sample_sequence_ids" in places(found, "breaking")
    assert found.unchecked == ()


def test_0_18_needs_client_config():
    found = drift_between(release("0.16.1"), release("0.18.0"))
    assert places(found, "breaking") == {"step service"}
    assert found.unchecked == ()


def test_0_38_creates_models_from_states_in_one_request():
    found = drift_between(release("0.36.0"), release("0.38.0"))
    steps = {change.place: change for change in found.changes if change.severity == "breaking"}
    moved = steps["step model_from_state, model_from_state_with_optimizer"]
    assert moved.text == "create_model, weights_info -> load_weights"
    assert {"session_id", "model_seq_id"} <= set(moved.words)
    assert found.unchecked == ()


def test_a_patch_that_changes_no_wire_is_compatible():
    found = drift_between(release("0.30.3"), release("0.30.4"))
    assert (places(found, "breaking"), found.unchecked) == (set(), ())


@pytest.mark.parametrize("version", ["0.1.0", "0.24.1", "0.38.0"])
def test_a_release_does_not_drift_from_itself(version):
    again = Release(version, release(version).folder)
    found = drift_between(release(version), again)
    assert (found.changes, found.unchecked) == ((), ())
