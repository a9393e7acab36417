"""What the methods of the SDK are called, and the operation that each calls."""

from collections.abc import Mapping

__all__ = ["SDK_WORDS"]

SDK_WORDS: Mapping[str, str] = {
    "close": "finish_session",
    "compute_logprobs": "asample",
    "create_lora_training_client": "create_model",
    "create_sampling_client": "create_sampling_session",
    "heartbeat": "session_heartbeat",
    "load_state": "load_weights",
    "sample": "asample",
    "save_state": "save_weights",
}
"""Source: sdk 0.38.0 lib/public_interfaces."""
