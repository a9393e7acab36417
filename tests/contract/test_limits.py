"""What a sample request may ask for."""

import pytest

from contract import (
    BaseModelInfo,
    ModelInput,
    RequestFailure,
    SampleRequest,
    SamplingParams,
    check_sampling,
    first_scored,
    folded_seed,
    is_greedy,
)

MODEL = BaseModelInfo("some/model", 50, 100, "llama", "some/model", (2,))


def request(**options: object) -> SampleRequest:
    top = {key: options.pop(key) for key in list(options) if key in SampleRequest.model_fields}
    return SampleRequest(prompt=ModelInput.from_ints([1]), sampling_params=options, **top)


@pytest.mark.parametrize(
    ("asked", "length", "expected"),
    [({}, 10, 90), ({}, 1, 99), ({"max_tokens": 3}, 97, 3), ({"max_tokens": 1, "top_k": 10**30}, 99, 1)],
)
def test_max_tokens_is_what_was_asked_or_what_the_context_has_left(asked, length, expected) -> None:
    assert check_sampling(request(**asked), length, MODEL) == expected


def test_by_default_128_tokens_are_enough() -> None:
    long = BaseModelInfo("some/model", 50, 4096, "llama", "some/model", (2,))
    assert check_sampling(request(), 10, long) == 128


@pytest.mark.parametrize(
    ("asked", "length", "words"),
    [
        ({}, 0, "prompt: expected at least one token, got none"),
        ({}, 100, r"^Prompt length plus max_tokens exceeds the model's context window: 100 \+ 1 > 100$"),
        ({"max_tokens": 91}, 10, r"context window: 10 \+ 91 > 100"),
        ({"max_tokens": -1}, 10, "sampling_params.max_tokens: expected at least 1, got -1"),
        ({"temperature": float("nan")}, 10, "sampling_params.temperature: expected a finite number"),
        ({"top_k": -2}, 10, "sampling_params.top_k: expected at least 1, or -1 or 0 for all tokens, got -2"),
        ({"top_p": 0}, 10, "sampling_params.top_p: expected above 0 and at most 1, got 0"),
        (
            {"stop": [3, 50]},
            10,
            "sampling_params.stop: expected token ids from 0 to 49, got 50 for some/model",
        ),
        ({"stop": ["a", ""]}, 10, "sampling_params.stop: expected texts of at least one character, got ''"),
        ({"topk_prompt_logprobs": 21}, 10, "topk_prompt_logprobs: expected 0 to 20, got 21"),
        ({"prompt_logprobs_last_n": 1}, 10, "expected prompt_logprobs to be true with it"),
        ({"prompt_logprobs": True, "prompt_logprobs_last_n": 10}, 10, "expected 1 to 9, got 10"),
    ],
)
def test_what_is_out_of_range_is_named(asked, length, words) -> None:
    with pytest.raises(RequestFailure, match=words):
        check_sampling(request(**asked), length, MODEL)


def test_scores_begin_at_the_second_token_or_where_the_last_n_do() -> None:
    assert first_scored(request(prompt_logprobs=True), 10) == 1
    assert first_scored(request(prompt_logprobs=True, prompt_logprobs_last_n=3), 10) == 7


def test_temperatures_near_0_are_greedy_and_any_integer_is_a_seed() -> None:
    assert [is_greedy(SamplingParams(temperature=t)) for t in (0, 1e-7, 1e-6, 1)] == [
        True,
        True,
        False,
        False,
    ]
    assert [folded_seed(seed) for seed in (0, 2**63 - 1, -1, 2**64)] == [0, 0, 2**63 - 2, 2]
