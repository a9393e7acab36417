"""What requests may ask of a backend, and the words of a refusal; the same for every backend."""

from collections.abc import Callable, Iterator
from math import isfinite

import numpy as np
import numpy.typing as npt

from contract.backend import BaseModelInfo
from contract.errors import RequestFailure
from contract.inputs import EncodedTextChunk
from contract.sampling import SampleRequest, SamplingParams
from contract.tensors import TensorData
from contract.training import LoraConfig

__all__ = [
    "check_adapter",
    "check_sampling",
    "context_overflow",
    "first_scored",
    "folded_seed",
    "ids_in_vocabulary",
    "ids_of_text",
    "is_greedy",
]

Ids = npt.NDArray[np.int64]
DEFAULT_MAX_TOKENS = 128
"""Tokens to generate where a request does not say. Source: ours: enough for a reply, and soon there."""
MOST_SAMPLES, MOST_ALTERNATIVES = 1024, 1024
"""Source: ours: what answers within a second."""
MOST_LIKELIEST = 20
"""Tokens of a top-k report. Source: tinker-feedback issue 64: the production limit."""
COLDEST = 1e-6
"""Temperatures below it count as 0. Source: ours: the likeliest token has all the mass there."""
SEED_MODULUS = 2**63 - 1
"""Source: wire protocol, 5.3: seeds are folded to [0, 2**63 - 1)."""


def check_sampling(request: SampleRequest, prompt_length: int, model: BaseModelInfo) -> int:
    """How many tokens to generate at most: by default 128, or what the context has left.

    Args:
        request: All of it is looked at but the prompt and the ids in `target_prompt_logprobs`.
        prompt_length: Tokens of the prompt.
        model: Whose vocabulary and context length apply.

    Raises:
        RequestFailure: naming the parameter that is out of range.
    """
    for name, value, lowest, highest in _ranges(request):
        if not lowest <= value <= highest:
            raise RequestFailure(f"{name}: expected {lowest} to {highest}, got {value}")
    _check_params(request.sampling_params)
    _check_stop(request.sampling_params.stop, model)
    if prompt_length < 1:
        raise RequestFailure("prompt: expected at least one token, got none")
    _check_last_n(request, prompt_length)
    _check_targets(request.target_prompt_logprobs, prompt_length - 1)
    return _max_tokens(request.sampling_params, prompt_length, model.max_context_length)


def first_scored(request: SampleRequest, prompt_length: int) -> int:
    """The first prompt position to score of a checked request: 1, or where the last n begin."""
    last_n = request.prompt_logprobs_last_n
    return 1 if last_n is None else prompt_length - last_n


def is_greedy(params: SamplingParams) -> bool:
    """Whether the temperature counts as 0."""
    return params.temperature < COLDEST


def folded_seed(seed: int) -> int:
    """Any integer as a seed of 63 bits."""
    return seed % SEED_MODULUS


def _ranges(request: SampleRequest) -> Iterator[tuple[str, int, int, int]]:
    """Name, value, lowest and highest of every count."""
    yield "num_samples", request.num_samples, 1, MOST_SAMPLES
    yield "topk_prompt_logprobs", request.topk_prompt_logprobs, 0, MOST_LIKELIEST
    yield "topk_sample_logprobs", request.topk_sample_logprobs, 0, MOST_LIKELIEST
    yield "prompt_alt_tokens_k", request.prompt_alt_tokens_k, 0, MOST_ALTERNATIVES


def _check_params(params: SamplingParams) -> None:
    if not params.temperature >= 0 or not isfinite(params.temperature):
        raise RequestFailure(
            f"sampling_params.temperature: expected a finite number of at least 0, got {params.temperature!r}"
        )
    if params.top_k < -1:
        raise RequestFailure(
            f"sampling_params.top_k: expected at least 1, or -1 or 0 for all tokens, got {params.top_k}"
        )
    if not 0 < params.top_p <= 1:
        raise RequestFailure(f"sampling_params.top_p: expected above 0 and at most 1, got {params.top_p!r}")


def _check_stop(stop: str | list[str] | list[int] | None, model: BaseModelInfo) -> None:
    wanted = [stop] if isinstance(stop, str) else stop or []
    outside = [each for each in wanted if isinstance(each, int) and not 0 <= each < model.vocab_size]
    if outside:
        raise RequestFailure(
            f"sampling_params.stop: expected token ids from 0 to {model.vocab_size - 1}, "
            f"got {min(outside)} for {model.name}"
        )
    if "" in wanted:
        raise RequestFailure("sampling_params.stop: expected texts of at least one character, got ''")


def _check_last_n(request: SampleRequest, prompt_length: int) -> None:
    last_n = request.prompt_logprobs_last_n
    if last_n is None:
        return
    if not request.prompt_logprobs:
        raise RequestFailure(
            "prompt_logprobs_last_n: expected prompt_logprobs to be true with it, got false; set both"
        )
    if not 1 <= last_n <= prompt_length - 1:
        raise RequestFailure(f"prompt_logprobs_last_n: expected 1 to {prompt_length - 1}, got {last_n}")


def _check_targets(targets: TensorData | None, rows: int) -> None:
    if targets is None:
        return
    shape = targets.dimensions
    if targets.dtype != "int64" or len(shape) != 2 or shape[0] != rows:
        raise RequestFailure(
            f"target_prompt_logprobs: expected int64 of shape [{rows}, K], a row for every prompt token "
            f"but the first, got {targets.dtype} {list(shape)}"
        )


def _max_tokens(params: SamplingParams, prompt_length: int, context_length: int) -> int:
    wanted = params.max_tokens
    if wanted is None:
        wanted = max(min(DEFAULT_MAX_TOKENS, context_length - prompt_length), 1)
    if wanted < 1:
        raise RequestFailure(f"sampling_params.max_tokens: expected at least 1, got {wanted}")
    if prompt_length + wanted > context_length:
        raise RequestFailure(context_overflow(prompt_length, wanted, context_length))
    return wanted


def context_overflow(prompt_length: int, max_tokens: int, context_length: int) -> str:
    """What the service says of a sample that does not fit. Source: tinker-cookbook error-reference.md."""
    return (
        "Prompt length plus max_tokens exceeds the model's context window: "
        f"{prompt_length} + {max_tokens} > {context_length}"
    )


def check_adapter(lora: LoraConfig) -> None:
    """Refuse an adapter that has nothing to train.

    Raises:
        RequestFailure: naming the field.
    """
    if lora.rank < 1:
        raise RequestFailure(f"lora_config.rank: expected at least 1, got {lora.rank}")
    if not (lora.train_unembed or lora.train_mlp or lora.train_attn):
        raise RequestFailure(
            "lora_config: expected train_unembed, train_mlp or train_attn to be true, got none of them"
        )


def ids_of_text(chunk: EncodedTextChunk, vocab_size: int, field: str, where: str = "") -> Ids:
    """A text's token ids, `[length]`; only those of more than 64 bits are looked for.

    Raises:
        RequestFailure: naming the first id outside [0, vocab_size), if one is that large.
    """
    try:
        return chunk.ids
    except OverflowError:
        wrong = next(token for token in chunk.tokens if not 0 <= token < vocab_size)
        raise _outside(wrong, vocab_size, field, where) from None


def ids_in_vocabulary(
    ids: Ids, vocab_size: int, field: str, where: Callable[[int], str] = lambda _: ""
) -> Ids:
    """`ids`, of any shape, as they are.

    Args:
        ids: int64.
        vocab_size: How many tokens there are.
        field: The request's field, for the words of a refusal.
        where: Which datum the id at a flat place belongs to, for the same.

    Raises:
        RequestFailure: naming the first id outside [0, vocab_size).
    """
    if ids.size and ids.view(np.uint64).max() >= vocab_size:  # what is negative is large there
        place = int(((ids < 0) | (ids >= vocab_size)).argmax())
        raise _outside(int(ids.flat[place]), vocab_size, field, where(place))
    return ids


def _outside(token: int, vocab_size: int, field: str, where: str) -> RequestFailure:
    return RequestFailure(
        f"{field}: expected token ids from 0 to {vocab_size - 1}, the vocabulary of {vocab_size} tokens, "
        f"got {token}{where}"
    )
