import pytest
from pydantic import ValidationError

from contract.weights import CheckpointRequest, LoadWeightsRequest, SetCheckpointTtlRequest


def test_a_checkpoint_in_a_url_is_named_by_segment_and_name():
    request = CheckpointRequest(training_run_id="s:train:0", segment="weights", name="0001")
    assert request.checkpoint_id == "weights/0001"


def test_a_life_may_be_for_ever_but_must_be_said():
    where = {"training_run_id": "m", "segment": "weights", "name": "0001"}
    assert SetCheckpointTtlRequest(**where, ttl_seconds=None).ttl_seconds is None
    with pytest.raises(ValidationError, match="ttl_seconds\n  Field required"):
        SetCheckpointTtlRequest.model_validate(where)


def test_whether_the_optimizer_is_loaded_must_be_said():
    with pytest.raises(ValidationError, match="optimizer\n  Field required"):
        LoadWeightsRequest.model_validate({"path": "tinker://m/weights/0001"})
