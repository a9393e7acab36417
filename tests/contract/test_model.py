import subprocess
import sys
from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError

import contract
from contract.model import WireModel, WireResponse
from contract.operations import OPERATIONS

REQUESTS = {
    "AdamParams": "learning_rate beta1 beta2 eps",
    "CreateModelRequest": "base_model",
    "CreateSamplingSessionRequest": "session_id sampling_session_seq_id base_model model_path",
    "Datum": "loss_fn_inputs convert_tensors",
    "EncodedTextChunk": "tokens",
    "ForwardBackwardInput": "data loss_fn loss_fn_config",
    "FutureRetrieveRequest": "request_id",
    "ImageAssetPointerChunk": "format location expected_tokens",
    "ImageChunk": "data format expected_tokens validate_data serialize_data",
    "LoadWeightsRequest": "path optimizer",
    "LoraConfig": "rank seed train_unembed train_mlp train_attn",
    "ModelInput": "chunks from_ints to_ints length empty append append_int",
    "SampleRequest": (
        "num_samples base_model model_path sampling_session_id seq_id prompt_logprobs topk_prompt_logprobs"
    ),
    "SaveWeightsForSamplerRequest": "path",
    "SaveWeightsRequest": "path",
    "TelemetrySendRequest": "platform sdk_version",
    "TensorData": "data shape to_numpy to_torch",
}
"""The documented types that forbid unknown fields, with their documented fields and methods."""

RESPONSES = {
    "Checkpoint": "checkpoint_id checkpoint_type time tinker_path size_bytes public",
    "CheckpointArchiveUrlResponse": "url expires",
    "CheckpointsListResponse": "checkpoints cursor",
    "CreateSamplingSessionResponse": "sampling_session_id",
    "Cursor": "offset limit total_count",
    "ForwardBackwardOutput": "loss_fn_output_type loss_fn_outputs metrics",
    "GenericEvent": "event event_name severity event_data",
    "LoadWeightsResponse": "path",
    "OptimStepResponse": "metrics",
    "ParsedCheckpointTinkerPath": (
        "tinker_path training_run_id checkpoint_type checkpoint_id from_tinker_path"
    ),
    "SampleResponse": "prompt_logprobs topk_prompt_logprobs",
    "SampledSequence": "stop_reason tokens logprobs",
    "SamplingParams": "max_tokens seed stop temperature top_k top_p",
    "SaveWeightsForSamplerResponse": "path",
    "SaveWeightsForSamplerResponseInternal": "path sampling_session_id",
    "SaveWeightsResponse": "path",
    "SessionEndEvent": "duration event severity",
    "SessionStartEvent": "event severity",
    "TelemetryBatch": "platform sdk_version",
    "TrainingRun": (
        "training_run_id base_model model_owner is_lora corrupted lora_rank last_request_time "
        "last_checkpoint last_sampler_checkpoint user_metadata"
    ),
    "TrainingRunsResponse": "training_runs cursor",
    "TryAgainResponse": "request_id",
    "UnhandledExceptionEvent": "event severity traceback",
    "WeightsInfoResponse": "",
}
"""The documented types that ignore unknown fields, with their documented fields and methods."""


def test_forty_one_types_are_documented():
    assert len(REQUESTS.keys() | RESPONSES.keys()) == 41


@pytest.mark.parametrize("name", [*REQUESTS, *RESPONSES])
def test_every_documented_type_has_its_fields_and_methods(name):
    kind = getattr(contract, name)
    for documented in {**REQUESTS, **RESPONSES}[name].split():
        assert documented in kind.model_fields or hasattr(kind, documented)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_documented_request_forbids_unknown_fields_and_a_change(name):
    config = getattr(contract, name).model_config
    assert (config["extra"], config["frozen"]) == ("forbid", True)


@pytest.mark.parametrize("name", RESPONSES)
def test_a_documented_response_ignores_unknown_fields_and_forbids_a_change(name):
    config = getattr(contract, name).model_config
    assert (config["extra"], config["frozen"]) == ("ignore", True)


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_every_operation_takes_a_request_and_answers_responses(row):
    assert issubclass(row.request, WireModel)
    kinds = get_args(row.response) or (row.response,)
    assert all(kind is type(None) or issubclass(kind, WireResponse) for kind in kinds)


def test_an_unknown_field_of_a_request_is_named():
    with pytest.raises(ValidationError, match="unknown\n  Extra inputs are not permitted"):
        contract.LoraConfig.model_validate({"rank": 8, "unknown": 1})


def test_an_unknown_field_of_a_response_is_dropped():
    cursor = contract.Cursor.model_validate({"offset": 0, "limit": 1, "total_count": 2, "unknown": 1})
    assert cursor.model_dump() == {"offset": 0, "limit": 1, "total_count": 2}


def test_a_value_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        contract.LoraConfig(rank=8).rank = 9


OTHERS = {"starlette", "uvicorn", "torch", "tinker", "hypothesis"}


def test_importing_the_contract_imports_no_server_engine_or_client():
    program = f"import sys, contract, contract.versions; print({OTHERS} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_every_wire_type_is_public():
    bases = {"EventHeader", "ProvenanceRun"}
    kinds = {k.__name__ for base in (WireModel, WireResponse) for k in _below(base)}
    assert kinds - bases <= set(contract.__all__)


def _below(kind: type[BaseModel]) -> set[type[BaseModel]]:
    own = {sub for sub in kind.__subclasses__() if sub.__module__.startswith("contract.")}
    return own | {deeper for sub in own for deeper in _below(sub)}
