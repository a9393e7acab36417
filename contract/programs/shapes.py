"""Shapes: what an answer has, once all is gone that two servers may have different."""

from collections.abc import Iterable, Mapping
from typing import Any

from contract.programs.names import Names
from contract.sampling import SampledSequence, SampleResponse
from contract.tensors import TensorData
from contract.training import ForwardBackwardOutput, OptimStepResponse

__all__ = ["numbers_of", "shape_of"]

TOLD = frozenset(
    {
        "type",
        "category",
        "state",
        "is_lora",
        "lora_rank",
        "train_attn",
        "train_mlp",
        "train_unembed",
        "corrupted",
        "public",
        "checkpoint_type",
        "client_counter",
    }
)
"""Fields whose values stay as they are; of all others only the kind of value stays."""
OWNERS = ("tinker_path", "training_run_id", "session_id")
"""What an item of a list is known by, the first that it has; items of others are left out."""


def shape_of(value: object, names: Names, asked: Mapping[str, Any]) -> Any:
    """The shape of a result of the contract's type, or of JSON.

    Args:
        value: The result.
        names: The program's words for ids.
        asked: The fields of the request: lengths that it bounds are told as such.
    """
    if isinstance(value, ForwardBackwardOutput):
        outputs = [{key: _tensor(tensor) for key, tensor in sorted(o.items())} for o in value.loss_fn_outputs]
        return {"type": value.loss_fn_output_type, "outputs": outputs, "metrics": sorted(value.metrics)}
    if isinstance(value, OptimStepResponse):
        return {"metrics": sorted(value.metrics or {})}
    if isinstance(value, SampleResponse):
        return _sampled(value, asked)
    return _plain(value, names, "")


def _tensor(tensor: TensorData) -> str:
    return f"{tensor.dtype} {list(tensor.dimensions)}"


def _sampled(response: SampleResponse, asked: Mapping[str, Any]) -> dict[str, Any]:
    params = asked["sampling_params"]
    ends_early = params.get("stop") != []
    shape: dict[str, Any] = {
        "sequences": [_sequence(s, params["max_tokens"], ends_early=ends_early) for s in response.sequences]
    }
    for name in ("prompt_logprobs", "topk_prompt_logprobs"):
        given = getattr(response, name)
        shape[name] = None if given is None else [_scores(item) for item in given]
    return shape


def _sequence(sequence: SampledSequence, most: int, *, ends_early: bool) -> dict[str, Any]:
    """Where something may end it before, its length is drawn, and told only as one that may be."""
    length = len(sequence.tokens)
    scored = len(sequence.logprobs or ())
    may_be = 1 <= length <= most if ends_early else length == most
    return {
        "tokens": "as asked" if may_be else f"{length}, asked for {most}",
        "stop reason": "fits"
        if sequence.stop_reason == "stop" or length == most
        else "length, though shorter",
        "logprobs": "one for each token" if scored == length else f"{scored} for {length} tokens",
        "topk": None
        if sequence.topk_logprobs is None
        else sorted({_scores(i) for i in sequence.topk_logprobs}),
    }


def _scores(item: float | list[tuple[int, float]] | None) -> str:
    if item is None:
        return "none"
    return f"{len(item)} likeliest" if isinstance(item, list) else "number"


def _plain(value: object, names: Names, key: str) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v, names, k) for k, v in sorted(value.items()) if v is not None}
    if isinstance(value, list):
        return [_plain(item, names, key) for item in _ours(value, names)]
    if key in TOLD or value is None:
        return value
    if isinstance(value, str):
        return names.symbol(value) or "text"
    return "yes or no" if isinstance(value, bool) else "number"


def _ours(items: Iterable[object], names: Names) -> list[object]:
    """What belongs to the program: a server that others use, too, has more."""
    return [item for item in items if _is_ours(item, names)]


def _is_ours(item: object, names: Names) -> bool:
    if isinstance(item, Mapping):
        owner = next((item[key] for key in OWNERS if key in item), None)
        return owner is None or _is_ours(owner, names)
    return not isinstance(item, str) or names.symbol(item) is not None


def numbers_of(value: object, asked: Mapping[str, Any] | None = None) -> tuple[float, ...]:
    """What was computed: metrics by name, then logprobs and tokens in the order of the answer.

    Args:
        value: The result.
        asked: The fields of the request. What a sample drew by chance, as it was given no seed, is left out:
            no server gives it twice.
    """
    return tuple(float(number) for number in _numbers(value, is_chance=_is_chance(asked or {})))


def _is_chance(asked: Mapping[str, Any]) -> bool:
    params = asked.get("sampling_params")
    return params is not None and params.get("seed") is None and params.get("temperature") != 0


def _numbers(value: object, *, is_chance: bool) -> Iterable[float]:
    if isinstance(value, ForwardBackwardOutput | OptimStepResponse):
        metrics = value.metrics or {}
        yield from (metrics[name] for name in sorted(metrics))
    if isinstance(value, ForwardBackwardOutput):
        for output in value.loss_fn_outputs:
            for name in sorted(output):
                yield from output[name].values.tolist()
    if isinstance(value, SampleResponse):
        for sequence in () if is_chance else value.sequences:
            yield from (*sequence.tokens, *(sequence.logprobs or ()))
        yield from (number for number in value.prompt_logprobs or () if number is not None)
