"""What is asked of a sampler, and the sequences that come of it."""

from collections.abc import Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from contract import SampledSequence, SampleRequest, SampleResponse
from reference_engine.batching import Ints
from reference_engine.lora import Adapter
from reference_engine.sampling import Draw
from reference_engine.scores import PromptScores
from reference_engine.stops import Matcher, StopRule

__all__ = ["Ask", "Running"]


@dataclass(slots=True, eq=False)
class Ask:
    """One request: its prompt is read once, then its sequences run."""

    request: SampleRequest
    tokens: Ints
    """The prompt `[N]`."""
    adapter: Adapter | None
    client: Hashable
    """Whose request it is: clients take turns."""
    rule: StopRule
    max_tokens: int
    seed: int
    raw: bool
    """Whether logprobs are those at temperature 1."""
    scores: PromptScores | None
    """What is wanted of the prompt itself."""
    future: Future[SampleResponse] = field(default_factory=Future)
    started: int = 0
    """How many of its sequences run or have ended."""
    hits: int = 0
    """Prompt tokens that were known already."""
    done: dict[int, SampledSequence] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """Sequences that have not begun."""
        return self.request.num_samples - self.started

    def draw(self, index: int) -> Draw:
        """How sequence `index` draws its tokens."""
        return Draw.of(self.request.sampling_params, self.seed, index)

    def end(self, index: int, sequence: SampledSequence) -> None:
        """Take a finished sequence; the last one answers the request."""
        self.done[index] = sequence
        if len(self.done) == self.request.num_samples:
            self.answer()

    def answer(self) -> None:
        """Answer the request, unless it was taken back."""
        fields: Any = {} if self.scores is None else self.scores.finish()
        response = SampleResponse(
            sequences=[self.done[index] for index in range(self.request.num_samples)],
            prompt_cache_hit_tokens=self.hits,
            **fields,
        )
        with suppress(InvalidStateError):  # its client may take it back at any moment
            self.future.set_result(response)

    def fail(self, error: BaseException) -> None:
        """End the request with an error, unless it has ended or was taken back."""
        with suppress(InvalidStateError):
            self.future.set_exception(error)


@dataclass(slots=True, eq=False)
class Running:
    """One sequence that is being written."""

    ask: Ask
    index: int
    matcher: Matcher
    draw: Draw
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    best: list[list[tuple[int, float]] | None] = field(default_factory=list)

    @property
    def position(self) -> int:
        """Where its last token stands."""
        return len(self.ask.tokens) + len(self.tokens) - 1

    def push(self, token: int, logprob: float) -> bool:
        """Take the next token; whether it was the last one."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        stopped = self.matcher.push(token)
        if not stopped and len(self.tokens) < self.ask.max_tokens:
            return False
        self._end("stop" if stopped else "length")
        return True

    def _end(self, reason: Any) -> None:
        best = self.best if self.ask.request.topk_sample_logprobs else None
        sequence = SampledSequence(
            stop_reason=reason, tokens=self.tokens, logprobs=self.logprobs, topk_logprobs=best
        )
        self.ask.end(self.index, sequence)
