"""Draws tokens from a `Table`, and scores prompts with it.

- A sequence's logprobs are those at the request's temperature, before `top_k` and `top_p` cut anything off.
  Prompt scores, and the logprobs of prompt alternatives, are those at temperature 1.
- A temperature of 0 is greedy: the first token in order, its logprob that at temperature 1.
- `top_k` cuts first, then `top_p` keeps the shortest prefix of the order that has that share of what is left.
  `top_k` -1 and 0 both mean all tokens.
- Draws are a function of `sampling_params.seed` and the sequence's number; without a seed, of the backend's
  seed and the request with its ids, so a call with a new `seq_id` differs and a repeated run does not.
"""

from bisect import bisect_left, bisect_right
from itertools import accumulate
from math import ceil
from typing import NamedTuple

import numpy as np

from contract import (
    PromptAltTokens,
    SampledSequence,
    SampleRequest,
    SampleResponse,
    TensorData,
    TopkLogprobs,
    check_sampling,
    first_scored,
    folded_seed,
    ids_in_vocabulary,
    is_greedy,
)
from fake_server.base_models import BaseModel
from fake_server.elementary import Floats, Ints, digest, uniforms
from fake_server.language import Language, Row, Shape, Table, contexts_of, next_context
from fake_server.scripted_text import Stops
from fake_server.scripted_tokens import tokens_of
from fake_server.scripted_weights import ScriptedWeights

__all__ = ["Sampler"]


class Cut(NamedTuple):
    """What `top_k` and `top_p` leave of a distribution."""

    shape: Shape
    cumulative: list[float]
    """Mass up to each entry: tokens in order, all kept tokens of logit 0 as one entry."""
    others: int
    """How many tokens of logit 0 are kept."""

    def draw(self, row: Row, uniform: float) -> tuple[int, float]:
        """A token of a row of this shape and its logprob, for a number in [0, 1)."""
        shape, cumulative, kept = self
        point = uniform * cumulative[-1]
        entry = bisect_right(cumulative, point, 0, len(cumulative) - 1)
        if entry < shape.above:
            return row.tokens[entry], shape.logprobs[entry]
        if entry > shape.above:
            return row.tokens[entry - 1], shape.logprobs[entry - 1]
        before = cumulative[entry - 1] if entry else 0.0
        rank = min(int((point - before) / shape.other_probability), kept - 1)
        return row.other(rank), shape.other_logprob


def cut_of(shape: Shape, top_k: int, top_p: float) -> Cut:
    """What `top_k` (below 1: all) and `top_p` leave."""
    above = shape.above
    limit = top_k if top_k > 0 else len(shape.logprobs) + shape.others
    others = max(min(shape.others, limit - above), 0)
    below = max(limit - above - others, 0)
    masses = [*shape.probabilities[:above], others * shape.other_probability][:limit]
    cumulative = list(accumulate([*masses, *shape.probabilities[above : above + below]]))
    if top_p < 1:
        wanted = top_p * cumulative[-1]
        end = bisect_left(cumulative, wanted)
        del cumulative[end + 1 :]
        if end == above:
            before = cumulative[end - 1] if end else 0.0
            others = min(max(ceil((wanted - before) / shape.other_probability), 1), others)
            cumulative[end] = before + others * shape.other_probability
    return Cut(shape, cumulative, others)


class Draws:
    """Draws tokens from a table, remembering what it worked out for each context."""

    def __init__(self, table: Table, top_k: int, top_p: float) -> None:
        self._table, self._top_k, self._top_p = table, top_k, top_p
        self._rows: dict[int, tuple[Row, Cut]] = {}
        self._base = cut_of(table.base_shape, top_k, top_p)

    def row(self, context: int) -> tuple[Row, Cut]:
        """The distribution in a context, whole and cut."""
        known = self._rows.get(context)
        if known is None:
            row = self._table.row(context)
            cut = self._base if row.shape is self._base.shape else cut_of(row.shape, self._top_k, self._top_p)
            known = self._rows[context] = row, cut
        return known


class Sampler:
    """Answers sample requests for one base model, with or without weights."""

    def __init__(self, seed: int, model: BaseModel, weights: ScriptedWeights | None) -> None:
        self._seed, self._model, self._weights = seed, model, weights
        self._language = Language.of(seed, model)

    def sample(self, request: SampleRequest) -> SampleResponse:
        """Sequences and scores.

        Raises:
            RequestFailure: naming the parameter that is out of range, or a token that is no token.
        """
        tokens = tokens_of(request.prompt, self._model, "prompt")
        max_tokens = check_sampling(request, len(tokens), self._model.info)
        return SampleResponse(
            sequences=self._sequences(request, tokens, max_tokens),
            prompt_logprobs=self._prompt_logprobs(request, tokens),
            topk_prompt_logprobs=self._prompt_likeliest(request, tokens),
            target_prompt_logprobs=self._target_logprobs(request.target_prompt_logprobs, tokens),
            prompt_alt_tokens=self._alternatives(request, tokens),
        )

    def _table(self, temperature: float) -> Table:
        if self._weights is not None:
            return self._weights.table(self._language, temperature)
        return self._language.table(temperature)

    def _sequences(self, request: SampleRequest, tokens: Ints, max_tokens: int) -> list[SampledSequence]:
        params = request.sampling_params
        stops = Stops(self._model, params.stop)
        greedy = is_greedy(params)
        table = self._table(1.0 if greedy else params.temperature)
        top_k = 1 if greedy else params.top_k
        key = self._key(request, tokens)
        draws = Draws(table, top_k, params.top_p)
        context = int(contexts_of(tokens[-2:])[-1])

        def generate(number: int) -> SampledSequence:
            ends, here = stops.watch(), context
            drawn: list[int] = []
            logprobs: list[float] = []
            likeliest: TopkLogprobs = []
            stopped = False
            for uniform in uniforms(digest(key, number), max_tokens):
                row, cut = draws.row(here)
                token, logprob = cut.draw(row, uniform)
                drawn.append(token)
                logprobs.append(logprob)
                if request.topk_sample_logprobs:
                    likeliest.append(_narrow(row.likeliest(request.topk_sample_logprobs)))
                if ends(token):
                    stopped = True
                    break
                here = next_context(here, token)
            return SampledSequence(
                stop_reason="stop" if stopped else "length",
                tokens=drawn,
                logprobs=np.array(logprobs, np.float32).tolist(),
                topk_logprobs=likeliest if request.topk_sample_logprobs else None,
            )

        return [generate(number) for number in range(request.num_samples)]

    def _key(self, request: SampleRequest, tokens: Ints) -> int:
        """What the draws of a request start from."""
        seed = request.sampling_params.seed
        if seed is not None:
            return digest("seed", folded_seed(seed))
        origin = (request.base_model, request.model_path, request.sampling_session_id, request.seq_id)
        return digest("request", self._seed, *origin, request.sampling_params, tokens.tobytes().hex())

    def _prompt_logprobs(self, request: SampleRequest, tokens: Ints) -> list[float | None] | None:
        if not request.prompt_logprobs:
            return None
        scores: list[float | None] = [None]
        logprobs = self._table(1.0).logprobs(contexts_of(tokens[:-1]), tokens[1:])
        scores += logprobs.astype(np.float32).tolist()
        unscored = first_scored(request, len(tokens))
        return [None] * unscored + scores[unscored:]

    def _prompt_likeliest(self, request: SampleRequest, tokens: Ints) -> TopkLogprobs | None:
        count = request.topk_prompt_logprobs
        if not count:
            return None
        table, unscored = self._table(1.0), first_scored(request, len(tokens))
        contexts = contexts_of(tokens)[unscored - 1 : -1].tolist()
        nothing: TopkLogprobs = [None] * unscored
        return nothing + [_narrow(table.row(context).likeliest(count)) for context in contexts]

    def _target_logprobs(self, targets: TensorData | None, tokens: Ints) -> TensorData | None:
        if targets is None:
            return None
        shape, rows = targets.dimensions, len(tokens) - 1
        counts = (
            np.full(rows, shape[1]) if not targets.is_sparse else np.diff(targets.sparse_crow_indices or [])
        )
        values: Ints = targets.values
        wanted = values != -1
        asked = ids_in_vocabulary(values[wanted], self._model.vocab_size, "target_prompt_logprobs")
        contexts = np.repeat(contexts_of(tokens)[:-1], counts)[wanted]
        scores = np.zeros(len(values), np.float32)
        scores[wanted] = self._table(1.0).logprobs(contexts, asked)
        return TensorData.of_values(
            scores, "float32", list(shape), targets.sparse_crow_indices, targets.sparse_col_indices
        )

    def _alternatives(self, request: SampleRequest, tokens: Ints) -> PromptAltTokens | None:
        count = request.prompt_alt_tokens_k
        if not count:
            return None
        temperature = request.sampling_params.temperature
        greedy = is_greedy(request.sampling_params)
        table = self._table(1.0 if greedy else temperature)
        draws = Draws(table, 1 if greedy else -1, 1.0)
        contexts = contexts_of(tokens)[:-1]
        drawn: list[int] = []
        numbers = uniforms(digest(self._key(request, tokens), "alternatives"), len(contexts) * count)
        for context in contexts.tolist():
            row, cut = draws.row(context)
            drawn.extend(cut.draw(row, next(numbers))[0] for _ in range(count))
        shape = (len(contexts), count)
        found = np.array(drawn, np.int64)
        logprobs: Floats = self._table(1.0).logprobs(np.repeat(contexts, count), found)
        return PromptAltTokens(
            tokens=TensorData.from_numpy(found.reshape(shape)),
            logprobs=TensorData.from_numpy(logprobs.reshape(shape)),
        )


def _narrow(pairs: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """The same, logprobs as float32 has them."""
    logprobs = np.array([logprob for _, logprob in pairs], np.float32).tolist()
    return [(token, logprob) for (token, _), logprob in zip(pairs, logprobs, strict=True)]
