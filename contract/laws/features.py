"""Features that a server may lack: each is tried once, and what is lacking skips the laws that need it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import zstandard

from contract.laws.law import Broken

if TYPE_CHECKING:
    from contract.laws.subject import Subject

__all__ = ["FEATURES", "Probe", "require"]

Probe = Callable[["Subject"], str | None]
"""Why the server does not have it; None where it does."""
TELEMETRY = {
    "events": [],
    "platform": "Linux",
    "sdk_version": "0.38.0",
    "session_id": "sessionless-laws",
    "process_uuid": "00000000-0000-0000-0000-000000000000",
}
TARGETS = {"data": [3, 4], "dtype": "int64", "shape": [2, 1]}
RL = {"logprobs": [-1.0, -1.0], "advantages": [1.0, -1.0]}


def _of_call(operation: str, fields: Mapping[str, object] | None = None) -> Probe:
    """An operation that every server with it answers by 2xx."""

    def probe(subject: "Subject") -> str | None:
        reply = subject.driver.call(operation, fields)
        return None if reply.status < 300 else f"{operation} is answered by {reply.status}"

    return probe


def _of_loss(name: str) -> Probe:
    """A loss, by a pass on an example that has all inputs of the reinforcement losses."""

    def probe(subject: "Subject") -> str | None:
        model = subject.model()
        inputs = {} if name == "cross_entropy" else RL
        try:
            model.forward([subject.datum((5, 6), **inputs)], name)
        except Broken as error:
            return str(error)
        return None

    return probe


def _of_sample(fields: Mapping[str, object] | None = None, **params: Any) -> Probe:
    """A part of a sample request that a server without it refuses."""

    def probe(subject: "Subject") -> str | None:
        try:
            subject.sampler().sample(fields=dict(fields or {}), **params)
        except Broken as error:
            return str(error)
        return None

    return probe


def _of_route(operation: str, fields: Mapping[str, object]) -> Probe:
    """An operation whose right request no server with it answers by 404, 405 or 501; laws judge the rest."""

    def probe(subject: "Subject") -> str | None:
        reply = subject.driver.call(operation, fields)
        return f"{operation} is answered by {reply.status}" if reply.status in (404, 405, 501) else None

    return probe


def _of_session_call(operation: str, **fields: object) -> Probe:
    """An operation on a session, tried on a new one; `session_id` is filled in."""

    def probe(subject: "Subject") -> str | None:
        return _of_route(operation, {"session_id": subject.session(), **fields})(subject)

    return probe


def _batched_polls(subject: "Subject") -> str | None:
    target = {"type": "sampling_session", "sampling_session_id": subject.sampler().id, "cloned_sampler_id": 0}
    return _of_call("retrieve_futures", {"target": target, "prev_cursor": 0, "timeout": 0.0})(subject)


def _cancelling(subject: "Subject") -> str | None:
    sampler = subject.sampler()
    reply = sampler.send()
    request_id = reply.json["request_id"] if reply.status == 200 else "none"
    return _of_route("cancel_future", {"request_id": request_id})(subject)


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
    """Whether training moves what the model says, by as much as a law needs to see."""
    model, data = subject.model(), [subject.datum()]
    before = model.loss(data)
    for _ in range(3):
        model.train(data, learning_rate=1e-3)
    return None if model.loss(data) < before - 0.01 else "three steps at a rate of 0.001 lower no loss"


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
    return None if seen != shown else "the other key sees models and checkpoints of this one"


def _billing(subject: "Subject") -> str | None:
    window = {"starting_on": "2026-01-01T00:00:00Z", "ending_before": "2026-01-01T01:00:00Z"}
    return _of_call("get_billing_usage", window)(subject)


def _old_clients(subject: "Subject") -> str | None:
    """Whether training passes may come as JSON."""
    with subject.as_another(sdk_version="0.16.1"):
        reply = subject.model().send_backward([subject.datum()])
    return None if reply.status < 300 else f"a training pass in JSON is answered by {reply.status}"


def _oldest_clients(subject: "Subject") -> str | None:
    with subject.as_another(sdk_version="0.0.1-alpha.1"):
        body = {"base_model": subject.base_model, "lora_config": {"rank": 8}}
        reply = subject.driver.call("create_model", body)
    return None if reply.status < 300 else f"create_model without a session is answered by {reply.status}"


def _zstd(subject: "Subject") -> str | None:
    """A server that asks for it must read it; another one may."""
    flags = subject.driver.call("client_config", {"sdk_version": "0.38.0"})
    if flags.status == 200 and flags.json.get("proto_compress_fwdbwd"):
        return None
    body = zstandard.ZstdCompressor().compress(b"{}")
    reply = subject.driver.send("POST", "/api/v1/create_session", body, {"content-encoding": "zstd"})
    return None if reply.status in (200, 422) else f"a body in zstd is answered by {reply.status}"


def _unload(subject: "Subject") -> str | None:
    reply = subject.driver.call("unload_model", {"model_id": subject.model().id})
    return None if reply.status < 300 else f"unload_model is answered by {reply.status}"


FEATURES: Mapping[str, Probe] = {
    "unload": _unload,
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
    "telemetry": _of_route("telemetry", TELEMETRY),
    "capabilities": _of_call("get_server_capabilities"),
    "training runs": _of_call("list_training_runs"),
    "checked keys": _checked_keys,
    "known keys": _known_keys,
    "tokens": _tokens,
    "accounts apart": _accounts_apart,
    "key description": _of_call("get_api_key"),
    "billing": _billing,
    "storage usage": _of_call("get_current_checkpoint_storage_usage"),
    "audit": _of_call("get_audit_log"),
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
