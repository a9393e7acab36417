"""The scenes: what every release is made to do, and on what kinds of server."""

from collections.abc import Iterable, Mapping

from fake_server.drift.recorder import Scene, Strike

__all__ = ["BASIC", "WHOLE", "scenes"]

BEGIN = ("service", "model")
BASIC = (
    *BEGIN,
    "forward_backward",
    "optim_step",
    "save_state",
    "save_weights_for_sampler",
    "sampler",
    "sample",
    "logprobs",
)
"""What every program of every release does."""
WHOLE = (
    *BEGIN,
    "capabilities",
    "info",
    "forward",
    "forward_backward",
    "forward_backward_with_config",
    "custom_loss",
    "optim_step",
    "save_state",
    "save_weights_for_sampler",
    "load_state",
    "model_from_state",
    "model_from_state_with_optimizer",
    "sampler",
    "sampler_of_base_model",
    "sampler_of_model",
    "sample",
    "sample_by_default",
    "logprobs",
    "rest",
    "list_runs",
    "run",
    "list_checkpoints",
    "list_all_checkpoints",
    "weights_info",
    "publish",
    "unpublish",
    "ttl",
    "archive",
    "list_sessions",
    "session",
    "delete",
    "close",
)
"""Everything that the program can do."""
STATUSES = (400, 401, 402, 403, 404, 408, 409, 410, 422, 429, 500, 503)
"""Statuses that some release treats in a way of its own. Source: sdk 0.38.0 lib/api_future_impl.py."""
POLLED: Mapping[str, tuple[int, Mapping[str, object]]] = {
    "try_again": (200, {"type": "try_again", "request_id": "x", "queue_state": "active"}),
    "a paused queue": (
        408,
        {
            "type": "try_again",
            "request_id": "x",
            "queue_state": "paused_capacity",
            "queue_state_reason": "full",
        },
    ),
    "an unknown queue state": (408, {"type": "try_again", "request_id": "x", "queue_state": "unheard"}),
    "only metadata": (200, {"status": "complete_metadata", "response_payload_size": 100}),
    "a failure of the user": (200, {"error": "bad", "category": "user"}),
    "a failure of the server": (200, {"error": "bad", "category": "server"}),
    "a failure without category": (200, {"error": "bad"}),
}
"""What a poll may be answered with, beside a result."""


def scenes() -> list[Scene]:
    """Those that need no other release."""
    return [
        Scene("whole", WHOLE),
        Scene("JSON results", BASIC, json_results=True),
        Scene("JSON requests", (*BEGIN, "forward_backward"), json_requests=True),
        Scene("heartbeat", (*BEGIN, "heartbeat")),
        _struck("submission", "optim_step", [], "optim_step"),
        _struck("poll", "optim_step", [], "retrieve_future"),
        _struck("sample", "sample", ["save_weights_for_sampler", "sampler"], "asample"),
        _struck("save", "save_state", [], "save_weights", (409,)),
        _polled(),
    ]


def _struck(
    name: str, step: str, before: Iterable[str], operation: str, statuses: Iterable[int] = STATUSES
) -> Scene:
    """Each status once, for a model or sampler of its own: what failed leaves nothing behind."""
    strikes = {f"{step} {status}": Strike(operation, status, {"detail": "struck"}) for status in statuses}
    steps = ["service", "model", *before]
    for struck in strikes:
        steps += [struck, *BEGIN[1:], *before]
    return Scene(name, tuple(steps), strikes=strikes)


def _polled() -> Scene:
    strikes = {
        f"optim_step {what}": Strike("retrieve_future", status, body)
        for what, (status, body) in POLLED.items()
    }
    steps = ["service"]
    for struck in strikes:
        steps += ["model", struck]
    return Scene("outcome", tuple(steps), strikes=strikes)
