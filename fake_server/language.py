"""A next-token distribution that is tiny, exact and learnable: a sparse bigram-context model.

The context of a position is the pair of the last two tokens up to it (a start mark where there are none).
In every context c of a base model with vocabulary V and E end-of-text ids, a few tokens are likely:

    slots 0..3     four text tokens hashed from (seed, base model, c): 24, 12, 7 and 4 of 64 of the mass
    slots 4..      the end-of-text ids, together 1 of 64
    all others     n = V - 4 - E tokens, together 16 of 64, each with logit 0

so the logit of a slot of mass w/64 is log(n w / 16). What a model learned is a number for each
(context, token) pair that was ever a target; its logit is the base logit plus that number. Then

    Z(c) = sum of exp(logit) over pairs and slots of c + the number of all other tokens
    log p(y | c) = logit(c, y) - log Z(c)

costs the same whatever V is. With a temperature all logits are divided by it first.

Order, wherever a rank matters: higher logit first, then lower token id, tokens of logit 0 included.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fake_server.base_models import BaseModel
from fake_server.elementary import Floats, Ints, digest, exp, exp_of, log, mix, mix_of

__all__ = [
    "START",
    "TOKEN_BITS",
    "Index",
    "Language",
    "Row",
    "Shape",
    "Table",
    "contexts_of",
    "find",
    "next_context",
    "run_starts",
]

TOKEN_BITS = 20
"""Bits of a token id in a key. Source: ours: three of them, two with a start mark, fit 63 bits."""
START = 1 << TOKEN_BITS
"""Stands where a context has no token. Source: ours: the first number that is no token id."""
CANDIDATES = (24, 12, 7, 4)
END, OTHERS, WHOLE = 1, 16, 64
"""Base mass in 64ths. Source: ours: likely tokens to learn against, and an end after 64 tokens on average."""
SHARED_LANGUAGES, SHARED_BASES = 64, 64
"""Languages, and what their tables share, kept for all tenants. Source: ours: more than one run ever uses."""


def contexts_of(tokens: Ints, starts: list[int] | None = None) -> Ints:
    """The context that each of `tokens` `[N]` leaves behind it, `[N]`: what predicts the next one.

    Args:
        tokens: Token ids of one sequence, or of several end to end.
        starts: Where the sequences start, those left out that are empty; absent means that there is one.
    """
    before = np.empty_like(tokens)
    before[:1] = START
    before[1:] = tokens[:-1]
    if starts:
        before[starts] = START
    contexts: Ints = (before << (TOKEN_BITS + 1)) | tokens
    return contexts


def next_context(context: int, token: int) -> int:
    """The context after `token` in `context`."""
    return ((context & ((1 << (TOKEN_BITS + 1)) - 1)) << (TOKEN_BITS + 1)) | token


def find(ordered: Ints, wanted: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Where each wanted number is in a sorted array that is not empty, and whether it is there."""
    at = np.minimum(ordered.searchsorted(wanted), len(ordered) - 1)
    return at, ordered[at] == wanted


def run_starts(ordered: Ints) -> Ints:
    """Where each run of equal numbers starts in a sorted array that is not empty."""
    first = np.empty(len(ordered), np.bool_)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    starts: Ints = first.nonzero()[0]
    return starts


class Language:
    """The untrained distribution of one base model under one seed. Immutable."""

    def __init__(self, seed: int, model: BaseModel) -> None:
        self.vocab_size = model.vocab_size
        self.ends = tuple(sorted(model.end_of_text_ids))
        low, high = model.text_ids
        self._low, self._quarter = low, (high - low) // len(CANDIDATES)
        self._root = digest("language", seed, model.name)
        self.slots = len(CANDIDATES) + len(self.ends)
        self.others = self.vocab_size - self.slots
        self.counts = np.array([1] * self.slots + [self.others])
        """How many tokens each slot has, `[slots + 1]`."""
        shares = [*CANDIDATES, *(END / len(self.ends) for _ in self.ends)]
        self.logits: Floats = np.append(log(np.array(shares) * (self.others / OTHERS)), 0.0)
        """Base logit by slot, `[slots + 1]`; the last, 0, is that of all other tokens."""

    @staticmethod
    @lru_cache(maxsize=SHARED_LANGUAGES)
    def of(seed: int, model: BaseModel) -> "Language":
        """The language of a base model under a seed, shared by all who ask."""
        return Language(seed, model)

    def table(self, temperature: float) -> "Table":
        """The untrained distribution at a temperature."""
        return Table(self, temperature)

    @lru_cache(maxsize=SHARED_BASES)  # noqa: B019 - languages are shared and live as long as the process
    def base(self, temperature: float) -> "Base":
        """What every table of the language has at a temperature."""
        logits = self.logits / temperature
        ratios = exp(np.minimum(logits - logits[:, None], 0.0))
        mass = (ratios[logits.argmax()] * self.counts).sum(keepdims=True)
        log_z = float(logits.max() + log(mass)[0])
        return Base(logits, ratios, log_z, _shape(logits[:-1].tolist(), self.slots, self.others, log_z))

    def slot_of(self, contexts: Ints, tokens: Ints) -> Ints:
        """Which slot each token has in its context, `slots` where it has none; all of one shape."""
        found = np.full(tokens.shape, self.slots)
        words = mix(contexts.view(np.uint64) ^ np.uint64(self._root))
        turns = (words >> np.uint64(62)).view(np.int64)
        for slot in range(len(CANDIDATES)):
            quarters = (words >> np.uint64(16 * slot)).view(np.int64) & 0xFFFF
            candidates = self._low + 4 * (quarters * self._quarter >> 16) + ((turns + slot) & 3)
            found[candidates == tokens] = slot
        for slot, end in enumerate(self.ends, len(CANDIDATES)):
            found[tokens == end] = slot
        return found

    def slot_tokens(self, context: int) -> tuple[int, ...]:
        """The token of every slot of a context, likeliest first."""
        word = mix_of(context ^ self._root)
        low, quarter, turn = self._low, self._quarter, word >> 62
        return (
            low + 4 * ((word & 0xFFFF) * quarter >> 16) + turn,
            low + 4 * ((word >> 16 & 0xFFFF) * quarter >> 16) + ((turn + 1) & 3),
            low + 4 * ((word >> 32 & 0xFFFF) * quarter >> 16) + ((turn + 2) & 3),
            low + 4 * ((word >> 48) * quarter >> 16) + ((turn + 3) & 3),
            *self.ends,
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """The probabilities of a context's tokens by rank, without their names."""

    logprobs: tuple[float, ...]
    """Of the tokens whose logit is not 0, in order."""
    probabilities: tuple[float, ...]
    above: int
    """How many of them come before the tokens of logit 0."""
    others: int
    """How many tokens have logit 0."""
    other_logprob: float
    other_probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A language at one temperature, with nothing learned."""

    logits: Floats
    """By slot, `[slots + 1]`."""
    ratios: Floats
    """Mass of a token of slot j to one of slot i, at most 1, `[slots + 1 (i), slots + 1 (j)]`."""
    log_z: float
    shape: Shape


class Row(NamedTuple):
    """The distribution in one context."""

    tokens: tuple[int, ...]
    """Those whose logit is not 0, in order."""
    shape: Shape

    def other(self, rank: int) -> int:
        """The token of logit 0 with the `rank`-th lowest id, from 0."""
        for token in sorted(self.tokens):
            if token > rank:
                break
            rank += 1
        return rank

    def likeliest(self, count: int) -> list[tuple[int, float]]:
        """The first `count` tokens in order, with their logprobs."""
        shape, above = self.shape, self.shape.above
        ranked = list(zip(self.tokens, shape.logprobs, strict=True))
        wanted = min(max(count - above, 0), shape.others)
        others = [(self.other(rank), shape.other_logprob) for rank in range(wanted)]
        return [*ranked[:above], *others, *ranked[above:]][:count]


class Index:
    """Where pairs lie in a language: all that does not change while what was learned of them does.

    Args:
        language: The base distribution.
        keys: `context << TOKEN_BITS | token` of each pair, sorted, `[P]`, at least one.
    """

    def __init__(self, language: Language, keys: Ints) -> None:
        contexts = keys >> TOKEN_BITS
        slots = language.slot_of(contexts, keys & (START - 1))
        self.keys = keys
        self.logits = language.logits[slots]
        """Base logits, `[P]`."""
        self.known, self.starts, self.groups = _groups(contexts)
        width = language.slots + 1
        taken = np.bincount(self.groups * width + slots, minlength=len(self.known) * width)
        self._absent = language.counts - taken.reshape(-1, width)
        """How many tokens of each slot are no pair, `[C, slots + 1]`."""
        self._top_slots = np.where(self._absent > 0, language.logits, -np.inf).argmax(axis=1)
        """The likeliest slot of each context that has a token that is no pair, `[C]`."""
        self._rest: tuple[Base, Floats, Floats] | None = None

    @cached_property
    def contexts(self) -> list[int]:
        """The contexts of pairs, rising, `[C]`: `known` as a list, where a single one is found faster."""
        listed: list[int] = self.known.tolist()
        return listed

    def rest(self, base: Base) -> tuple[Floats, Floats]:
        """Of each context's tokens that are no pair: the highest logit, and their mass to one of that, `[C]`.

        -inf and 0 where all tokens are pairs. The latest answer is kept.
        """
        if self._rest is None or self._rest[0] is not base:
            tops = np.where(self._absent.any(axis=1), base.logits[self._top_slots], -np.inf)
            self._rest = base, tops, (base.ratios[self._top_slots] * self._absent).sum(axis=1)
        return self._rest[1:]


class Table:
    """A language with what a model learned, at one temperature. Immutable.

    Args:
        language: The base distribution.
        temperature: Divides all logits; above 0.
        index: The learned pairs, P of them; None where nothing was learned.
        learned: What was added to the logit of each pair, `[P]`; none is 0.
    """

    def __init__(
        self,
        language: Language,
        temperature: float,
        index: Index | None = None,
        learned: Floats | None = None,
    ) -> None:
        self._language = language
        self._base = language.base(temperature)
        self._index = index
        if index is not None and learned is not None:
            self._logits = (index.logits + learned) / temperature
            starts = index.starts[:-1]
            tops, masses = index.rest(self._base)
            highest = np.maximum(tops, np.maximum.reduceat(self._logits, starts))
            scaled = exp(np.concatenate([tops - highest, self._logits - highest[index.groups]]))
            unlearned, learnt = masses * scaled[: len(tops)], np.add.reduceat(scaled[len(tops) :], starts)
            self._log_z: Floats = highest + log(unlearned + learnt)

    @property
    def base_shape(self) -> Shape:
        """The probabilities in a context of which nothing was learned."""
        return self._base.shape

    def logprobs(self, contexts: Ints, tokens: Ints) -> Floats:
        """Logprob of each token in its context; all of one shape `[M]`, ids in [0, V)."""
        return self.logprobs_of_pairs(contexts << TOKEN_BITS | tokens)

    def logprobs_of_pairs(self, keys: Ints) -> Floats:
        """Logprob of each pair `[M]` in its context."""
        if self._index is None:
            return self._logprobs_of_others(keys)
        logprobs: Floats
        if keys is self._index.keys:
            logprobs = self._logits - self._log_z[self._index.groups]
            return logprobs
        at, hit = find(self._index.keys, keys)
        logprobs = self._logits[at] - self._log_z[self._index.groups[at]]
        if not hit.all():
            logprobs[~hit] = self._logprobs_of_others(keys[~hit])
        return logprobs

    def _logprobs_of_others(self, keys: Ints) -> Floats:
        """As `logprobs_of_pairs`, for pairs that were not learned."""
        contexts = keys >> TOKEN_BITS
        logits = self._base.logits[self._language.slot_of(contexts, keys & (START - 1))]
        if self._index is None:
            return logits - self._base.log_z
        group, known = find(self._index.known, contexts)
        return logits - np.where(known, self._log_z[group], self._base.log_z)

    def row(self, context: int) -> Row:
        """The distribution in a context."""
        index = self._index
        known = index.contexts if index else []
        group = bisect_left(known, context)
        if index is None or group == len(known) or known[group] != context:
            return Row(self._language.slot_tokens(context), self._base.shape)
        learned = slice(int(index.starts[group]), int(index.starts[group + 1]))
        logits = dict(zip(self._language.slot_tokens(context), self._base.logits.tolist(), strict=False))
        tokens = (index.keys[learned] & (START - 1)).tolist()
        logits.update(zip(tokens, self._logits[learned].tolist(), strict=True))
        order = sorted((-logit, token) for token, logit in logits.items() if logit != 0)
        above = sum(negative < 0 for negative, _ in order)
        others = self._language.vocab_size - len(order)
        shape = _shape([-negative for negative, _ in order], above, others, float(self._log_z[group]))
        return Row(tuple(token for _, token in order), shape)


def _shape(logits: list[float], above: int, others: int, log_z: float) -> Shape:
    logprobs = tuple(logit - log_z for logit in logits)
    other = -log_z
    return Shape(
        logprobs,
        tuple(exp_of(logprob) for logprob in logprobs),
        above,
        others,
        other,
        exp_of(other) if others else 0.0,
    )


def _groups(contexts: Ints) -> tuple[Ints, Ints, Ints]:
    """Distinct values `[C]` of sorted contexts `[P]`, where each starts `[C + 1]`, and the group of each."""
    starts = run_starts(contexts)
    ends = np.append(starts, len(contexts))
    return contexts[starts], ends, np.repeat(np.arange(len(starts)), np.diff(ends))
