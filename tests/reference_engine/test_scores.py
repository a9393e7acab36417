"""What a request wants of its prompt, gathered in chunks, against plain loops and the scripted twin."""

from typing import Any

import numpy as np
import pytest
import torch

from contract import BackendOptions, BaseModelInfo, ModelInput, RequestFailure, SampleRequest, TensorData
from fake_server.scripted import ScriptedBackend
from reference_engine.scores import PromptScores, ScoreFields, check_request

V, N = 50, 12
INFO = BaseModelInfo("some/model", V, 100, "llama", "some/model", (2,))
PROMPT = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8])
ROWS = torch.log_softmax(torch.randn(N, V, generator=torch.Generator().manual_seed(0)) * 2, -1)
FIELDS = ("prompt_logprobs", "topk_prompt_logprobs", "target_prompt_logprobs", "prompt_alt_tokens")


def request(prompt: Any = PROMPT, **options: Any) -> SampleRequest:
    top = {key: options.pop(key) for key in list(options) if key in SampleRequest.model_fields}
    given = ModelInput.from_ints(np.asarray(prompt).tolist())
    return SampleRequest(prompt=given, sampling_params=options, **top)


def scored(
    asked: SampleRequest, rows: torch.Tensor = ROWS, chunk: int = N, seed: int = 1, *, lean: bool = False
) -> ScoreFields:
    """All rows in chunks; `lean` leaves out those that the scores say they need not see."""
    tokens = np.array(asked.prompt.to_ints())
    scores = PromptScores.of(asked, tokens, seed)
    assert scores is not None
    first, end = (scores.first_row, scores.end_row) if lean else (0, len(rows))
    for start in range(first, end, chunk):
        scores.add(start, rows[start : min(start + chunk, end)])
    return scores.finish()


def everything(**options: Any) -> SampleRequest:
    ids = np.full((N - 1, 3), -1)
    ids[2:, 1] = PROMPT[3:]
    ids[::2, 0] = 7
    fields = {
        "prompt_logprobs": True,
        "topk_prompt_logprobs": 4,
        "target_prompt_logprobs": TensorData.from_numpy(ids),
        "prompt_alt_tokens_k": 5,
    }
    return request(**{**fields, **options})


def test_each_token_but_the_first_is_scored_by_the_row_before_it() -> None:
    found = scored(request(prompt_logprobs=True))
    expected = [None, *(float(ROWS[at - 1, PROMPT[at]]) for at in range(1, N))]
    assert found["prompt_logprobs"] == expected
    assert [found[field] for field in FIELDS[1:]] == [None, None, None]


def test_the_likeliest_tokens_are_aligned_with_the_prompt_and_come_best_first() -> None:
    found = scored(request(topk_prompt_logprobs=3))["topk_prompt_logprobs"]
    assert found is not None
    assert found[0] is None
    for at in range(1, N):
        values, ids = ROWS[at - 1].topk(3)
        assert found[at] == list(zip(ids.tolist(), values.tolist(), strict=True))


@pytest.mark.parametrize("last_n", [1, 3, N - 1])
def test_with_last_n_earlier_rows_are_not_needed(last_n: int) -> None:
    whole = scored(request(prompt_logprobs=True, topk_prompt_logprobs=2))
    asked = request(prompt_logprobs=True, topk_prompt_logprobs=2, prompt_logprobs_last_n=last_n)
    scores = PromptScores(asked, PROMPT, 0)
    assert (scores.first_row, scores.end_row) == (N - 1 - last_n, N - 1)
    for chunk in (2, N):
        part = scored(asked, chunk=chunk, lean=chunk == 2)
        for field in FIELDS[:2]:
            expected = [None] * (N - last_n) + (whole[field] or [])[-last_n:]  # type: ignore[literal-required]
            assert part[field] == expected  # type: ignore[literal-required]


def test_targets_keep_their_shape_and_minus_one_gives_zero() -> None:
    asked = everything()
    found = scored(asked)["target_prompt_logprobs"]
    assert found is not None
    assert (found.dtype, found.shape) == ("float32", [N - 1, 3])
    ids = asked.target_prompt_logprobs
    assert ids is not None
    for row, (wanted, got) in enumerate(zip(ids.tolist(), found.tolist(), strict=True)):
        assert got == [0.0 if token == -1 else float(ROWS[row, token]) for token in wanted]


def test_sparse_targets_keep_their_layout() -> None:
    sparse = TensorData(
        data=[4, -1, 9, 49],
        dtype="int64",
        shape=[N - 1, 6],
        sparse_crow_indices=[0, 0, 0, 2, 2, *[3] * 6, 4],
        sparse_col_indices=[1, 3, 5, 0],
    )
    found = scored(request(target_prompt_logprobs=sparse), chunk=2, lean=True)["target_prompt_logprobs"]
    assert found is not None
    assert found.data == [float(ROWS[2, 4]), 0.0, float(ROWS[4, 9]), float(ROWS[10, 49])]
    assert found.sparse_crow_indices == sparse.sparse_crow_indices
    assert found.sparse_col_indices == sparse.sparse_col_indices
    assert PromptScores(request(target_prompt_logprobs=sparse), PROMPT, 0).first_row == 2


def test_targets_that_ask_for_nothing_need_no_row() -> None:
    nothing = TensorData.from_numpy(np.full((N - 1, 2), -1))
    scores = PromptScores(request(target_prompt_logprobs=nothing), PROMPT, 0)
    assert scores.first_row == scores.end_row == N - 1
    found = scores.finish()["target_prompt_logprobs"]
    assert found is not None
    assert not found.to_numpy().any()


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_alternatives_are_drawn_at_the_temperature_and_scored_without_it(temperature: float) -> None:
    asked = request(prompt=PROMPT[:3], prompt_alt_tokens_k=1000, temperature=temperature, top_k=1)
    found = scored(asked)["prompt_alt_tokens"]
    assert found is not None
    tokens = found.tokens.to_numpy()
    assert np.array_equal(found.logprobs.to_numpy(), ROWS[:2].gather(1, torch.from_numpy(tokens)).numpy())
    for row in range(2):
        expected = 1000 * torch.softmax(ROWS[row].double() / temperature, -1).numpy()
        counts = np.bincount(tokens[row], minlength=V)
        assert ((counts - expected) ** 2 / expected).sum() < V + 5 * np.sqrt(2 * V)


def test_greedy_alternatives_are_the_likeliest_token() -> None:
    found = scored(request(prompt_alt_tokens_k=2, temperature=0))["prompt_alt_tokens"]
    assert found is not None
    assert found.tokens.tolist() == [[token, token] for token in ROWS[:-1].argmax(-1).tolist()]


def test_alternatives_repeat_with_the_seed_alone() -> None:
    first, again, other = (scored(everything(), seed=seed)["prompt_alt_tokens"] for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_chunks_do_not_change_a_bit(chunk: int, lean: bool) -> None:
    assert scored(everything(), chunk=chunk, lean=lean) == scored(everything())


def test_many_alternatives_of_many_rows_are_drawn_in_parts() -> None:
    rows = torch.log_softmax(torch.randn(99, V, generator=torch.Generator().manual_seed(3)), -1)
    prompt = np.arange(99) % V
    asked = request(prompt, prompt_alt_tokens_k=1024)
    assert scored(asked, rows) == scored(asked, rows, chunk=20)


def test_a_prompt_of_one_token_has_nothing_to_score() -> None:
    nothing = TensorData(data=[], dtype="int64", shape=[0, 2])
    asked = everything(prompt=[3], target_prompt_logprobs=nothing)
    assert check_request(asked, np.array([3]), INFO) == 99
    found = scored(asked, ROWS[:1])
    assert (found["prompt_logprobs"], found["topk_prompt_logprobs"]) == ([None], [None])
    alternatives, targets = found["prompt_alt_tokens"], found["target_prompt_logprobs"]
    assert alternatives is not None
    assert targets is not None
    assert (alternatives.tokens.shape, targets.shape) == ([0, 5], [0, 2])


def test_a_request_that_wants_nothing_of_its_prompt_has_no_scores() -> None:
    assert PromptScores.of(request(), PROMPT, 0) is None


def test_scores_that_are_no_numbers_name_the_position() -> None:
    rows = ROWS.clone()
    rows[6] = float("nan")
    with pytest.raises(
        RequestFailure, match=r"prompt: expected scores that are finite.*at position 7; .*load"
    ):
        scored(everything(), rows, chunk=4)
    lean = request(prompt_logprobs=True, prompt_logprobs_last_n=2)
    assert scored(lean, rows)["prompt_logprobs"] is not None


def test_the_scripted_twin_says_the_same_of_the_same_distributions() -> None:
    backend, prompt = ScriptedBackend(BackendOptions()), list(b"hello world!")
    every = TensorData.from_numpy(np.resize(np.arange(260), (N, 260)))
    table = backend.sample(
        "tinkerproof/pico",
        None,
        request([*prompt, 0], target_prompt_logprobs=every, max_tokens=1),
    ).target_prompt_logprobs
    assert table is not None
    rows = torch.from_numpy(table.to_numpy())
    for last_n in (None, 4):
        asked = everything(prompt=prompt, prompt_logprobs_last_n=last_n, temperature=0)
        twin = backend.sample("tinkerproof/pico", None, asked)
        mine = scored(asked, rows, chunk=5)
        assert {field: getattr(twin, field) for field in FIELDS} == mine


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_samples": 0}, "num_samples: expected 1 to 1024, got 0"),
        ({"max_tokens": 90}, r"^Prompt length plus max_tokens exceeds .* context window: 12 \+ 90 > 100$"),
        ({"stop": [50]}, "stop: expected token ids from 0 to 49, got 50 for some/model"),
        ({"target_prompt_logprobs": TensorData.from_numpy(np.full((N - 1, 1), V))}, "to 49, .* got 50"),
        ({"target_prompt_logprobs": TensorData.from_numpy(np.full((N, 1), 1))}, r"int64 of shape \[11, K\]"),
    ],
)
def test_parameters_out_of_range_are_refused_in_the_same_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestFailure, match=words) as failure:
        check_request(request(**options), PROMPT, INFO)
    assert failure.value.category == "user"


def test_max_tokens_is_what_was_asked_or_what_the_context_has_left() -> None:
    assert check_request(request(max_tokens=7), PROMPT, INFO) == 7
    assert check_request(everything(), PROMPT, INFO) == 88
