"""Draws against enumerated distributions; a row's draw is its own matter."""

import numpy as np
import pytest
import torch

from contract import SamplingParams
from reference_engine.sampling import BELOW_ONE, Draw, Uniforms, draw, pick

SCORES = torch.tensor([2.0, 0.5, 1.0, -1.0, 1.0, 0.0, -3.0, 2.5, 1.0, -0.5])
CUTS = [
    {"temperature": 1.0},
    {"temperature": 0.5},
    {"temperature": 2.0},
    {"top_k": 3},
    {"top_k": 4, "temperature": 0.7},
    {"top_p": 0.5},
    {"top_p": 0.9, "temperature": 1.5},
    {"top_k": 6, "top_p": 0.8},
    {"top_k": 9, "top_p": 0.3, "temperature": 2.0},
    {"top_k": 10**20, "top_p": 0.99},
]


def drawer(seed: int = 0, index: int = 0, **options: float) -> Draw:
    return Draw.of(SamplingParams(**options), seed, index)


def exact(scores: torch.Tensor, temperature: float = 1, top_k: int = -1, top_p: float = 1) -> np.ndarray:
    """The distribution, token by token, in float64."""
    mass = np.exp(scores.double().numpy() / temperature)
    order = sorted(range(len(mass)), key=lambda token: (-float(scores[token]), token))
    kept = order[: top_k if top_k > 0 else None]
    share = np.cumsum(mass[kept]) / mass[kept].sum()
    kept = kept[: int(np.searchsorted(share, top_p - 1e-12)) + 1]
    cut = np.zeros(len(mass))
    cut[kept] = mass[kept] / mass[kept].sum()
    return cut


def counts(scores: torch.Tensor, draws: int, **options: float) -> np.ndarray:
    rows = [drawer(len(scores), index, **options) for index in range(draws)]
    tokens, _ = draw(scores.expand(draws, -1), rows, [index % 7 for index in range(draws)])
    return np.bincount(tokens.numpy(), minlength=len(scores))


def check_chi_square(observed: np.ndarray, probabilities: np.ndarray) -> None:
    expected = observed.sum() * probabilities
    assert not observed[probabilities == 0].any()
    kept = expected > 0
    chi_square = ((observed - expected)[kept] ** 2 / expected[kept]).sum()
    spread = 2 / (9 * max(int(kept.sum()) - 1, 1))
    assert np.cbrt(chi_square * spread * 4.5) < 1 - spread + 3.5 * np.sqrt(spread)  # Wilson and Hilferty


@pytest.mark.parametrize("options", CUTS, ids=str)
def test_frequencies_are_those_of_the_enumerated_distribution(options: dict[str, float]) -> None:
    check_chi_square(counts(SCORES, 4000, **options), exact(SCORES, **options))


@pytest.mark.parametrize("options", [{}, {"top_k": 40}, {"top_p": 0.3}, {"top_k": 900, "top_p": 0.97}])
def test_so_they_are_in_large_vocabularies(options: dict[str, float]) -> None:
    scores = torch.randn(5003, generator=torch.Generator().manual_seed(1)) * 2.5
    probabilities = exact(scores, **options)
    observed = counts(scores, 3000, **options)
    by_group = np.argsort(np.argsort(-probabilities, kind="stable"), kind="stable") % 50
    check_chi_square(np.bincount(by_group, observed), np.bincount(by_group, probabilities))
    assert not observed[probabilities == 0].any()


def test_each_token_of_a_block_is_as_likely_as_it_should_be() -> None:
    mass = torch.rand(1, 2000, generator=torch.Generator().manual_seed(2)) + 0.1
    numbers = (torch.arange(200_000, dtype=torch.float64) / 200_000).unsqueeze(0)
    observed = np.bincount(pick(mass, numbers)[0].numpy(), minlength=2000) / 200_000
    expected = (mass[0].double() / mass.double().sum()).numpy()
    assert np.abs(observed - expected).max() < 1.1 / 200_000


@pytest.mark.parametrize("vocab_size", [5, 1024, 1025, 1200, 4096])
def test_only_tokens_that_have_probability_are_picked(vocab_size: int) -> None:
    for token in (0, vocab_size // 2, vocab_size - 1):
        mass = torch.zeros(1, vocab_size)
        mass[0, token] = 1e-20
        numbers = torch.tensor([[0.0, 1e-300, 0.5, BELOW_ONE]], dtype=torch.float64)
        assert pick(mass, numbers).tolist() == [[token] * 4]


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"temperature": 1e-7}, {"top_k": 1}, {"top_p": 1e-9}]
)
@pytest.mark.parametrize("vocab_size", [30, 3000])
def test_greedy_takes_the_likeliest_token_and_the_first_of_several(
    options: dict[str, float], vocab_size: int
) -> None:
    scores = torch.zeros(3, vocab_size)
    scores[0, [9, 7, 20]] = 4.0
    scores[1, :] = -2.0
    scores[2, 1:] = -0.0
    tokens, _ = draw(scores, [drawer(seed, **options) for seed in range(3)], [0, 5, 900])
    assert tokens.tolist() == [7, 0, 0]


def test_of_tokens_with_one_score_the_lowest_ids_are_kept() -> None:
    for vocab_size in (50, 3000):
        scores = torch.zeros(vocab_size)
        scores[-1] = 1.0
        assert set(counts(scores, 80, top_k=4).nonzero()[0].tolist()) == {0, 1, 2, vocab_size - 1}
        share = (2.5 + np.e) / (vocab_size - 1 + np.e)
        assert set(counts(scores, 80, top_p=share).nonzero()[0].tolist()) == {0, 1, 2, vocab_size - 1}


def test_logprobs_are_scaled_and_not_cut() -> None:
    draws = [
        drawer(temperature=0.5, top_k=1),
        drawer(temperature=0),
        drawer(top_p=0.1),
        drawer(temperature=2),
    ]
    tokens, logprobs = draw(SCORES.expand(4, -1), draws, [0] * 4)
    for row, temperature in enumerate((0.5, 1.0, 1.0, 2.0)):
        expected = torch.log_softmax(SCORES / temperature, -1)
        assert torch.equal(logprobs[row], expected[tokens[row]])
        assert torch.equal(draws[row].logprobs(SCORES.unsqueeze(0))[0], expected)


def test_raw_logprobs_are_those_at_temperature_1() -> None:
    draws = [drawer(index=n, temperature=0.5) for n in range(20)]
    tokens, logprobs = draw(SCORES.expand(20, -1), draws, [0] * 20, raw=True)
    assert torch.equal(logprobs, torch.log_softmax(SCORES, -1)[tokens])
    assert torch.equal(tokens, draw(SCORES.expand(20, -1), draws, [0] * 20)[0])


def test_a_seed_repeats_and_every_sequence_and_step_has_its_own_number() -> None:
    streams = [(seed, index) for seed in (0, 1, -1, 2**62, 2**70) for index in (0, 1, 2**64 - 1)]
    made = {stream: [Uniforms(*stream).at(place) for place in (0, 1, 255, 256, 5000)] for stream in streams}
    assert made == {
        stream: [Uniforms(*stream).at(place) for place in (0, 1, 255, 256, 5000)] for stream in made
    }
    assert len({number for numbers in made.values() for number in numbers}) == 15 * 5
    assert Uniforms(2**64 - 1, 4).at(0) == Uniforms(1, 4).at(0)


def test_numbers_are_those_of_numpys_generator_wherever_one_begins() -> None:
    whole = np.random.Generator(np.random.Philox(key=7 | 3 << 64)).random(700)
    stream = Uniforms(7, 3)
    for start in (0, 1, 2, 3, 4, 255, 257, 511):
        assert stream.between(start, 90).tolist() == whole[start : start + 90].tolist()
        assert stream.at(start) == whole[start]


def rows_of(vocab_size: int) -> tuple[torch.Tensor, list[Draw], list[int]]:
    """33 rows of every kind: plain, warm, greedy, cut early, cut late, of equal scores."""
    options: list[dict[str, float]] = [
        {},
        {"temperature": 0.7},
        {"temperature": 0},
        {"top_k": 5},
        {"top_p": 0.9},
        {"top_k": 200, "top_p": 0.5, "temperature": 1.3},
        {"top_p": 0.999, "temperature": 3.0},
    ]
    scores = torch.randn(33, vocab_size, generator=torch.Generator().manual_seed(vocab_size)) * 4
    scores[4::7] = scores[4::7].round()
    draws = [drawer(row, index=row % 3, **options[row % len(options)]) for row in range(33)]
    return scores, draws, [row * 40 for row in range(33)]


@pytest.fixture
def threads():
    """Sets the number of threads, until the test ends."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("vocab_size", [260, 512, 1000, 4096, 50_257, 151_936])
def test_a_row_is_bitwise_the_same_whatever_is_beside_it(vocab_size, threads) -> None:
    threads(1)
    scores, draws, steps = rows_of(vocab_size)
    tokens, logprobs = draw(scores, draws, steps)
    for count in range(1, 34) if vocab_size < 5000 else (1, 2, 3, 8, 31):
        threads(1 + count % 2)
        first = 7 * count % (34 - count)
        part = slice(first, first + count)
        mine = draw(scores[part].clone(), draws[part], steps[part])
        assert torch.equal(mine[0], tokens[part])
        assert torch.equal(mine[1], logprobs[part])


@pytest.mark.parametrize("vocab_size", [260, 151_936])
def test_at_temperature_1_logprobs_have_the_bits_of_training(vocab_size: int) -> None:
    scores, _, steps = rows_of(vocab_size)
    for draws in ([drawer(row) for row in range(33)], rows_of(vocab_size)[1]):
        tokens, logprobs = draw(scores, draws, steps)
        trained = torch.log_softmax(scores, -1).gather(1, tokens.unsqueeze(1)).squeeze(1)
        plain = [row for row, one in enumerate(draws) if one.temperature == 1]
        assert torch.equal(logprobs[plain], trained[plain])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("vocab_size", [20, 2000])
def test_scores_that_are_not_finite_give_a_logprob_that_is_no_number(value: float, vocab_size: int) -> None:
    draws = [drawer(row, **options) for row, options in enumerate([*CUTS, {"temperature": 0}])]
    scores = torch.zeros(len(draws), vocab_size)
    scores[:, 3] = value
    tokens, logprobs = draw(scores, draws, [0] * len(draws))
    assert logprobs.isnan().all()
    assert ((tokens >= 0) & (tokens < vocab_size)).all()


def test_scores_are_not_changed() -> None:
    scores, draws, steps = rows_of(512)
    before = scores.clone()
    draw(scores, draws, steps)
    assert torch.equal(scores, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("vocab_size", [260, 4096])
def test_a_gpu_draws_what_the_cpu_draws(vocab_size: int) -> None:
    scores, draws, steps = rows_of(vocab_size)
    tokens, logprobs = draw(scores.cuda(), draws, steps)
    expected, values = draw(scores, draws, steps)
    assert torch.equal(tokens.cpu(), expected)
    assert torch.allclose(logprobs.cpu(), values, atol=1e-5)
