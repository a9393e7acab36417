"""What is known of releases: features that are broken in themselves, and what no life calls; and why."""

from contract.versions import SdkVersion

__all__ = [
    "BROKEN",
    "EXCUSED_COMMANDS",
    "EXCUSED_METHODS",
    "EXCUSED_OPERATIONS",
    "EXCUSED_PARAMETERS",
    "broken",
    "unreached",
]

BROKEN: tuple[tuple[str, str, str, str], ...] = (
    (
        "REST: audit",
        "0.20.0",
        "0.36.0",
        "`get_audit_log_async` runs on the caller's event loop, and the SDK itself asserts that it must not; "
        "`get_audit_log` works",
    ),
    (
        "REST: admin client",
        "0.36.0",
        "0.36.0",
        "`get_audit_log_async` runs on the caller's event loop, as that of the REST client; all else works",
    ),
    (
        "command line: checkpoint delete",
        "0.16.0",
        "0.21.0",
        "the module's command `list` hides Python's `list`, so that a path is taken for a word of that "
        "command; with `--run-id` it works",
    ),
    (
        "weights: token of shared weights",
        "0.18.2",
        "0.18.2",
        "the client that it makes for the token gets `_strict_response_validation` twice; `load_state` with "
        "a token works",
    ),
)
"""Feature, first and last release, and why it cannot work there with any server."""


def broken(feature: str, version: str) -> str | None:
    """Why a release cannot do what it offers; None where it can."""
    number = SdkVersion.parse(version)
    for name, first, last, reason in BROKEN:
        if name == feature and SdkVersion.parse(first) <= number <= SdkVersion.parse(last):
            return reason
    return None


UNREACHED = {"weights: token of shared weights": "weights_access_token"}
"""By feature: the parameter that need not be used everywhere in releases where the feature is broken."""


def unreached(version: str) -> set[str]:
    """Parameters that are not used everywhere, because a feature is broken in this release."""
    return {name for feature, name in UNREACHED.items() if broken(feature, version)}


EXCUSED_METHODS = {
    "SamplingClient.create": "the constructor behind create_sampling_client",
    "SamplingClient.on_queue_state_change": "called by the SDK's own futures",
    "TrainingClient.on_queue_state_change": "called by the SDK's own futures",
}
EXCUSED_PARAMETERS = {
    "retry_config": "changes nothing but the client's own patience",
    "loss_type_input": "has one value",
    "name": "of save_weights_and_get_sampling_client: without effect since 0.3.0",
    "api_key": "the environment gives it",
}
EXCUSED_COMMANDS = {
    "cli checkpoint push-hf": "uploads to the hub; its download is that of `checkpoint download`"
}
EXCUSED_OPERATIONS = {
    "healthz": "no public method calls it",
    "unload_model": "no public method calls it from 0.2.0 on",
    "list_checkpoints": "0.3.0 calls list_model_checkpoints in its place",
    "list_model_checkpoints": "before 0.3.0 list_checkpoints is called in its place",
    "get_api_key": "a login of 0.26 may ask for it or not",
    "delete_api_key": "for keys that were made in a browser",
    "cancel_future": "needs an answer that is held back; tests/sdk/test_flags.py",
    "forward": "0.22.3 to 0.24.1 may send it as forward_backward",
}
