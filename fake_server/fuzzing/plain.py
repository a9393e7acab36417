"""`plain`: of each operation, the request that a client sends who wants nothing special."""

from copy import deepcopy
from typing import Any

from fake_server.fuzzing.request import NEXT, ROWS, Request

__all__ = ["LAWS_OF_IDS", "LAW_OF", "PLAIN", "REFERENCES", "plain"]

TOKENS = {"chunks": [{"type": "encoded_text", "tokens": [5, 6, 7, 8]}]}
TARGETS = {"data": [6, 7, 8, 9], "dtype": "int64", "shape": [4]}
WEIGHTS = {"data": [1.0, 1.0, 1.0, 1.0], "dtype": "float32", "shape": [4]}
BATCH = {
    "data": [{"model_input": TOKENS, "loss_fn_inputs": {"target_tokens": TARGETS, "weights": WEIGHTS}}],
    "loss_fn": "cross_entropy",
}
SUM_OF_LOGPROBS = {
    "format": 1,
    "nodes": [
        {"op": "placeholder", "name": "logprobs", "target": "logprobs"},
        {"op": "call_method", "name": "sum_1", "target": "sum", "args": [{"ref": "logprobs"}]},
        {
            "op": "output",
            "name": "output",
            "target": "output",
            "args": [{"tuple": [{"ref": "sum_1"}, {"dict": {}}]}],
        },
    ],
}
OF_MODEL = {"model_id": "«model»"}
TURN = {**OF_MODEL, "seq_id": NEXT}
OF_SESSION = {"session_id": "«session»"}
OF_RUN = {"training_run_id": "«model»"}
OF_CHECKPOINT = {**OF_RUN, "segment": "weights", "name": "«checkpoint»"}
EVENT = {
    "event": "SESSION_START",
    "event_id": "1",
    "event_session_index": 0,
    "severity": "INFO",
    "timestamp": "2026-01-01T00:00:00Z",
}

PLAIN: dict[str, dict[str, Any]] = {
    "client_config": {"sdk_version": "0.38.0"},
    "client_dynamic_config": {"sdk_version": "0.38.0"},
    "telemetry": {
        "events": [EVENT],
        "platform": "linux",
        "sdk_version": "0.38.0",
        **OF_SESSION,
        "process_uuid": "1",
    },
    "create_session": {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"},
    "session_heartbeat": OF_SESSION,
    "finish_session": {**OF_SESSION, "reason": {"type": "success"}},
    "get_session": OF_SESSION,
    "assign_session_project": {**OF_SESSION, "project_id": "p"},
    "export_trace": OF_SESSION,
    "create_model": {
        **OF_SESSION,
        "model_seq_id": NEXT,
        "base_model": "«base_model»",
        "lora_config": {"rank": 8, "seed": 1},
    },
    "get_info": OF_MODEL,
    "unload_model": OF_MODEL,
    "forward_backward": {"forward_backward_input": BATCH, **TURN},
    "forward": {"forward_input": BATCH, **TURN},
    "optim_step": {"adam_params": {"learning_rate": 0.001}, **TURN},
    "create_custom_loss": {
        **OF_SESSION,
        "custom_loss_seq_id": NEXT,
        "name": "n",
        "inputs": [{"name": "logprobs", "rank": 1}],
        "graph": SUM_OF_LOGPROBS,
    },
    "create_sampling_session": {
        **OF_SESSION,
        "sampling_session_seq_id": NEXT,
        "base_model": "«base_model»",
    },
    "join_sampling_session": {"sampling_session_id": "«sampler»"},
    "get_sampler": {"sampling_session_id": "«sampler»"},
    "asample": {
        "num_samples": 1,
        "prompt": TOKENS,
        "sampling_params": {"max_tokens": 4, "seed": 1},
        "sampling_session_id": "«sampler»",
        "seq_id": NEXT,
    },
    "save_weights": {**TURN, "path": "«name»"},
    "save_weights_for_sampler": {**TURN, "path": "«name»"},
    "save_weights_external": {**TURN, "path": "«name»"},
    "load_weights": {**TURN, "path": "«path»", "optimizer": True},
    "copy_weights": {**OF_SESSION, "model_seq_id": NEXT, "source_path": "«path»"},
    "weights_info": {"tinker_path": "«path»"},
    "get_training_run": OF_RUN,
    "list_checkpoints": OF_RUN,
    "list_model_checkpoints": OF_RUN,
    "delete_checkpoint": OF_CHECKPOINT,
    "publish_checkpoint": OF_CHECKPOINT,
    "unpublish_checkpoint": {**OF_CHECKPOINT, "name": "«public»"},
    "set_checkpoint_ttl": {**OF_CHECKPOINT, "ttl_seconds": 7200},
    "get_external_weights_urls": {**OF_RUN, "segment": "external_weights", "name": "«external»"},
    "get_checkpoint_archive_url": OF_CHECKPOINT,
    "retrieve_future": {"request_id": "«future»"},
    "retrieve_futures": {
        "target": {"type": "sampling_session", "sampling_session_id": "«sampler»"},
        "timeout": 0,
    },
    "cancel_future": {"request_id": "«sample»"},
    "get_billing_usage": {
        "starting_on": "2026-01-01T00:00:00Z",
        "ending_before": "2026-01-02T00:00:00Z",
    },
}
"""Fields of each operation that needs any."""

REFERENCES: dict[str, tuple[str, ...]] = {
    "session_heartbeat": ("session_id",),
    "finish_session": ("session_id",),
    "get_session": ("session_id",),
    "export_trace": ("session_id",),
    "assign_session_project": ("session_id",),
    "create_model": ("session_id", "base_model"),
    "create_custom_loss": ("session_id",),
    "create_sampling_session": ("session_id", "base_model"),
    "join_sampling_session": ("sampling_session_id",),
    "get_sampler": ("sampling_session_id",),
    "asample": ("sampling_session_id",),
    "load_weights": ("model_id", "path"),
    "copy_weights": ("source_path",),
    "weights_info": ("tinker_path",),
    "retrieve_future": ("request_id",),
    **dict.fromkeys(
        (
            "get_info",
            "unload_model",
            "forward_backward",
            "forward",
            "optim_step",
            "save_weights",
            "save_weights_for_sampler",
            "save_weights_external",
        ),
        ("model_id",),
    ),
    **dict.fromkeys(("get_training_run", "list_checkpoints", "list_model_checkpoints"), ("training_run_id",)),
    **dict.fromkeys(
        (
            "delete_checkpoint",
            "publish_checkpoint",
            "unpublish_checkpoint",
            "set_checkpoint_ttl",
            "get_external_weights_urls",
            "get_checkpoint_archive_url",
        ),
        ("training_run_id", "name"),
    ),
}
"""The fields of each operation that name what has to be there: another value is refused."""

LAWS_OF_IDS = {
    "session_heartbeat": "SES-04",
    "get_session": "SES-11",
    "create_sampling_session": "SES-13",
    "finish_session": "SES-19",
    "create_model": "SES-12",
    "get_info": "TRN-04",
    "forward_backward": "TRN-05",
    "optim_step": "TRN-05",
    "load_weights": "WGT-11",
    "list_checkpoints": "WGT-22",
    "retrieve_future": "FUT-05",
    **dict.fromkeys(("delete_checkpoint", "publish_checkpoint", "set_checkpoint_ttl"), "WGT-27"),
}
"""What says that an id which nobody has is refused, where it is not WIRE-42."""

LAW_OF = {
    "client_config": "WIRE-19",
    "client_dynamic_config": "WIRE-20",
    "telemetry": "SES-60",
    "get_api_key": "ACC-06",
    "auth_token": "ACC-11",
    "get_server_capabilities": "ACC-21",
    "create_session": "SES-01",
    "session_heartbeat": "SES-03",
    "finish_session": "SES-17",
    "list_sessions": "SES-40",
    "get_session": "SES-06",
    "search_sessions": "SES-43",
    "export_trace": "SES-51",
    "create_model": "FUT-01",
    "get_info": "TRN-01",
    "forward_backward": "TRN-09",
    "forward": "TRN-13",
    "optim_step": "TRN-14",
    "create_sampling_session": "SES-15",
    "get_sampler": "SMP-41",
    "asample": "SMP-13",
    "save_weights": "WGT-01",
    "save_weights_for_sampler": "WGT-02",
    "load_weights": "WGT-05",
    "copy_weights": "WGT-38",
    "weights_info": "WGT-19",
    "list_training_runs": "WGT-33",
    "get_training_run": "WGT-32",
    "list_checkpoints": "WGT-21",
    "list_user_checkpoints": "WGT-35",
    "delete_checkpoint": "WGT-24",
    "publish_checkpoint": "WGT-26",
    "unpublish_checkpoint": "WGT-26",
    "set_checkpoint_ttl": "WGT-29",
    "get_external_weights_urls": "WGT-39",
    "get_checkpoint_archive_url": "WGT-41",
    "retrieve_future": "FUT-01",
    "retrieve_futures": "FUT-53",
    "cancel_future": "FUT-72",
    "get_audit_log": "ACC-25",
    "get_billing_usage": "ACC-22",
    "get_current_checkpoint_storage_usage": "ACC-24",
}
"""The law of an operation that does what it is for. Others are described by the OpenAPI document alone."""


def plain(operation: str) -> Request:
    """The request; a new one each time, so that it may be changed."""
    fields = deepcopy(PLAIN.get(operation, {}))
    kind = ROWS[operation].request.model_fields.get("type")
    if kind is not None:
        fields["type"] = kind.default
    return Request(operation, fields)
