"""What a request wants of its prompt's own tokens, gathered a few rows at a time.

Row i of a prompt of N tokens is the distribution after token i, which scores token i + 1: rows 0 to N - 2
count. All scores are those at temperature 1; alternatives are drawn at the request's temperature.
"""

from typing import TypedDict

import numpy as np
import numpy.typing as npt
import torch

from contract import (
    BaseModelInfo,
    PromptAltTokens,
    RequestFailure,
    SampleRequest,
    TensorData,
    TopkLogprobs,
    check_sampling,
    first_scored,
    ids_in_vocabulary,
    is_greedy,
)
from reference_engine.batching import Ints
from reference_engine.blocks import BLOCK
from reference_engine.ranking import likeliest, topk_of
from reference_engine.sampling import Uniforms, pick

__all__ = ["PromptScores", "ScoreFields", "check_request"]

Floats = npt.NDArray[np.float32]
ALTERNATIVES = 2**64 - 1
"""The stream that alternatives are drawn from. Source: ours: no sequence has that number."""
DRAWN_CELLS = 1 << 22
"""Numbers that the draws of some rows look at. Source: ours: 32 MB of float64."""


class ScoreFields(TypedDict):
    """The fields of a `SampleResponse` that are about its prompt."""

    prompt_logprobs: list[float | None] | None
    topk_prompt_logprobs: TopkLogprobs | None
    target_prompt_logprobs: TensorData | None
    prompt_alt_tokens: PromptAltTokens | None


def check_request(request: SampleRequest, tokens: Ints, model: BaseModelInfo) -> int:
    """How many tokens to generate at most, for a prompt of `tokens` `[N]`.

    Raises:
        RequestFailure: naming the parameter that is out of range, or an id that is not in the vocabulary.
    """
    max_tokens = check_sampling(request, len(tokens), model)
    if request.target_prompt_logprobs is not None:
        wanted: Ints = request.target_prompt_logprobs.values
        ids_in_vocabulary(wanted[wanted != -1], model.vocab_size, "target_prompt_logprobs")
    return max_tokens


class PromptScores:
    """Gathers the scores of one prompt.

    Args:
        request: A checked request.
        tokens: Its prompt `[N]`.
        seed: What alternatives are drawn from.

    Attributes:
        first_row: The first row that is looked at.
        end_row: The row after the last one, N - 1; `first_row` too where no row is looked at.
    """

    def __init__(self, request: SampleRequest, tokens: Ints, seed: int) -> None:
        self.end_row = len(tokens) - 1
        scored = first_scored(request, len(tokens)) - 1
        self._next = torch.tensor(tokens[1:])
        self._own = Own(scored, self.end_row) if request.prompt_logprobs else None
        self._best = Best(scored, self.end_row, count) if (count := request.topk_prompt_logprobs) else None
        targets = request.target_prompt_logprobs
        self._targets = None if targets is None else Targets(targets)
        self._alternatives = None
        if request.prompt_alt_tokens_k:
            self._alternatives = Alternatives(request, self.end_row, seed)
        parts = (self._own, self._best, self._targets, self._alternatives)
        self.first_row = min([self.end_row, *(part.first_row for part in parts if part is not None)])

    @classmethod
    def of(cls, request: SampleRequest, tokens: Ints, seed: int) -> "PromptScores | None":
        """As the constructor; None where the request wants nothing of its prompt."""
        wants_some = request.target_prompt_logprobs is not None or any(
            (request.prompt_logprobs, request.topk_prompt_logprobs, request.prompt_alt_tokens_k)
        )
        return cls(request, tokens, seed) if wants_some else None

    def add(self, start: int, logprobs: torch.Tensor) -> None:
        """Take the logprobs of all tokens `[rows, V]` of rows from `start` on; not changed.

        Rows before `first_row` and from `end_row` on are passed over. Chunks may come in any order.

        Raises:
            RequestFailure: if they are no numbers.
        """
        first, end = max(start, self.first_row), min(start + logprobs.shape[0], self.end_row)
        if first >= end:
            return
        logprobs = logprobs[first - start : end - start]
        unknown = logprobs[:, 0].isnan().nonzero().flatten()
        if len(unknown):
            position = first + int(unknown[0]) + 1
            raise RequestFailure(
                f"prompt: expected scores that are finite, got others at position {position}; "
                "the model's weights have diverged, load an earlier checkpoint"
            )
        if self._own is not None:
            self._own.add(first, logprobs, self._next[first:end].to(logprobs.device))
        for part in (self._best, self._targets, self._alternatives):
            if part is not None:
                part.add(first, logprobs)

    def finish(self) -> ScoreFields:
        """The response's fields, once all rows were added."""
        return ScoreFields(
            prompt_logprobs=None if self._own is None else self._own.finish(),
            topk_prompt_logprobs=None if self._best is None else self._best.finish(),
            target_prompt_logprobs=None if self._targets is None else self._targets.finish(),
            prompt_alt_tokens=None if self._alternatives is None else self._alternatives.finish(),
        )


class Own:
    """Logprobs of the prompt's own tokens."""

    def __init__(self, first_row: int, rows: int) -> None:
        self.first_row = first_row
        self._found: Floats = np.zeros(rows, np.float32)

    def add(self, start: int, logprobs: torch.Tensor, tokens: torch.Tensor) -> None:
        """Take rows from `start` on, and the tokens that they score."""
        found = logprobs.gather(1, tokens.unsqueeze(1)).squeeze(1)
        self._found[start : start + len(found)] = found.cpu().numpy()

    def finish(self) -> list[float | None]:
        """`[N]`, None where nothing was asked."""
        scores: list[float | None] = [None] * (self.first_row + 1)
        scores += self._found[self.first_row :].tolist()
        return scores


class Best:
    """The likeliest tokens at each position."""

    def __init__(self, first_row: int, rows: int, count: int) -> None:
        self.first_row = first_row
        self._count = count
        self._found: TopkLogprobs = [None] * (rows + 1)

    def add(self, start: int, logprobs: torch.Tensor) -> None:
        """Take rows from `start` on."""
        skipped = max(self.first_row - start, 0)
        ids, values = topk_of(logprobs[skipped:], self._count)
        for row, (these, those) in enumerate(
            zip(ids.tolist(), values.tolist(), strict=True), start + skipped
        ):
            self._found[row + 1] = list(zip(these, those, strict=True))

    def finish(self) -> TopkLogprobs:
        """`[N]`, best first; None where nothing was asked."""
        return self._found


class Targets:
    """Logprobs of the ids that the request lists."""

    def __init__(self, targets: TensorData) -> None:
        self._asked = targets
        values: Ints = targets.values
        rows, columns = targets.dimensions
        counts: Ints = np.full(rows, columns)
        if targets.sparse_crow_indices is not None:
            counts = np.diff(targets.sparse_crow_indices)
        self._wanted = np.flatnonzero(values != -1)
        self._rows: Ints = np.repeat(np.arange(rows), counts)[self._wanted]
        self._found: Floats = np.zeros(len(values), np.float32)
        self.first_row = int(self._rows[0]) if len(self._rows) else rows

    def add(self, start: int, logprobs: torch.Tensor) -> None:
        """Take rows from `start` on."""
        first, end = np.searchsorted(self._rows, (start, start + logprobs.shape[0]))
        wanted = self._wanted[first:end]
        rows = torch.from_numpy(self._rows[first:end] - start).to(logprobs.device)
        ids = torch.from_numpy(self._asked.values[wanted]).to(logprobs.device)
        self._found[wanted] = logprobs[rows, ids].cpu().numpy()

    def finish(self) -> TensorData:
        """The same shape and layout, 0.0 where the request has -1."""
        asked = self._asked
        return TensorData.of_values(
            self._found,
            "float32",
            list(asked.dimensions),
            asked.sparse_crow_indices,
            asked.sparse_col_indices,
        )


class Alternatives:
    """Tokens drawn at each position, with replacement."""

    first_row = 0

    def __init__(self, request: SampleRequest, rows: int, seed: int) -> None:
        self._count = request.prompt_alt_tokens_k
        self._greedy = is_greedy(request.sampling_params)
        self._temperature = torch.tensor(request.sampling_params.temperature)
        self._uniforms = Uniforms(seed, ALTERNATIVES)
        self._tokens: Ints = np.zeros((rows, self._count), np.int64)
        self._logprobs: Floats = np.zeros((rows, self._count), np.float32)

    def add(self, start: int, logprobs: torch.Tensor) -> None:
        """Take rows from `start` on."""
        step = max(1, DRAWN_CELLS // (self._count * BLOCK))
        for first in range(0, logprobs.shape[0], step):
            part = logprobs[first : first + step]
            tokens = self._draw(start + first, part)
            at = slice(start + first, start + first + len(tokens))
            self._tokens[at] = tokens.cpu().numpy()
            self._logprobs[at] = part.gather(1, tokens).cpu().numpy()

    def _draw(self, start: int, logprobs: torch.Tensor) -> torch.Tensor:
        """Tokens `[rows, k]`; the numbers of a row follow from its place."""
        rows, count = logprobs.shape[0], self._count
        if self._greedy:
            return likeliest(logprobs).unsqueeze(1).expand(rows, count)
        numbers = self._uniforms.between(start * count, rows * count).reshape(rows, count)
        mass = torch.softmax(logprobs / self._temperature.to(logprobs.device), -1)
        return pick(mass, torch.from_numpy(numbers).to(logprobs.device))

    def finish(self) -> PromptAltTokens:
        """Ids and logprobs, both `[N - 1, k]`."""
        return PromptAltTokens(
            tokens=TensorData.from_numpy(self._tokens), logprobs=TensorData.from_numpy(self._logprobs)
        )
