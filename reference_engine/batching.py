"""Datums to flat tensors, in parts that fit into memory; no padding but inside attention.

How a batch is cut is a pure function of its lengths and the model, so the sums of gradients are the same
every time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from contract import Datum, ModelInput, RequestFailure, ids_in_vocabulary, ids_of_text
from reference_engine.attention import Span
from reference_engine.config import ModelConfig

__all__ = ["Cells", "Example", "Packed", "examples_of", "pack", "parts_of", "token_ids"]

Ints = npt.NDArray[np.int64]
ACTIVATION_CELLS = 1 << 28
"""Numbers that a forward pass may keep for its backward pass. Source: ours: 1 GB of float32."""
FEWEST_TOKENS, MOST_TOKENS = 256, 8192
"""Tokens of a part. Source: ours: below, products are slow; above, nothing is gained."""
SPAN_RATIO = 0.5
"""Texts at least that long, relative to a span's longest, are padded to it. Source: ours."""


def token_ids(model_input: ModelInput, config: ModelConfig, field: str, where: str = "") -> Ints:
    """The token ids of a text `[N]`.

    Raises:
        RequestFailure: for chunks that are not text, and ids outside the vocabulary.
    """
    parts = []
    for chunk in model_input.chunks:
        if chunk.type != "encoded_text":
            raise RequestFailure(
                f"{field}: expected encoded_text chunks, got {chunk.type}{where}; "
                "this engine's base models read text only, send the chunk to a model that sees or hears"
            )
        ids = ids_of_text(chunk, config.vocab_size, field, where)
        parts.append(ids_in_vocabulary(ids, config.vocab_size, field, _always(where)))
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _always(where: str) -> Callable[[int], str]:
    return lambda _: where


@dataclass(frozen=True, slots=True)
class Example:
    """One datum: the tokens that are read `[N]`, and those that are scored `[N]` or `[N, K]`."""

    tokens: Ints
    targets: Ints


def examples_of(data: Sequence[Datum], config: ModelConfig, context: int) -> list[Example]:
    """All datums as arrays.

    Raises:
        RequestFailure: naming the datum whose tokens are too many, none, not text, or not in the vocabulary.
    """
    found = []
    for number, datum in enumerate(data, 1):
        where = f" (datum {number} of {len(data)})"
        tokens = token_ids(datum.model_input, config, "model_input", where)
        if not 1 <= len(tokens) <= context:
            raise RequestFailure(
                f"model_input: expected 1 to {context} tokens, the context of the base model, "
                f"got {len(tokens)}{where}"
            )
        tensor = datum.loss_fn_inputs["target_tokens"]
        wanted = tensor.to_numpy() if tensor.is_sparse else tensor.values.reshape(tensor.dimensions)
        field = "loss_fn_inputs['target_tokens']"
        ids_in_vocabulary(wanted, config.vocab_size, field, _always(where))
        found.append(Example(tokens, wanted))
    return found


def parts_of(examples: Sequence[Example], config: ModelConfig) -> list[list[int]]:
    """The examples' indices, longest first, in parts whose activations fit into memory."""
    budget = most_tokens(config)
    order = sorted(range(len(examples)), key=lambda i: -len(examples[i].tokens))
    parts: list[list[int]] = []
    room = 0
    for index in order:
        size = len(examples[index].tokens)
        if not parts or size > room:
            parts.append([])
            room = budget
        parts[-1].append(index)
        room -= size
    return parts


def most_tokens(config: ModelConfig) -> int:
    """Tokens of one part: as many as `ACTIVATION_CELLS` allow, in hundreds to thousands."""
    heads = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim
    inner = config.intermediate_size
    if config.experts is not None:
        inner = max(inner, config.experts.per_token * config.experts.intermediate_size)
    cells = config.num_layers * (8 * config.hidden_size + 3 * inner + 3 * heads) + 2 * config.vocab_size
    return max(FEWEST_TOKENS, min(MOST_TOKENS, ACTIVATION_CELLS // cells))


@dataclass(frozen=True, slots=True)
class Cells:
    """Which token is scored at which row: C of them, rows rising."""

    rows: torch.Tensor
    """`[C]`."""
    tokens: torch.Tensor
    """`[C]`."""
    one_per_row: bool
    """Whether cell i is row i's."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Some examples as one flat batch of T tokens."""

    members: list[int]
    """The examples' indices, in the batch's order."""
    tokens: torch.Tensor
    """`[T]`."""
    positions: torch.Tensor
    """`[T]`."""
    spans: list[Span]
    cells: Cells


def pack(examples: Sequence[Example], members: Sequence[int], device: torch.device) -> Packed:
    """Lay examples one after the other, as `parts_of` ordered them."""
    chosen = [examples[index] for index in members]
    lengths = [len(example.tokens) for example in chosen]
    rows, start = [], 0
    for example, length in zip(chosen, lengths, strict=True):
        own = np.arange(start, start + length)
        rows.append(own if example.targets.ndim == 1 else np.repeat(own, example.targets.shape[1]))
        start += length
    cells = Cells(
        _tensor(rows, device),
        _tensor([example.targets.reshape(-1) for example in chosen], device),
        all(example.targets.ndim == 1 for example in chosen),
    )
    return Packed(
        list(members),
        _tensor([example.tokens for example in chosen], device),
        _tensor([np.arange(length) for length in lengths], device),
        list(_spans(lengths)),
        cells,
    )


def _tensor(parts: Sequence[npt.NDArray[np.int64]], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts)).to(device)


def _spans(lengths: Sequence[int]) -> Iterator[Span]:
    """Neighbours of about one length."""
    first = start = 0
    for index, length in enumerate(lengths):
        if min(length, lengths[first]) < SPAN_RATIO * max(length, lengths[first]):
            yield Span(start, tuple(lengths[first:index]))
            start += sum(lengths[first:index])
            first = index
    yield Span(start, tuple(lengths[first:]))
