"""The order of tokens: best first, ties by lowest id."""

import pytest
import torch

from reference_engine.ranking import likeliest, ranked, topk_of


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


@pytest.mark.parametrize(("vocab_size", "width"), [(3000, 64), (9001, 64), (20_003, 1024)])
def test_a_window_has_the_highest_scores_in_order(vocab_size: int, width: int) -> None:
    scores = rows(vocab_size, rounded=False)
    scores[0, -5:] = 20.0 + torch.arange(5)  # past the last whole strand and block
    assert ranked(scores, width).tolist() == [sorted_ids(row)[:width] for row in scores]


@pytest.mark.parametrize("vocab_size", [260, 2048, 2049, 9001])
def test_the_likeliest_token_is_the_first_in_order(vocab_size: int) -> None:
    scores = rows(vocab_size, rounded=True)
    scores[0] = -torch.inf
    scores[1, -1] = 100.0
    assert likeliest(scores).tolist() == [sorted_ids(row)[0] for row in scores]


def test_of_many_equal_scores_a_window_has_as_many_as_fit() -> None:
    scores = torch.zeros(2, 9001)
    scores[0, ::40] = 1.0
    scores[1, 7::300] = 1.0
    for row, window in zip(scores, ranked(scores, 64).tolist(), strict=True):
        assert len(set(window)) == 64
        assert row[window].tolist() == row.sort(descending=True)[0][:64].tolist()


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(("vocab_size", "k"), [(2, 5), (7, 7), (260, 1), (3000, 20), (9001, 20)])
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
