"""From scores to tokens: temperature, `top_k`, `top_p`, one uniform number for each token.

- Returned logprobs are those at the temperature, before `top_k` and `top_p` cut anything off.
- A temperature of 0 is greedy: the first token in order, its logprob that at temperature 1.
- The order is: higher score first, then lower id. `top_k` cuts first, then `top_p` keeps the shortest
  prefix of the order that has that share of what is left. `top_k` -1 and 0 both mean all tokens.
- Token k of a sequence uses number k of a stream that is a function of the seed and the sequence's number.

A row's token and logprob do not depend on the other rows, on their number, nor on threads: all sums run along
rows, in an order that follows from the row alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from contract import SamplingParams, folded_seed, is_greedy
from reference_engine.blocks import BLOCK, by_block, cells_of
from reference_engine.ranking import likeliest, ranked, topk_of, widths

__all__ = ["Draw", "Uniforms", "draw", "pick", "topk_of"]

KEY_BITS = 64
NUMBERS_PER_COUNT = 4
"""Source: Philox 4x64: a step of its counter gives four numbers."""
CHUNK = 256
"""Numbers made at once. Source: ours: making a generator costs as much as 2,000 numbers."""
ONE_SUM = 1024
"""Up to here one running sum over the whole row is as fast as blocks. Source: ours: measured."""
BELOW_ONE = 1 - 2**-53
"""The largest float64 below 1."""

Kind = Literal["likeliest", "whole", "cut"]


class Uniforms:
    """A stream of numbers in [0, 1); each is a function of the seed, the stream and its place alone.

    Args:
        seed: Any integer; folded to [0, 2**63 - 1).
        stream: Which of the seed's streams, 0 to 2**64 - 1.
    """

    __slots__ = ("_chunk", "_key", "_numbers")

    def __init__(self, seed: int, stream: int) -> None:
        self._key = stream << KEY_BITS | folded_seed(seed)
        self._chunk = -1
        self._numbers: list[float] = []

    def between(self, start: int, count: int) -> npt.NDArray[np.float64]:
        """The numbers at places `start` to `start + count - 1`, `[count]`."""
        counter, skipped = divmod(start, NUMBERS_PER_COUNT)
        bits = np.random.Philox(key=self._key, counter=counter)
        return np.random.Generator(bits).random(skipped + count)[skipped:]

    def at(self, place: int) -> float:
        """The number at a place, quick where places rise."""
        chunk, offset = divmod(place, CHUNK)
        if chunk != self._chunk:
            self._chunk, self._numbers = chunk, self.between(chunk * CHUNK, CHUNK).tolist()
        return self._numbers[offset]


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """How one sequence draws its tokens."""

    temperature: float
    """What divides the scores: 1 where the draw is greedy."""
    top_k: int
    """1 or more, or 0 for all tokens."""
    top_p: float
    uniforms: Uniforms
    kind: Kind = field(kw_only=True)
    """Whether it takes the likeliest token, draws among all, or among some."""

    @classmethod
    def of(cls, params: SamplingParams, seed: int, index: int) -> "Draw":
        """The draws of sequence `index`, from 0; `seed` is what counts, not that of `params`."""
        greedy = is_greedy(params)
        kind: Kind = "whole" if params.top_k < 1 and params.top_p >= 1 else "cut"
        if greedy or params.top_k == 1:
            kind = "likeliest"
        return cls(
            1.0 if greedy else params.temperature,
            max(params.top_k, 0),
            params.top_p,
            Uniforms(seed, index),
            kind=kind,
        )

    def logprobs(self, scores: torch.Tensor) -> torch.Tensor:
        """Logprobs of all tokens `[n, V]` as `draw` returns them, from scores `[n, V]`."""
        return torch.log_softmax(_scaled(scores, [self] * scores.shape[0]), -1)


def draw(
    scores: torch.Tensor, draws: Sequence[Draw], steps: Sequence[int], *, raw: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token of each row, and its logprob; both `[n]`.

    Where a row has a score that is not a number, or none that is finite, its logprob is NaN.

    Args:
        scores: `[n, V]`, float32; not changed.
        draws: How each row draws.
        steps: How many tokens each row's sequence has drawn before.
        raw: Whether logprobs are those at temperature 1.
    """
    scaled = _scaled(scores, draws)
    tokens = _by_kind(scaled, draws, steps)
    logprobs = torch.log_softmax(scores if raw else scaled, -1)
    return tokens, logprobs.gather(1, tokens.unsqueeze(1)).squeeze(1)


def _scaled(scores: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Scores by temperature; a row at temperature 1 keeps its bits."""
    temperatures = [each.temperature for each in draws]
    if all(temperature == 1 for temperature in temperatures):
        return scores
    return scores / torch.tensor(temperatures, device=scores.device).unsqueeze(1)


def _by_kind(scaled: torch.Tensor, draws: Sequence[Draw], steps: Sequence[int]) -> torch.Tensor:
    """A token of each row `[n]`, rows of one kind together."""
    kinds = [each.kind for each in draws]
    if all(kind == kinds[0] for kind in kinds):
        return WAYS[kinds[0]](scaled, draws, steps)
    tokens = torch.empty(len(kinds), dtype=torch.long, device=scaled.device)
    for kind in sorted(set(kinds)):
        rows = [row for row, other in enumerate(kinds) if other == kind]
        at = torch.tensor(rows, device=scaled.device)
        tokens[at] = WAYS[kind](scaled[at], [draws[row] for row in rows], [steps[row] for row in rows])
    return tokens


def _likeliest(scaled: torch.Tensor, draws: Sequence[Draw], steps: Sequence[int]) -> torch.Tensor:
    del draws, steps
    return likeliest(scaled)


def _among_all(scaled: torch.Tensor, draws: Sequence[Draw], steps: Sequence[int]) -> torch.Tensor:
    return pick(torch.softmax(scaled, -1), _numbers(scaled, draws, steps)).squeeze(1)


def _numbers(scaled: torch.Tensor, draws: Sequence[Draw], steps: Sequence[int]) -> torch.Tensor:
    """Each row's uniform number, `[n, 1]`, float64."""
    numbers = np.array([each.uniforms.at(step) for each, step in zip(draws, steps, strict=True)])
    return torch.from_numpy(numbers).unsqueeze(1).to(scaled.device)  # thrice as fast as torch.tensor


def _among_some(scaled: torch.Tensor, draws: Sequence[Draw], steps: Sequence[int]) -> torch.Tensor:
    """Put as few tokens in order as show where the row is cut, and draw among those before the cut."""
    vocab_size, device = scaled.shape[1], scaled.device
    mass, numbers = torch.softmax(scaled, -1), _numbers(scaled, draws, steps)
    most = torch.tensor([[min(each.top_k, vocab_size) or vocab_size] for each in draws], device=device)
    shares = torch.tensor([[each.top_p] for each in draws], dtype=torch.float64, device=device)
    tokens = torch.empty(len(draws), dtype=torch.long, device=device)
    left = list(range(len(draws)))
    for width in widths(vocab_size):
        rows = [row for row in left if draws[row].top_k < width or width == vocab_size]
        if rows:
            every = len(rows) == len(draws)
            at = slice(None) if every else torch.tensor(rows, device=device)  # no copy of what is large
            found, sure = _cut(scaled[at], mass[at], most[at], shares[at], numbers[at], width)
            tokens[at] = found  # what is not sure yet is written again
            done = {row for row, done in zip(rows, sure.tolist(), strict=True) if done}
            left = [row for row in left if row not in done]
    return tokens


def _cut(
    scaled: torch.Tensor,
    mass: torch.Tensor,
    most: torch.Tensor,
    shares: torch.Tensor,
    numbers: torch.Tensor,
    width: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A token of each row and whether it is sure, both `[n]`, from the first `width` tokens in order.

    It is sure where all tokens that have the score of the last one kept are among them.
    """
    vocab_size = scaled.shape[1]
    ids = ranked(scaled, width)
    sums = mass.gather(1, ids).cumsum(-1, dtype=torch.float64)
    last = most.clamp(max=width) - 1
    total = sums.gather(1, last).masked_fill_(most >= vocab_size, 1.0)
    end = torch.minimum(torch.searchsorted(sums, shares * total), last)
    found = torch.searchsorted(sums, numbers * sums.gather(1, end), right=True).clamp_(max=width - 1)
    tokens = ids.gather(1, found).squeeze(1)
    if width == vocab_size:
        return tokens, torch.ones_like(tokens, dtype=torch.bool)
    lowest = scaled.gather(1, ids[:, -1:])
    return tokens, (scaled.gather(1, ids.gather(1, end)) > lowest).squeeze(1)


def pick(mass: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Tokens `[n, k]` of each row's distribution, by inversion: a number's token is where the sum passes it.

    Args:
        mass: Each row's probabilities, or numbers in proportion to them, `[n, V]`, float32.
        numbers: In [0, 1), float64, `[n, k]`.
    """
    vocab_size = mass.shape[1]
    if vocab_size <= ONE_SUM:
        return _passed(mass.cumsum(-1, dtype=torch.float64), numbers)[0]
    masses = by_block(mass, "sum")
    sums = masses.cumsum(-1, dtype=torch.float64)
    blocks, aims = _passed(sums, numbers)
    own = masses.gather(1, blocks).double()
    rest = ((aims - (sums.gather(1, blocks) - own)) / own).clamp_(0, BELOW_ONE)
    inner = cells_of(mass, blocks, 0.0)
    found, _ = _passed(inner.cumsum(-1, dtype=torch.float64), rest.unsqueeze(2))
    return (blocks * BLOCK + found.squeeze(2)).clamp_(max=vocab_size - 1)


def _passed(sums: torch.Tensor, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first place whose running sum passes each number's share of the last sum, and that share.

    A number below 1 by 2**-53 still gives a share below the last sum, so there is such a place.
    """
    aims = numbers * sums[..., -1:]
    return torch.searchsorted(sums, aims, right=True).clamp_(max=sums.shape[-1] - 1), aims


WAYS: dict[Kind, Callable[[torch.Tensor, Sequence[Draw], Sequence[int]], torch.Tensor]] = {
    "likeliest": _likeliest,
    "whole": _among_all,
    "cut": _among_some,
}
