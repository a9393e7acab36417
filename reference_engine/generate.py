"""`Generator`: continuous batching on one base model.

Each round admits waiting requests, reads their prompts, and writes one token of every running sequence,
whatever request, client or adapter it belongs to. A sequence's tokens depend on its own request alone.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from math import isnan

import torch

from contract import RequestFailure
from reference_engine.attention import CausalAttention
from reference_engine.batching import Example, pack
from reference_engine.cache import DecodeAttention, KeyValueCache, PrefillAttention, ResumedAttention, Stored
from reference_engine.deltas import Delta, SplitDelta
from reference_engine.lora import Adapter
from reference_engine.model import Mixer, Transformer
from reference_engine.passes import chunks, logprobs_of
from reference_engine.prefixes import PrefixStore
from reference_engine.roster import Roster
from reference_engine.sampling import draw, topk_of
from reference_engine.sequences import Ask, Running

__all__ = ["Generator"]

MOST_RUNNING = 64
"""Sequences at once. Source: ours: on a CPU, larger batches gain little."""
PREFILL_TOKENS = 2048
"""Prompt tokens a round, so that running sequences are not kept waiting. Source: ours."""
CACHE_CELLS = 1 << 28
"""Keys and values at once. Source: ours: 1 GB of float32."""


class Generator:
    """Writes sequences on one base model."""

    def __init__(self, model: Transformer) -> None:
        self._model = model
        self._cache = KeyValueCache(model.config, model.device, model.dtype)
        self._prefixes = PrefixStore()
        self._roster = Roster(model)
        self._waiting: OrderedDict[Hashable, deque[Ask]] = OrderedDict()
        self._running: list[Running] = []
        self._batch: tuple[Transformer, Delta] | None = None
        """What runs the running sequences; None where they have changed."""
        self._lock = threading.Lock()

    def submit(self, ask: Ask) -> None:
        """Take a request; its future ends with the answer."""
        with self._lock:
            self._waiting.setdefault(ask.client, deque()).append(ask)

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self._waiting or self._running)

    @torch.inference_mode()
    def round(self) -> None:
        """Admit, read prompts, write a token of each running sequence."""
        self._drop_cancelled()
        self._read_prompts(self._admit())
        if self._running:
            self._decode()
        elif not self._waiting:
            self._cache.clear()

    def fail(self, error: BaseException) -> None:
        """End everything that runs with an error."""
        asks = {id(running.ask): running.ask for running in self._running}
        self._running.clear()
        self._batch = None
        for ask in asks.values():
            ask.fail(error)

    # Admission

    def _admit(self) -> list[tuple[Ask, int]]:
        """Requests to begin now, each with how many of its sequences; clients take turns."""
        admitted: list[tuple[Ask, int]] = []
        prompts: set[tuple[int, bytes]] = set()
        budget = PREFILL_TOKENS
        with self._lock:
            for client in list(self._waiting):
                if budget <= 0:
                    break
                budget -= self._admit_from(client, admitted, prompts)
        return sorted(admitted, key=lambda pair: (id(pair[0].adapter), -len(pair[0].tokens)))

    def _admit_from(
        self, client: Hashable, admitted: list[tuple[Ask, int]], prompts: set[tuple[int, bytes]]
    ) -> int:
        """Begin the client's next request if there is room for it; returns its prompt's length."""
        queue = self._waiting[client]
        ask = queue[0]
        if ask.future.cancelled():
            self._pop(client)
            return 0
        prompt = (id(ask.adapter), ask.tokens.tobytes())
        if prompt in prompts:
            return 0  # next round, when the prompt is known
        count = self._room_for(ask, admitted)
        if count == 0:
            return PREFILL_TOKENS
        prompts.add(prompt)
        admitted.append((ask, count))
        if count == ask.left:
            self._pop(client)
        else:
            self._waiting.move_to_end(client)
        return len(ask.tokens)

    def _pop(self, client: Hashable) -> None:
        queue = self._waiting[client]
        queue.popleft()
        if queue:
            self._waiting.move_to_end(client)
        else:
            del self._waiting[client]

    def _room_for(self, ask: Ask, admitted: Sequence[tuple[Ask, int]]) -> int:
        """How many of a request's sequences can begin now."""
        if ask.max_tokens <= 1:
            return ask.left
        config = self._model.config
        taken = len(self._running) + sum(count for other, count in admitted if other.max_tokens > 1)
        longest = max(
            [len(ask.tokens) + ask.max_tokens, self._cache.room]
            + [len(other.tokens) + other.max_tokens for other, _ in admitted]
        )
        cells = 2 * config.num_layers * config.num_kv_heads * config.head_dim * longest
        fits = min(MOST_RUNNING, max(1, CACHE_CELLS // cells)) - taken
        return max(0, min(ask.left, fits))

    def _drop_cancelled(self) -> None:
        self._remove([one for one in self._running if one.ask.future.cancelled()])

    # Prompts

    def _read_prompts(self, admitted: list[tuple[Ask, int]]) -> None:
        """Read the requests' prompts, and write each sequence's first token."""
        fresh: list[tuple[Ask, int]] = []
        for ask, count in admitted:
            wants_rows = ask.scores is not None and ask.started == 0
            hit, stored = (0, []) if wants_rows else self._prefixes.find(ask.adapter, ask.tokens)
            if hit and ask.max_tokens > 1:
                self._guarded([(ask, count)], partial(self._resume, ask, count, hit, stored))
            else:
                fresh.append((ask, count))
        if fresh:
            self._guarded(fresh, partial(self._read, fresh))

    def _guarded(self, admitted: list[tuple[Ask, int]], work: Callable[[], None]) -> None:
        """Do the work; what goes wrong ends the requests it is for."""
        try:
            work()
        except Exception as error:
            for ask, _ in admitted:
                self._remove([one for one in self._running if one.ask is ask])
                ask.fail(error)

    def _resume(self, ask: Ask, count: int, hit: int, stored: Stored) -> None:
        """Read what is new in a prompt."""
        model, (delta,) = self._roster.prompts([ask.adapter], self._owners())
        slot = len(self._running)
        self._cache.reserve(model.rows.padded(slot + count), len(ask.tokens))
        self._cache.restore(slot, stored, hit)
        if ask.started == 0:
            ask.hits = hit
        tokens = torch.tensor(ask.tokens[hit:], device=model.device)
        positions = torch.arange(hit, len(ask.tokens), device=model.device)
        places = self._cache.places(torch.full_like(positions, slot), positions)
        attention = ResumedAttention(self._cache, slot, hit, places, model.rows)
        last = torch.tensor([len(tokens) - 1], device=model.device)
        hidden, _ = model.forward(tokens, positions, attention, delta, only=(last, delta))
        self._prefixes.add(ask.adapter, ask.tokens, self._cache, slot)
        scores, _ = model.logits(hidden, delta)
        self._begin([(ask, count)], scores)

    def _read(self, admitted: list[tuple[Ask, int]]) -> None:
        """Read whole prompts in one pass."""
        model, own = self._roster.prompts([ask.adapter for ask, _ in admitted], self._owners())
        delta = SplitDelta.of(own, [len(ask.tokens) for ask, _ in admitted])
        last = SplitDelta.of(own, [1] * len(own))
        examples = [Example(ask.tokens, ask.tokens) for ask, _ in admitted]
        packed = pack(examples, range(len(examples)), model.device)
        inner = CausalAttention(model.config, packed.spans, model.rows)
        keeping = any(ask.max_tokens > 1 for ask, _ in admitted)
        slots = self._slots(admitted)
        if keeping:
            used = len(self._running) + sum(count for _, count in admitted)
            self._cache.reserve(model.rows.padded(used), max(len(ask.tokens) for ask, _ in admitted))
            lengths = torch.tensor([len(ask.tokens) for ask, _ in admitted])
            of_rows = torch.tensor(slots).repeat_interleave(lengths).to(model.device)
            places = self._cache.places(of_rows, packed.positions)
            attention: Mixer = PrefillAttention(inner, self._cache, places)
        else:
            attention = inner
        ends = torch.tensor([len(ask.tokens) for ask, _ in admitted], device=model.device).cumsum(0) - 1
        scoring = any(ask.scores is not None and ask.started == 0 for ask, _ in admitted)
        hidden, _ = model.forward(
            packed.tokens, packed.positions, attention, delta, only=None if scoring else (ends, last)
        )
        if scoring:
            for (ask, _), mine, end in zip(admitted, own, ends.tolist(), strict=True):
                self._score(model, ask, hidden[end + 1 - len(ask.tokens) : end + 1], mine)
            hidden = hidden.index_select(0, ends)
        for (ask, _), slot in zip(admitted, slots, strict=True):
            if keeping and ask.max_tokens > 1:
                self._prefixes.add(ask.adapter, ask.tokens, self._cache, slot)
        scores, _ = model.logits(hidden, last)
        self._begin(admitted, scores)

    def _owners(self) -> list[Adapter | None]:
        """Each running sequence's adapter."""
        return [one.ask.adapter for one in self._running]

    def _slots(self, admitted: Sequence[tuple[Ask, int]]) -> list[int]:
        """The slot of each request's first sequence."""
        slots, slot = [], len(self._running)
        for _, count in admitted:
            slots.append(slot)
            slot += count
        return slots

    def _score(self, model: Transformer, ask: Ask, hidden: torch.Tensor, delta: Delta) -> None:
        """Score a prompt's own tokens, where that was asked."""
        if ask.scores is None or ask.started > 0:
            return
        first = ask.scores.first_row
        for start, end in chunks(ask.scores.end_row - first, model.config.vocab_size):
            logprobs, _ = logprobs_of(model, hidden[first + start : first + end], delta)
            ask.scores.add(first + start, logprobs)

    # Sequences

    def _begin(self, admitted: Sequence[tuple[Ask, int]], scores: torch.Tensor) -> None:
        """Write the first token of each new sequence; `scores` `[requests, V]`."""
        new: list[Running] = []
        rows: list[int] = []
        slots = self._slots(admitted)
        for row, ((ask, count), slot) in enumerate(zip(admitted, slots, strict=True)):
            for index in range(ask.started, ask.started + count):
                new.append(Running(ask, index, ask.rule.matcher(), ask.draw(index)))
                rows.append(row)
            ask.started += count
            if count > 1 and ask.max_tokens > 1:
                self._cache.copy(slot, range(slot + 1, slot + count), len(ask.tokens))
        self._running += new
        self._batch = None
        self._write(new, scores[torch.tensor(rows, device=scores.device)])

    def _decode(self) -> None:
        """Write one token of each running sequence."""
        running = self._running
        count = len(running)
        total = self._model.rows.padded(count)
        fill = [0] * (total - count)
        where = [one.position for one in running]
        self._cache.reserve(total, max(where) + 1)
        if self._batch is None:
            self._batch = self._roster.rows(self._owners(), total)
        model, delta = self._batch
        tokens = torch.tensor([one.tokens[-1] for one in running] + fill, device=model.device)
        positions = torch.tensor(where + fill, device=model.device)
        attention = DecodeAttention(self._cache, positions, max(where) + 1, model.rows)
        hidden, _ = model.forward(tokens, positions, attention, delta)
        scores, _ = model.logits(hidden, delta)
        self._write(list(running), scores[:count])

    def _write(self, sequences: Sequence[Running], scores: torch.Tensor) -> None:
        """Draw each sequence's next token from its scores `[n, V]`; those that end give their slot back."""
        steps = [len(one.tokens) for one in sequences]
        tokens, logprobs = draw(scores, [one.draw for one in sequences], steps)
        if any(one.ask.raw for one in sequences):
            plain = torch.log_softmax(scores, -1).gather(1, tokens.unsqueeze(1)).squeeze(1)
            raw = torch.tensor([one.ask.raw for one in sequences], device=scores.device)
            logprobs = torch.where(raw, plain, logprobs)
        self._note_best(sequences, scores)
        ended = []
        for one, token, logprob in zip(sequences, tokens.tolist(), logprobs.tolist(), strict=True):
            try:
                if isnan(logprob):
                    self._cache.erase(self._running.index(one))  # for whoever gets the slot next
                    raise _not_finite(one)
                if one.push(token, logprob):
                    ended.append(one)
            except Exception as error:  # of its own stops or scores: the others go on
                ended.append(one)
                one.ask.fail(error)
        self._remove(ended)

    def _note_best(self, sequences: Sequence[Running], scores: torch.Tensor) -> None:
        """Note the likeliest tokens, where that was asked."""
        for row, one in enumerate(sequences):
            count = one.ask.request.topk_sample_logprobs
            if count:
                own = scores[row : row + 1]
                logprobs = torch.log_softmax(own, -1) if one.ask.raw else one.draw.logprobs(own)
                ids, values = topk_of(logprobs, count)
                one.best.append(list(zip(ids[0].tolist(), values[0].tolist(), strict=True)))

    def _remove(self, ended: Sequence[Running]) -> None:
        """Give each slot that becomes free to the last sequence that goes on."""
        for slot in sorted(map(self._running.index, ended), reverse=True):
            last = self._running.pop()
            if slot < len(self._running):
                self._cache.copy(len(self._running), [slot], last.position + 1)
                self._running[slot] = last
            self._batch = None


def _not_finite(one: Running) -> RequestFailure:
    return RequestFailure(
        f"sample {one.index}: expected finite scores for token {len(one.tokens) + 1}, got others; "
        "the adapter's numbers have run away: sample from an earlier checkpoint, train with a lower rate"
    )
