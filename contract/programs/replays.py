"""Steps about steps: a replay, with the same body or another, and a wait."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from contract.programs.step import Ask, Step
from contract.training import ForwardBackwardRequest

__all__ = ["Await", "Replay", "altered"]


class StepStep(Step):
    """A step that names a step."""

    step: int = 0
    """Its place in the program, from 0."""


class Replay(StepStep):
    """Send a request once more, under the number that it had."""

    op: Literal["replay"] = "replay"
    changed: bool = False
    """Whether the body is another one, which no client means."""


class Await(StepStep):
    """Fetch the result of a step that did not wait for it."""

    op: Literal["await"] = "await"


def _longer(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {**fields, key: f"{fields.get(key) or ''}x"}


def _model(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    lora = fields["lora_config"]
    return {**fields, "lora_config": {**lora, "rank": lora["rank"] + 1}}


def _step(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    key = "adam_params" if "adam_params" in fields else "optimizer_params"
    return {**fields, key: {**fields[key], "learning_rate": fields[key]["learning_rate"] + 1.0}}


def _pass(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    key = next(key for key in ("forward_input", "forward_backward_input") if key in fields)
    return {**fields, key: {**fields[key], "data": fields[key]["data"] * 2}}


def _load(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**fields, "optimizer": not fields["optimizer"]}


def _sampler(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return _longer(fields, "base_model" if "base_model" in fields else "model_path")


def _sampler_weights(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Opens a sampler of another number, or saves under another name."""
    key = "sampling_session_seq_id"
    return {**fields, key: fields[key] + 1} if key in fields else _longer(fields, "path")


def _sample(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**fields, "num_samples": fields["num_samples"] + 1}


ALTERED: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "create_model": _model,
    "forward": _pass,
    "forward_backward": _pass,
    "optim_step": _step,
    "save_weights": lambda fields: _longer(fields, "path"),
    "save_weights_for_sampler": _sampler_weights,
    "load_weights": _load,
    "create_sampling_session": _sampler,
    "asample": _sample,
}


def altered(ask: Ask) -> Ask:
    """The request with another body under the same number; as it is where it has no number."""
    if isinstance(ask.request, ForwardBackwardRequest):
        given = ask.request.forward_backward_input
        doubled = given.model_copy(update={"data": [*given.data, *given.data]})
        return replace(ask, request=ask.request.model_copy(update={"forward_backward_input": doubled}))
    alter = ALTERED.get(ask.operation)
    return ask if alter is None else replace(ask, fields=alter(ask.fields))
