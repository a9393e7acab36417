"""`SamplingClient`: every parameter of a sample, scores, clones."""

import asyncio
import json
import pickle
from base64 import urlsafe_b64decode
from typing import Any

import numpy as np
import pytest
import tinker
from tinker import types

from fake_server.fake import Fake
from tests.sdk.data import PICO, prompt

pytestmark = pytest.mark.sdk

PROMPT = prompt(104, 101, 108, 108, 111)
ONE = types.SamplingParams(max_tokens=1)


def sample(sampling: tinker.SamplingClient, number: int = 1, **params: Any) -> list[types.SampledSequence]:
    """Sequences of one request on `PROMPT`."""
    return list(sampling.sample(PROMPT, number, types.SamplingParams(**params)).result().sequences)


def test_every_sample_of_a_request_comes_with_logprobs_and_an_id(sampling: tinker.SamplingClient) -> None:
    sequences = sample(sampling, 4, max_tokens=5, seed=1)
    assert len({sequence.sequence_id for sequence in sequences}) == 4
    assert all(len(sequence.logprobs) == len(sequence.tokens) <= 5 for sequence in sequences)
    assert {sequence.stop_reason for sequence in sequences} <= {"length", "stop"}


def test_a_seed_makes_samples_repeatable(sampling: tinker.SamplingClient) -> None:
    first, second = (sample(sampling, 2, max_tokens=8, seed=2**64 - 1) for _ in range(2))
    assert [s.tokens for s in first] == [s.tokens for s in second]
    assert first[0].tokens != first[1].tokens


def test_temperature_zero_takes_the_likeliest_token(sampling: tinker.SamplingClient) -> None:
    (greedy,) = sample(sampling, max_tokens=1, temperature=0.0, stop=[])
    (top,) = sampling.sample(PROMPT, 1, ONE, topk_sample_logprobs=3).result().sequences
    assert greedy.tokens == [top.topk_logprobs[0][0][0]]


def test_the_top_of_the_vocabulary_is_all_that_top_k_samples(sampling: tinker.SamplingClient) -> None:
    narrow = [sequence.tokens for sequence in sample(sampling, 8, max_tokens=1, top_k=1, seed=3, stop=[])]
    assert len({tuple(tokens) for tokens in narrow}) == 1
    assert sample(sampling, 1, max_tokens=1, top_p=0.001, seed=3, stop=[])[0].tokens == narrow[0]


def test_a_stop_token_ends_a_sequence(sampling: tinker.SamplingClient) -> None:
    (free,) = sample(sampling, max_tokens=6, seed=5, stop=[])
    (ended,) = sample(sampling, max_tokens=6, seed=5, stop=[free.tokens[2]])
    assert ended.stop_reason == "stop"
    assert ended.tokens == free.tokens[: free.tokens.index(free.tokens[2]) + 1]


@pytest.mark.parametrize("wrap", [str, lambda text: [text, "never so"]], ids=["text", "texts"])
def test_a_stop_text_ends_a_sequence(sampling: tinker.SamplingClient, wrap: Any) -> None:
    (free,) = sample(sampling, max_tokens=64, seed=5, stop=[])
    byte = next(token for token in free.tokens if token < 128)
    (ended,) = sample(sampling, max_tokens=64, seed=5, stop=wrap(chr(byte)))
    assert (ended.stop_reason, ended.tokens[-1]) == ("stop", byte)


def test_without_stops_a_sequence_has_its_full_length(sampling: tinker.SamplingClient) -> None:
    (sequence,) = sample(sampling, max_tokens=64, seed=5, stop=[])
    assert (len(sequence.tokens), sequence.stop_reason) == (64, "length")


def test_prompt_logprobs_are_the_scores_of_compute_logprobs(sampling: tinker.SamplingClient) -> None:
    answer = sampling.sample(PROMPT, 1, ONE, include_prompt_logprobs=True).result()
    assert answer.prompt_logprobs == sampling.compute_logprobs(PROMPT).result()
    assert answer.prompt_logprobs[0] is None
    assert all(value < 0 for value in answer.prompt_logprobs[1:])


def test_only_the_last_prompt_tokens_are_scored_on_demand(sampling: tinker.SamplingClient) -> None:
    whole = sampling.compute_logprobs(PROMPT).result()
    last = sampling.compute_logprobs(PROMPT, prompt_logprobs_last_n=2).result()
    assert last == [None, None, None, *whole[3:]]


def test_the_likeliest_tokens_of_the_prompt_are_told(sampling: tinker.SamplingClient) -> None:
    answer = sampling.sample(
        PROMPT, 1, ONE, include_prompt_logprobs=True, topk_prompt_logprobs=3, prompt_logprobs_last_n=2
    ).result()
    rows = answer.topk_prompt_logprobs
    assert [None if row is None else len(row) for row in rows] == [None, None, None, 3, 3]
    assert rows[4] == sorted(rows[4], key=lambda cell: -cell[1])


def test_the_likeliest_tokens_of_a_sample_are_told(sampling: tinker.SamplingClient) -> None:
    params = types.SamplingParams(max_tokens=4, stop=[])
    (sequence,) = sampling.sample(PROMPT, 1, params, topk_sample_logprobs=2).result().sequences
    assert [len(row) for row in sequence.topk_logprobs] == [2] * 4


def test_chosen_tokens_are_scored_along_the_prompt(sampling: tinker.SamplingClient) -> None:
    ids = types.TensorData.from_numpy(np.array([[101, 7], [108, -1], [108, -1], [111, -1]]))
    answer = sampling.sample(
        PROMPT, 1, ONE, include_prompt_logprobs=True, target_prompt_logprobs=ids
    ).result()
    scores = answer.target_prompt_logprobs.to_numpy()
    assert scores[:, 0].tolist() == pytest.approx(answer.prompt_logprobs[1:], rel=1e-6)
    assert (scores[0, 1] < 0, scores[1:, 1].tolist()) == (True, [0.0] * 3)


def test_chosen_tokens_may_be_sparse(sampling: tinker.SamplingClient) -> None:
    ids = types.TensorData(
        data=[111], dtype="int64", shape=[4, 1], sparse_crow_indices=[0, 0, 0, 0, 1], sparse_col_indices=[0]
    )
    scores = sampling.sample(PROMPT, 1, ONE, target_prompt_logprobs=ids).result().target_prompt_logprobs
    assert (scores.shape, scores.sparse_crow_indices) == ([4, 1], [0, 0, 0, 0, 1])
    assert scores.data[0] == pytest.approx(sampling.compute_logprobs(PROMPT).result()[4], rel=1e-6)


def test_alternatives_to_every_prompt_token_are_drawn(sampling: tinker.SamplingClient) -> None:
    alternatives = sampling.sample(PROMPT, 1, ONE, prompt_alt_tokens_k=3).result().prompt_alt_tokens
    assert (alternatives.tokens.shape, alternatives.logprobs.shape) == ([4, 3], [4, 3])
    assert max(alternatives.logprobs.data) < 0


def test_stability_information_is_asked_for(service: tinker.ServiceClient, seen: list[Any]) -> None:
    sampling = service.create_sampling_client(base_model=PICO, record_stability_info=True).result()
    sample(sampling, max_tokens=1)
    assert seen[-2].request.record_stability_info


def test_hundreds_of_samples_run_side_by_side(sampling: tinker.SamplingClient) -> None:
    params = types.SamplingParams(max_tokens=2)
    futures = [sampling.sample(prompt(number % 256), 2, params) for number in range(300)]
    ids = {sequence.sequence_id for future in futures for sequence in future.result().sequences}
    assert len(ids) == 600


def test_samples_and_scores_run_in_coroutines(sampling: tinker.SamplingClient) -> None:
    async def run() -> tuple[Any, Any]:
        answer = await sampling.sample(PROMPT, 1, types.SamplingParams(max_tokens=2, seed=1))
        return answer, await sampling.compute_logprobs(PROMPT)

    answer, scores = asyncio.run(run())
    assert (len(answer.sequences), len(scores)) == (1, 5)


def test_the_old_names_of_coroutines_still_sample(sampling: tinker.SamplingClient) -> None:
    async def run() -> tuple[Any, Any, Any]:
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            answer = await sampling.sample_async(PROMPT, 1, types.SamplingParams(max_tokens=2))
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            scores = await sampling.compute_logprobs_async(PROMPT)
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            return answer, scores, await sampling.get_base_model_async()

    answer, scores, base_model = asyncio.run(run())
    assert (len(answer.sequences), len(scores), base_model) == (1, 5, PICO)


def test_a_prompt_beyond_the_context_is_refused_at_once(sampling: tinker.SamplingClient) -> None:
    with pytest.raises(tinker.BadRequestError, match=r"context window: 5000 \+ 1 > 4096"):
        sampling.sample(prompt(*[1] * 5000), 1, ONE).result()


def test_a_token_outside_the_vocabulary_fails(sampling: tinker.SamplingClient) -> None:
    with pytest.raises(tinker.RequestFailedError, match="vocabulary"):
        sampling.compute_logprobs(prompt(1, 10**6)).result()


def test_a_pickled_client_samples_on_the_same_weights(
    training: tinker.TrainingClient, seen: list[Any]
) -> None:
    sampling = training.save_weights_and_get_sampling_client().result()
    clone = pickle.loads(pickle.dumps(sampling))
    assert clone.compute_logprobs(PROMPT).result() == sampling.compute_logprobs(PROMPT).result()
    numbers = [e.request.seq_id for e in seen if e.operation == "asample"]
    assert (numbers[0] >= 10**9, numbers[1]) == (True, 0)
    clone.holder.close()


def test_a_handle_carries_a_sampler_without_its_key(
    sampling: tinker.SamplingClient, tinker_fake: Fake
) -> None:
    handle = sampling.get_sampler_handle()
    assert tinker_fake.api_key not in json.dumps(json.loads(urlsafe_b64decode(handle)))
    clone = sampling.from_sampler_handle(handle, api_key=tinker_fake.api_key)
    assert clone.compute_logprobs(PROMPT).result() == sampling.compute_logprobs(PROMPT).result()
    clone.holder.close()
