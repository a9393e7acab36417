"""The order of tokens: best first, ties by lowest id."""

import pytest
import torch

from reference_engine.ranking import ranked, topk_of


def sorted_ids(row: torch.Tensor) -> list[int]:
    return sorted(range(len(row)), key=lambda token: (-float(row[token]), token))


def rows(vocab_size: int, *, rounded: bool) -> torch.Tensor:
    made = torch.randn(5, vocab_size, generator=torch.Generator().manual_seed(vocab_size)) * 3
    return made.round() if rounded else made


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("vocab_size", [2, 7, 260, 3000])
def test_all_tokens_are_ranked_by_score_then_id(vocab_size: int, rounded: bool) -> None:
    scores = rows(vocab_size, rounded=rounded)
    assert ranked(scores, vocab_size).tolist() == [sorted_ids(row) for row in scores]


def test_a_window_has_the_highest_scores_in_order() -> None:
    scores = rows(3000, rounded=False)
    assert ranked(scores, 64).tolist() == [sorted_ids(row)[:64] for row in scores]


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(("vocab_size", "k"), [(2, 5), (7, 7), (260, 1), (3000, 20)])
def test_the_likeliest_come_best_first_with_their_logprobs(vocab_size: int, k: int, rounded: bool) -> None:
    logprobs = torch.log_softmax(rows(vocab_size, rounded=rounded), -1)
    ids, values = topk_of(logprobs, k)
    assert ids.tolist() == [sorted_ids(row)[:k] for row in logprobs]
    assert torch.equal(values, torch.stack([row[at] for row, at in zip(logprobs, ids, strict=True)]))


def test_minus_zero_and_infinities_have_their_place() -> None:
    scores = torch.tensor([[0.0, -0.0, float("-inf"), -1e-45, 1e-45, float("inf"), -0.0]])
    assert ranked(scores, 7).tolist() == [[5, 4, 0, 1, 6, 3, 2]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_ranks_as_the_cpu_does() -> None:
    scores = rows(3000, rounded=True)
    for width in (64, 3000):
        assert torch.equal(
            scores.cuda().gather(1, ranked(scores.cuda(), width)).cpu(),
            scores.sort(descending=True)[0][:, :width],
        )
    assert torch.equal(topk_of(scores.cuda(), 20)[0].cpu(), topk_of(scores, 20)[0])
