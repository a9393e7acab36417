"""Draws follow the stated distribution; every parameter does what it says."""

from typing import Any

import numpy as np
import pytest

from contract import (
    AdamOptimizerConfig,
    AdamParams,
    BackendOptions,
    Datum,
    ForwardBackwardInput,
    LoraConfig,
    ModelInput,
    RequestFailure,
    SampleRequest,
    SampleResponse,
    TensorData,
    Weights,
)
from contract.limits import COLDEST
from fake_server.base_models import known_base_models
from fake_server.language import Language, contexts_of
from fake_server.scripted import ScriptedBackend
from fake_server.scripted_text import piece_of

PICO, QWEN = "tinkerproof/pico", "Qwen/Qwen3-8B"
TEXT = list(b"hello hello")
N = len(TEXT)
BACKEND = ScriptedBackend(BackendOptions())


def trained(base_model: str = PICO, steps: int = 8) -> Weights:
    made = ScriptedBackend(BackendOptions())
    made.create_model("m", base_model, LoraConfig(rank=8), AdamOptimizerConfig())
    given = Datum(model_input=ModelInput.from_ints(TEXT[:-1]), loss_fn_inputs={"target_tokens": TEXT[1:]})
    for _ in range(steps):
        made.forward_backward("m", ForwardBackwardInput(data=[given], loss_fn="cross_entropy"))
        made.optim_step("m", AdamParams(learning_rate=0.01))
    return made.save_weights("m", optimizer=False)


TRAINED = trained()


def sample(
    prompt: list[int] | None = None, model: str = PICO, weights: Weights | None = None, **options: Any
) -> SampleResponse:
    top = {key: options.pop(key) for key in list(options) if key in SampleRequest.model_fields}
    request = {"prompt": ModelInput.from_ints(TEXT if prompt is None else prompt), **top}
    return BACKEND.sample(model, weights, SampleRequest(**request, sampling_params=options))


def exact(weights: Weights | None, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """The distribution after TEXT, enumerated over the whole vocabulary through `target_prompt_logprobs`."""
    every = TensorData.from_numpy(np.resize(np.arange(260), (N, 260)))
    scores = sample([*TEXT, 0], weights=weights, target_prompt_logprobs=every, max_tokens=1)
    assert scores.target_prompt_logprobs is not None
    found = np.exp(scores.target_prompt_logprobs.to_numpy()[-1].astype(float) / temperature)
    found /= found.sum()
    order = np.lexsort((np.arange(260), -found.round(9)))[: top_k if top_k > 0 else None]
    kept = found[order] / found[order].sum()
    last = int(np.searchsorted(np.cumsum(kept), top_p - 1e-9)) + 1
    cut = np.zeros(260)
    cut[order[:last]] = kept[:last] / kept[:last].sum()
    return cut


@pytest.mark.parametrize("weights", [None, TRAINED], ids=["base", "trained"])
@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [
        (1, -1, 1),
        (0.5, 0, 1),
        (2.0, -1, 0.9),
        (1, 3, 1),
        (1, 12, 1),
        (1, 9, 0.8),
        (1, -1, 0.5),
        (1.5, 300, 1),
    ],
)
def test_frequencies_are_the_reported_probabilities(
    weights: Weights | None, temperature: float, top_k: int, top_p: float
) -> None:
    cut = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    drawn = [
        sequence.tokens[0]
        for seed in range(4)
        for sequence in sample(weights=weights, num_samples=1000, max_tokens=1, seed=seed, **cut).sequences
    ]
    expected = 4_000 * exact(weights, **cut)
    counts = np.bincount(drawn, minlength=260)
    assert counts[expected == 0].sum() == 0
    kept = expected > 0
    chi_square = ((counts - expected)[kept] ** 2 / expected[kept]).sum()
    freedom = max(int(kept.sum()) - 1, 1)
    assert chi_square < freedom + 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("weights", [None, TRAINED], ids=["base", "trained"])
def test_sampled_logprobs_are_the_prompt_logprobs_of_the_same_tokens(weights: Weights | None) -> None:
    drawn = sample(weights=weights, max_tokens=64, stop=[]).sequences[0]
    scored = sample([*TEXT, *drawn.tokens], weights=weights, prompt_logprobs=True, max_tokens=1)
    assert drawn.logprobs == (scored.prompt_logprobs or [])[N:]
    assert len(drawn.tokens) == 64


def test_learned_frequencies_match_where_rank_falls_below_the_crowd() -> None:
    given = Datum(
        model_input=ModelInput.from_ints(TEXT),
        loss_fn_inputs={"target_tokens": [*TEXT[1:], 5], "weights": [0.0] * (N - 1) + [-3.0]},
    )
    made = ScriptedBackend(BackendOptions())
    made.create_model("m", PICO, LoraConfig(rank=8), AdamOptimizerConfig())
    made.forward_backward("m", ForwardBackwardInput(data=[given], loss_fn="cross_entropy"))
    made.optim_step("m", AdamParams(learning_rate=0.005))
    weights = made.save_weights("m", optimizer=False)
    drawn = [
        s.tokens[0]
        for n in range(5)
        for s in sample(weights=weights, num_samples=1000, max_tokens=1, seed=n).sequences
    ]
    probability = exact(weights, 1, -1, 1)[5]
    assert 0 < probability < exact(None, 1, -1, 1)[5]
    assert drawn.count(5) == pytest.approx(5_000 * probability, abs=5 * np.sqrt(5_000 * probability))


def test_greedy_is_top_k_1_is_top_p_near_0_is_the_likeliest() -> None:
    greedy = sample(temperature=0, stop=[], topk_sample_logprobs=2).sequences[0]
    cold = sample(temperature=COLDEST / 2, stop=[], seed=9).sequences[0]
    assert greedy.tokens == cold.tokens == sample(top_k=1, stop=[]).sequences[0].tokens
    assert greedy.tokens == sample(top_p=1e-9, stop=[], seed=5).sequences[0].tokens
    assert [(greedy.topk_logprobs or [])[n][0][0] for n in range(128)] == greedy.tokens  # type: ignore[index]
    assert greedy.logprobs == sample(top_k=1, stop=[]).sequences[0].logprobs


def test_logprobs_are_scaled_by_temperature_and_not_cut() -> None:
    drawn = sample(temperature=0.5, top_k=1, max_tokens=1).sequences[0]
    assert np.exp((drawn.logprobs or [])[0]) == pytest.approx(exact(None, 0.5, -1, 1).max(), abs=1e-6)


def test_a_seed_gives_the_same_sequences_and_they_differ_from_each_other() -> None:
    for seed in (0, -1, 2**64 - 1, 2**70):
        first, again = (sample(seed=seed, num_samples=4, seq_id=n) for n in (1, 2))
        assert first == again
        assert len({tuple(sequence.tokens) for sequence in first.sequences}) == 4
    assert sample(seed=1) != sample(seed=2)


def test_without_a_seed_the_ids_of_the_request_decide() -> None:
    assert sample(seq_id=1) == sample(seq_id=1)
    assert sample(seq_id=1) != sample(seq_id=2)
    assert sample(seq_id=1, sampling_session_id="a") != sample(seq_id=1, sampling_session_id="b")
    request = SampleRequest(prompt=ModelInput.from_ints(TEXT), sampling_params={})
    assert ScriptedBackend(BackendOptions(seed=1)).sample(PICO, None, request) != sample()


def test_training_makes_the_sampler_say_what_it_learned() -> None:
    drawn = sample(TEXT[:2], weights=trained(steps=30), temperature=0, max_tokens=9, stop=[])
    assert bytes(drawn.sequences[0].tokens) == b"llo hello"


def test_sequences_end_at_the_end_of_text_token_unless_stop_is_the_empty_list() -> None:
    ended = sample(num_samples=64, seed=1).sequences
    assert {sequence.stop_reason for sequence in ended} == {"stop", "length"}
    for sequence in ended:
        stops = [256] if sequence.stop_reason == "stop" else []
        assert [token for token in sequence.tokens if token == 256] == stops
        assert sequence.stop_reason == "stop" or len(sequence.tokens) == 128
    endless = sample(num_samples=64, seed=1, stop=[]).sequences
    assert {(sequence.stop_reason, len(sequence.tokens)) for sequence in endless} == {("length", 128)}


def test_a_token_stop_ends_the_sequence_and_is_in_it_once() -> None:
    likely = Language.of(0, known_base_models(())[PICO]).slot_tokens(int(contexts_of(np.array(TEXT))[-1]))[0]
    for sequence in sample(num_samples=32, stop=[likely], seed=1, max_tokens=400).sequences:
        assert sequence.stop_reason == "stop"
        assert sequence.tokens[-1] in (likely, 256)
        assert sequence.tokens.count(likely) + sequence.tokens.count(256) == 1


@pytest.mark.parametrize(
    ("model", "stop"), [(PICO, "<|endoftext|>"), (PICO, "E"), (QWEN, "\n"), (QWEN, [".", "###"])]
)
def test_a_text_stop_ends_the_sequence_at_the_token_that_completes_it(model: str, stop: Any) -> None:
    info, stops = known_base_models(())[model], [stop] if isinstance(stop, str) else stop
    reached = 0
    for sequence in sample(model=model, num_samples=32, stop=stop, seed=1).sequences:
        text = b"".join(piece_of(info, token) for token in sequence.tokens)
        before = b"".join(piece_of(info, token) for token in sequence.tokens[:-1])
        assert not any(part.encode() in before for part in stops)
        reached += any(part.encode() in text for part in stops)
        assert sequence.stop_reason == "stop" or len(sequence.tokens) == 128
    assert reached > 3


def test_a_text_stop_may_span_tokens() -> None:
    text = bytes(sample(max_tokens=40, stop=[], seed=7, top_k=4).sequences[0].tokens)
    cut = sample(max_tokens=40, stop=text[20:24].decode(), seed=7, top_k=4).sequences[0]
    assert bytes(cut.tokens) == text[: text.index(text[20:24]) + 4]


def test_pico_tokens_are_bytes_and_its_special_tokens_have_names() -> None:
    info = known_base_models(())[PICO]
    assert [piece_of(info, token) for token in (0, 65, 255, 257, 259)] == [
        *(b"\x00", b"A", b"\xff", b"<|im_start|>", b"<|pad|>")
    ]


def test_prompt_scores_are_aligned_with_the_prompt() -> None:
    response = sample(prompt_logprobs=True, topk_prompt_logprobs=3, max_tokens=1, weights=TRAINED)
    scores, likeliest = response.prompt_logprobs or [], response.topk_prompt_logprobs or []
    assert len(scores) == len(likeliest) == N
    assert scores[0] is None
    assert likeliest[0] is None
    for token, score, listed in zip(TEXT[1:], scores[1:], likeliest[1:], strict=True):
        assert dict(listed or [])[token] == score
        assert [logprob for _, logprob in listed or []] == sorted(dict(listed or []).values(), reverse=True)
    assert response.prompt_cache_hit_tokens == 0
    assert sample().prompt_logprobs is None


def test_only_the_last_n_prompt_tokens_are_scored() -> None:
    whole = sample(prompt_logprobs=True, topk_prompt_logprobs=2)
    part = sample(prompt_logprobs=True, topk_prompt_logprobs=2, prompt_logprobs_last_n=3)
    for all_of_it, last in (
        (whole.prompt_logprobs, part.prompt_logprobs),
        (whole.topk_prompt_logprobs, part.topk_prompt_logprobs),
    ):
        assert list(last or []) == [*[None] * (N - 3), *(all_of_it or [])[-3:]]


def test_a_prompt_of_one_token_has_nothing_to_score() -> None:
    nothing = TensorData(data=[], dtype="int64", shape=[0, 2])
    response = sample(
        [65],
        prompt_logprobs=True,
        topk_prompt_logprobs=2,
        target_prompt_logprobs=nothing,
        prompt_alt_tokens_k=2,
    )
    assert response.prompt_logprobs == [None]
    assert response.topk_prompt_logprobs == [None]
    assert response.target_prompt_logprobs is not None
    assert response.target_prompt_logprobs.shape == [0, 2]
    assert response.prompt_alt_tokens is not None
    assert response.prompt_alt_tokens.tokens.shape == [0, 2]


def test_target_scores_keep_the_layout_and_skip_minus_one() -> None:
    rows = np.full((N - 1, 4), -1)
    rows[:, 2] = TEXT[1:]
    dense = sample(prompt_logprobs=True, target_prompt_logprobs=TensorData.from_numpy(rows))
    sparse = TensorData(
        data=[TEXT[1], -1, TEXT[3]],
        dtype="int64",
        shape=[N - 1, 9],
        sparse_crow_indices=[0, 1, 2, *[3] * (N - 3)],
        sparse_col_indices=[4, 0, 8],
    )
    found = sample(target_prompt_logprobs=sparse).target_prompt_logprobs
    scores = dense.prompt_logprobs or []
    assert dense.target_prompt_logprobs is not None
    assert found is not None
    assert dense.target_prompt_logprobs.to_numpy()[:, 2].tolist() == scores[1:]
    assert not dense.target_prompt_logprobs.to_numpy()[:, [0, 1, 3]].any()
    assert found.data == [scores[1], 0.0, scores[3]]
    assert (found.sparse_col_indices, found.shape) == ([4, 0, 8], [N - 1, 9])


@pytest.mark.parametrize("temperature", [0, 0.7])
def test_alternatives_are_drawn_at_the_temperature_and_scored_without_it(temperature: float) -> None:
    response = sample(prompt_alt_tokens_k=50, temperature=temperature, seed=3, topk_prompt_logprobs=1)
    alternatives = response.prompt_alt_tokens
    assert alternatives is not None
    drawn = alternatives.tokens.to_numpy()
    assert drawn.shape == (N - 1, 50)
    again = sample(target_prompt_logprobs=alternatives.tokens).target_prompt_logprobs
    assert again is not None
    assert again.data == alternatives.logprobs.data
    likeliest = [(listed or [])[0][0] for listed in (response.topk_prompt_logprobs or [])[1:]]
    share = (drawn == np.array(likeliest)[:, None]).mean()
    assert share == 1 if temperature == 0 else 0.35 < share < 0.9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -1}, "temperature: expected a finite number of at least 0, got -1"),
        ({"temperature": float("nan")}, "temperature: expected a finite"),
        ({"temperature": float("inf")}, "temperature: expected a finite"),
        ({"top_k": -5}, "top_k: expected at least 1, or -1 or 0 for all tokens, got -5"),
        ({"top_p": 0}, "top_p: expected above 0 and at most 1, got 0"),
        ({"top_p": 2}, "top_p: expected above 0"),
        ({"max_tokens": 0}, "max_tokens: expected at least 1, got 0"),
        (
            {"max_tokens": 4096},
            r"^Prompt length plus max_tokens exceeds .* context window: 11 \+ 4096 > 4096$",
        ),
        ({"num_samples": 0}, "num_samples: expected 1 to 1024, got 0"),
        ({"num_samples": 1025}, "num_samples: expected 1 to 1024"),
        ({"topk_prompt_logprobs": 21}, "topk_prompt_logprobs: expected 0 to 20, got 21"),
        ({"topk_sample_logprobs": -1}, "topk_sample_logprobs: expected 0 to 20, got -1"),
        ({"prompt_alt_tokens_k": -1}, "prompt_alt_tokens_k: expected 0 to 1024, got -1"),
        ({"prompt_logprobs_last_n": 2}, "prompt_logprobs_last_n: expected prompt_logprobs to be true"),
        ({"prompt_logprobs_last_n": N, "prompt_logprobs": True}, f"last_n: expected 1 to {N - 1}, got {N}"),
        ({"prompt": []}, "prompt: expected at least one token, got none"),
        ({"prompt": [1, 260]}, "prompt: expected token ids from 0 to 259, .* of 260 tokens, got 260"),
        ({"prompt": [1] * 4096}, r"context window: 4096 \+ 1 > 4096"),
        ({"prompt": [1] * 4097}, "prompt: expected at most 4096 tokens, .* got 4097"),
        ({"stop": ""}, "stop: expected texts of at least one character"),
        ({"stop": [151645]}, "stop: expected token ids from 0 to 259, got 151645 for tinkerproof/pico"),
        (
            {"target_prompt_logprobs": TensorData.from_numpy(np.zeros((2, 2), int))},
            r"target_prompt_logprobs: expected int64 of shape \[10, K\].*got int64 \[2, 2\]",
        ),
        (
            {"target_prompt_logprobs": TensorData.from_numpy(np.full((N - 1, 1), -2))},
            "target_prompt_logprobs: expected token ids from 0 to 259.*got -2",
        ),
        ({"model": "no/such"}, "base_model: expected one of tinkerproof/pico, .* and 30 more, got 'no/such'"),
        ({"model": QWEN, "weights": TRAINED}, "weights: expected those of Qwen/Qwen3-8B, got .*pico"),
    ],
)
def test_parameters_out_of_range_are_refused_in_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestFailure, match=words) as failure:
        sample(**options)
    assert failure.value.category == "user"


def test_max_tokens_is_128_or_what_the_context_has_left() -> None:
    assert len(sample(stop=[]).sequences[0].tokens) == 128
    assert len(sample([1] * 4090, stop=[]).sequences[0].tokens) == 6


def test_a_suffix_changes_the_context_length_and_nothing_else() -> None:
    long = sample(model=f"{PICO}:peft:9000", max_tokens=8000, stop=[], seed=1).sequences[0]
    assert long.tokens[:100] == sample(stop=[], seed=1).sequences[0].tokens[:100]
    assert sample(model=f"{PICO}:peft:9000", weights=TRAINED).sequences
