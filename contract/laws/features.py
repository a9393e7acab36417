"""Features that a server may lack: each is tried once, and what is lacking skips the laws that need it.

What is there and does not work is not lacking: the laws are tried, and say so.
"""

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any

import zstandard

from contract.codec import JSON
from contract.laws.driver import Reply
from contract.laws.model import promised

if TYPE_CHECKING:
    from contract.laws.subject import Subject

__all__ = ["FEATURES", "Probe", "require"]

Probe = Callable[["Subject"], str | None]
"""Why the server does not have it; None where it does."""
TELEMETRY = {
    "events": [],
    "platform": "Linux",
    "sdk_version": "0.38.0",
    "process_uuid": "00000000-0000-0000-0000-000000000000",
}
NOT_THERE = frozenset({404, 405, 501})
"""What a server answers that does not have an operation. Source: RFC 9110, 15.5.5, 15.5.6 and 15.6.2."""
NOT_ALLOWED = NOT_THERE | {403}
"""The same of operations that not every key may ask for."""
TARGETS = {"data": [3, 4], "dtype": "int64", "shape": [2, 1]}
RL = {"logprobs": [-1.0, -1.0], "advantages": [1.0, -1.0]}


def _of_call(
    operation: str, fields: Mapping[str, object] | None = None, *, lacking: Container[int] = NOT_THERE
) -> Probe:
    """An operation whose right request no server with it answers by one of these statuses."""

    def probe(subject: "Subject") -> str | None:
        reply = subject.driver.call(operation, fields)
        return f"{operation} is answered by {reply.status}" if reply.status in lacking else None

    return probe


def _refused(subject: "Subject", reply: Reply, what: str) -> str | None:
    """Why a server does not take a request of some form: it refuses it, or fails it as its user's fault."""
    if 400 <= reply.status < 500 or reply.status == 501:
        return f"{what} is answered by {reply.status} {reply.body[:200]!r}"
    if reply.status != 200:
        return None
    told = subject.poll(promised(reply, what))
    failure = told.json if told.media_type == JSON else None
    if not isinstance(failure, dict) or "error" not in failure or failure.get("category") == "server":
        return None
    return f"{what} fails: {failure['error']}"


def _of_loss(name: str) -> Probe:
    """A loss, by a pass on an example that has all inputs of the reinforcement losses."""

    def probe(subject: "Subject") -> str | None:
        inputs = {"cross_entropy": {}, "gspo": {**RL, "sequence_ratio_mask": [1.0, 1.0]}}.get(name, RL)
        reply = subject.model().send_backward([subject.datum((5, 6), **inputs)], name, forward_only=True)
        return _refused(subject, reply, f"a pass with the loss {name}")

    return probe


def _of_sample(fields: Mapping[str, object] | None = None, **params: Any) -> Probe:
    """A part of a sample request that a server without it refuses."""

    def probe(subject: "Subject") -> str | None:
        return _refused(subject, subject.sampler().send(fields=dict(fields or {}), **params), "asample")

    return probe


def _of_session_call(operation: str, **fields: object) -> Probe:
    """An operation on a session, tried on a new one; `session_id` is filled in."""

    def probe(subject: "Subject") -> str | None:
        return _of_call(operation, {"session_id": subject.session(), **fields})(subject)

    return probe


def _batched_polls(subject: "Subject") -> str | None:
    target = {"type": "sampling_session", "sampling_session_id": subject.sampler().id, "cloned_sampler_id": 0}
    return _of_call("retrieve_futures", {"target": target, "prev_cursor": 0, "timeout": 0.0})(subject)


def _cancelling(subject: "Subject") -> str | None:
    sampler = subject.sampler()
    reply = sampler.send()
    request_id = reply.json["request_id"] if reply.status == 200 else "none"
    return _of_call("cancel_future", {"request_id": request_id})(subject)


def _of_run(operation: str) -> Probe:
    """An operation on a training run, tried on a new one."""

    def probe(subject: "Subject") -> str | None:
        return _of_call(operation, {"training_run_id": subject.model().id})(subject)

    return probe


def _of_checkpoint(operation: str, sdk_version: str | None = None, **fields: object) -> Probe:
    """An operation on a checkpoint, tried on a new one, as a client of a release asks for it."""

    def probe(subject: "Subject") -> str | None:
        run = subject.model()
        run.save("probe")
        place = {"training_run_id": run.id, "segment": "weights", "name": "probe", **fields}
        with subject.as_another(sdk_version=sdk_version or subject.driver.sdk_version):
            return _of_call(operation, place)(subject)

    return probe


def _weights_info(subject: "Subject") -> str | None:
    return _of_call("weights_info", {"tinker_path": subject.model().save("probe")})(subject)


def _copies(subject: "Subject") -> str | None:
    destination = {"session_id": subject.session(), "model_seq_id": 0}
    return _of_call("copy_weights", {"source_path": subject.model().save("probe"), **destination})(subject)


def _external_weights(subject: "Subject") -> str | None:
    body = {"model_id": subject.model().id, "seq_id": 1, "path": "probe"}
    return _of_call("save_weights_external", body)(subject)


def _unloading(subject: "Subject") -> str | None:
    return _of_call("unload_model", {"model_id": subject.model().id})(subject)


def _of_sampler(operation: str) -> Probe:
    """An operation on a sampler, tried on a new one."""

    def probe(subject: "Subject") -> str | None:
        return _of_call(operation, {"sampling_session_id": subject.sampler().id})(subject)

    return probe


def _second_account(subject: "Subject") -> str | None:
    return None if subject.other_key else "no key of another account was given; give one with --other-api-key"


def _learning(subject: "Subject") -> str | None:
    """Whether training moves what the model says, by as much as a law needs to see; laws say where to."""
    model, data = subject.model(), [subject.datum()]
    before = model.loss(data)
    for _ in range(3):
        model.train(data, learning_rate=1e-3)
    stays = abs(model.loss(data) - before) <= 0.01
    return "three steps at a rate of 0.001 change no loss" if stays else None


def _checked_keys(subject: "Subject") -> str | None:
    return _without(subject, "", "a request without a key")


def _known_keys(subject: "Subject") -> str | None:
    return _without(subject, "not-a-key-of-anybody", "a key that nobody has")


def _without(subject: "Subject", key: str, what: str) -> str | None:
    with subject.as_another(api_key=key):
        reply = subject.driver.call("create_session", {"tags": [], "sdk_version": "0.38.0"})
    return None if reply.status >= 300 else f"{what} is answered by {reply.status}"


def _tokens(subject: "Subject") -> str | None:
    flags = subject.driver.call("client_config", {"sdk_version": "0.38.0"})
    wanted = flags.status == 200 and flags.json.get("pjwt_auth_enabled")
    return None if wanted else "client/config does not ask clients for tokens"


def _accounts_apart(subject: "Subject") -> str | None:
    """Whether the other key is kept from anything at all: a server without accounts shows all of it."""
    model = subject.model()
    path = model.save("of-one-account")
    asked = {"get_info": {"model_id": model.id}, "weights_info": {"tinker_path": path}}
    shown = [name for name in asked if subject.driver.call(name, asked[name]).status < 300]
    with subject.as_another(api_key=subject.another_key):
        subject.session()
        seen = [name for name in shown if subject.driver.call(name, asked[name]).status < 300]
    if seen != shown:
        return None
    return (
        "the other key sees models and checkpoints of this one: "
        "both are of one account, or this server keeps no accounts apart"
    )


def _billing(subject: "Subject") -> str | None:
    window = {"starting_on": "2026-01-01T00:00:00Z", "ending_before": "2026-01-01T01:00:00Z"}
    return _of_call("get_billing_usage", window, lacking=NOT_ALLOWED)(subject)


def _old_clients(subject: "Subject") -> str | None:
    """Whether training passes may come as JSON."""
    with subject.as_another(sdk_version="0.16.1"):
        return _refused(subject, subject.model().send_backward([subject.datum()]), "a training pass in JSON")


def _oldest_clients(subject: "Subject") -> str | None:
    with subject.as_another(sdk_version="0.0.1-alpha.1"):
        body = {"base_model": subject.base_model, "lora_config": {"rank": 8}}
        return _refused(subject, subject.driver.call("create_model", body), "create_model without a session")


def _zstd(subject: "Subject") -> str | None:
    """A server that asks for it must read it; another one may."""
    flags = subject.driver.call("client_config", {"sdk_version": "0.38.0"})
    if flags.status == 200 and flags.json.get("proto_compress_fwdbwd"):
        return None
    body = zstandard.ZstdCompressor().compress(b"{}")
    reply = subject.driver.send("POST", "/api/v1/create_session", body, {"content-encoding": "zstd"})
    return None if reply.status in (200, 422) else f"a body in zstd is answered by {reply.status}"


FEATURES: Mapping[str, Probe] = {
    "learning": _learning,
    "sampling": _of_sample(),
    "stop texts": _of_sample(stop=["e"]),
    "topk_prompt_logprobs": _of_sample({"topk_prompt_logprobs": 1}),
    "topk_sample_logprobs": _of_sample({"topk_sample_logprobs": 1}),
    "target_prompt_logprobs": _of_sample({"target_prompt_logprobs": TARGETS}),
    "prompt_logprobs_last_n": _of_sample({"prompt_logprobs": True, "prompt_logprobs_last_n": 1}),
    "prompt_alt_tokens": _of_sample({"prompt_alt_tokens_k": 1}),
    "second account": _second_account,
    "batched polls": _batched_polls,
    "cancelling": _cancelling,
    "sampler": _of_sampler("get_sampler"),
    "joining": _of_sampler("join_sampling_session"),
    "checkpoints": _of_run("list_checkpoints"),
    "training run": _of_run("get_training_run"),
    "deletion": _of_checkpoint("delete_checkpoint"),
    "publishing": _of_checkpoint("publish_checkpoint"),
    "lifetimes": _of_checkpoint("set_checkpoint_ttl", ttl_seconds=7200),
    "archives": _of_checkpoint("get_checkpoint_archive_url", "0.35.0"),
    "weights info": _weights_info,
    "copies": _copies,
    "external weights": _external_weights,
    "unloading": _unloading,
    "session": _of_session_call("get_session"),
    "session search": _of_session_call("search_sessions"),
    "session end": _of_session_call("finish_session", reason={"type": "success"}, detail=None),
    "trace export": _of_session_call("export_trace"),
    "telemetry": _of_session_call("telemetry", **TELEMETRY),
    "capabilities": _of_call("get_server_capabilities"),
    "training runs": _of_call("list_training_runs"),
    "checked keys": _checked_keys,
    "known keys": _known_keys,
    "tokens": _tokens,
    "accounts apart": _accounts_apart,
    "key description": _of_call("get_api_key", lacking=NOT_ALLOWED),
    "billing": _billing,
    "storage usage": _of_call("get_current_checkpoint_storage_usage", lacking=NOT_ALLOWED),
    "audit": _of_call("get_audit_log", lacking=NOT_ALLOWED),
    "old clients": _old_clients,
    "oldest clients": _oldest_clients,
    "zstd": _zstd,
    "sessions list": _of_call("list_sessions"),
    "user checkpoints": _of_call("list_user_checkpoints"),
    "client config": _of_call("client_config", {"sdk_version": "0.38.0"}),
    **{
        f"loss {name}": _of_loss(name)
        for name in ("cross_entropy", "importance_sampling", "ppo", "cispo", "dro", "gspo")
    },
}


def require(subject: "Subject", name: str) -> None:
    """Make sure of a feature.

    Raises:
        LookupError: for a name that is none.
        Skipped: with the reason, if the server does not have it.
    """
    if name not in FEATURES:
        raise LookupError(f"feature: expected one of {', '.join(FEATURES)}, got {name!r}")
    subject.need(name, FEATURES[name])
