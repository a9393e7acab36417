"""`variants_of`: requests of an operation that are tried each time: the laws say what has to come of them.

No schema says that a token has to be in the vocabulary, or that clients of old leave something out.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from contract.codec import JSON, PROTOBUF
from fake_server.fuzzing.plain import EVENT, TARGETS, plain
from fake_server.fuzzing.request import LATER, Expected, Request

__all__ = ["BOTH_FORMS", "VARIANTS", "Variant", "variants_of"]

BOTH_FORMS = f"{PROTOBUF}, {JSON}"
NO_TOKEN = 2**30
LACKING: Any = object()
"""In the place of a value: the field is left out."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What is special about a request."""

    what: str
    expected: Expected
    law: str
    changes: dict[str, Any] = field(default_factory=dict)
    """Values by the path of the field: `adam_params.beta1`, `data.0`."""
    form: dict[str, Any] = field(default_factory=dict)
    """Other parts of the `Request`."""

    def of(self, request: Request) -> Request:
        """The request, so changed."""
        for path, value in self.changes.items():
            _put(request.fields, path, value)
        return replace(request, what=self.what, expected=self.expected, law=self.law, **self.form)


def variants_of(operation: str) -> list[Request]:
    """New requests of an operation; none for most of them."""
    return [variant.of(plain(operation)) for variant in VARIANTS.get(operation, ())]


def _put(fields: Any, path: str, value: Any) -> None:
    *outer, last = (int(part) if part.isdigit() else part for part in path.split("."))
    for part in outer:
        fields = fields[part]
    if value is LACKING:
        del fields[last]
    else:
        fields[last] = value


def _refused(what: str, law: str, **changes: Any) -> Variant:
    return Variant(what, "refused", law, {path.replace("__", "."): value for path, value in changes.items()})


def _pass(path: str, value: Any = LACKING) -> dict[str, Any]:
    """A change of the only datum of a pass."""
    return {f"forward_backward_input.data.0.{path}": value}


BATCH = "forward_backward_input"
FAR = {"data": [-1e4] * 4, "dtype": "float32", "shape": [4]}
OUTSIDE = {**TARGETS, "data": [6, 7, 8, NO_TOKEN]}
SHORT = {"data": [1.0, 1.0, 1.0], "dtype": "float32", "shape": [3]}
INFINITE = {
    f"{BATCH}.loss_fn": "importance_sampling",
    **_pass(
        "loss_fn_inputs",
        {
            "target_tokens": TARGETS,
            "logprobs": FAR,
            "advantages": {**FAR, "data": [1.0, -1.0, 1.0, 0.0]},
        },
    ),
}
WITHOUT_INPUTS = {
    f"{BATCH}.loss_fn": "importance_sampling",
    **_pass("loss_fn_inputs", {"target_tokens": TARGETS}),
}
PASSES = (
    Variant("whose loss is no text", "refused", "WIRE-34", {f"{BATCH}.loss_fn": 7}),
    Variant("in protobuf", "taken", "WIRE-63", form={"media_type": PROTOBUF}),
    Variant("compressed", "taken", "WIRE-14", form={"media_type": PROTOBUF, "encoding": "zstd"}),
    Variant("for protobuf", "taken", "WIRE-01", form={"accept": PROTOBUF}),
    Variant("for either form", "taken", "WIRE-01", form={"accept": BOTH_FORMS}),
    Variant("whose chunk has no type", "taken", "WIRE-66", _pass("model_input.chunks.0.type")),
    Variant("without a number", "either", "WIRE-70", {"seq_id": LACKING}),
    Variant("whose loss is infinite", "either", "WIRE-65", INFINITE),
    *(
        Variant(
            "with an unknown loss", "refused", law, {f"{BATCH}.loss_fn": "no_such_loss"}, {"accept": accept}
        )
        for law, accept in (("TRN-24", JSON), ("FUT-36", PROTOBUF))
    ),
    Variant("with an unknown setting", "refused", "TRN-25", {f"{BATCH}.loss_fn_config": {"no_such": 1.0}}),
    Variant("without an input of its loss", "refused", "TRN-27", WITHOUT_INPUTS),
    Variant("without targets", "refused", "TRN-28", _pass("loss_fn_inputs.target_tokens")),
    Variant("with too few weights", "refused", "TRN-29", _pass("loss_fn_inputs.weights", SHORT)),
    Variant(
        "with a target that is no token", "refused", "TRN-30", _pass("loss_fn_inputs.target_tokens", OUTSIDE)
    ),
    Variant("without data", "refused", "TRN-31", {f"{BATCH}.data": []}),
)
STEPS = (
    Variant("before its turn", "taken", "FUT-22", {"seq_id": LATER}),
    _refused("whose rate is a text", "WIRE-34", adam_params__learning_rate="fast"),
)
SAMPLES = (
    Variant("for protobuf", "taken", "WIRE-02", form={"accept": PROTOBUF}),
    Variant("for either form", "taken", "WIRE-02", form={"accept": BOTH_FORMS}),
    Variant("of two sequences", "taken", "SMP-13", {"num_samples": 2}),
    Variant("whose chunk has no type", "taken", "WIRE-69", {"prompt.chunks.0.type": LACKING}),
    Variant("without max_tokens", "taken", "SMP-52", {"sampling_params.max_tokens": LACKING}),
    _refused("of no sequence", "SMP-47", num_samples=0),
    _refused("with a temperature below 0", "SMP-47", sampling_params__temperature=-1.0),
    _refused("with a top_p above 1", "SMP-47", sampling_params__top_p=2.0),
    _refused("with a top_k of -5", "SMP-47", sampling_params__top_k=-5),
    _refused("of a prompt without tokens", "SMP-49", prompt__chunks=[]),
    _refused("of what is no token", "SMP-49", prompt__chunks__0__tokens=[5, NO_TOKEN]),
    _refused("that no context can hold", "SMP-50", sampling_params__max_tokens=10**9),
)
NOBODY = {"type": "sampling_session", "sampling_session_id": "nobody"}
VARIANTS: dict[str, tuple[Variant, ...]] = {
    "forward_backward": PASSES,
    "forward": (Variant("for protobuf", "taken", "WIRE-01", form={"accept": PROTOBUF}),),
    "optim_step": STEPS,
    "asample": SAMPLES,
    "create_model": (
        _refused("of rank 0", "TRN-07", lora_config__rank=0),
        _refused(
            "that trains nothing",
            "TRN-08",
            lora_config={"rank": 8, "train_mlp": False, "train_attn": False, "train_unembed": False},
        ),
    ),
    "telemetry": (
        Variant("of a session that nobody has", "taken", "SES-63", {"session_id": "nobody"}),
        Variant(
            "of a hundred events", "taken", "SES-64", {"events": [{**EVENT, "event_id": "1" * 500}] * 100}
        ),
    ),
    "save_weights": (
        _refused("with a slash in its name", "WGT-13", path="a/b"),
        _refused("that lives for no second", "WGT-30", ttl_seconds=0),
        _refused("that lives for less than none", "WGT-30", ttl_seconds=-3600),
    ),
    "set_checkpoint_ttl": (_refused("to less than none", "WGT-30", ttl_seconds=-3600),),
    "load_weights": (
        _refused("of what is no path", "WGT-12", path="nothing"),
        _refused("of weights for a sampler", "WGT-10", path="«sampler_path»"),
    ),
    "retrieve_futures": (
        _refused("of a sampler that nobody has", "SMP-46", target=NOBODY),
        Variant("of a short round", "taken", "FUT-53", {"timeout": 0.2}),
    ),
    "get_billing_usage": (
        _refused("of a window that ends before it starts", "ACC-23", starting_on="2026-01-03T00:00:00Z"),
    ),
    "get_audit_log": (
        _refused("of an unknown event type", "ACC-26", event_type="no-such-type"),
        _refused("of a day that cannot be", "ACC-26", event_type="all", day="2026-02-30"),
    ),
}
"""By operation. All are tried before anything is drawn."""
