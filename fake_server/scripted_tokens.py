"""Token ids of a model input: text as it is, images and audio as pseudo-tokens hashed from their bytes."""

from hashlib import blake2b
from itertools import chain

import numpy as np

from contract import DmelChunk, EncodedTextChunk, ImageChunk, ModelInput, ModelInputChunk, RequestFailure
from fake_server.base_models import BaseModel
from fake_server.elementary import Ints, mix

__all__ = ["ids_in_vocabulary", "tokens_of"]


def tokens_of(model_input: ModelInput, model: BaseModel, field: str, where: str = "") -> Ints:
    """The token ids of `model_input`, `[N]`, in [0, V).

    Args:
        model_input: Chunks in order. An image is `expected_tokens` pseudo-tokens, audio as many as its
            header says; both are functions of the chunk's bytes.
        model: Whose vocabulary and context length apply.
        field: The request's field, for the words of a refusal.
        where: Which datum, for the same.

    Raises:
        RequestFailure: for an id outside the vocabulary, an image that is not inline or has no token count,
            unreadable audio, or more tokens than the context holds.
    """
    for chunk in model_input.chunks:
        if chunk.type == "image_asset_pointer":
            raise RequestFailure(
                f"{field}: expected images inline, got an image_asset_pointer{where}; "
                "this backend fetches nothing, send the bytes in an image chunk"
            )
        if chunk.type == "image" and chunk.expected_tokens is None:
            raise RequestFailure(
                f"{field}: expected expected_tokens on an image, got none{where}; "
                "this backend cannot count image tokens, set expected_tokens"
            )
    try:
        length = model_input.length
    except ValueError as error:
        raise RequestFailure(f"{field}: {error}{where}") from None
    if length > model.max_context_length:
        raise RequestFailure(
            f"{field}: expected at most {model.max_context_length} tokens, "
            f"the context of {model.name}, got {length}{where}"
        )
    parts = [_tokens_of_chunk(chunk, model.vocab_size, field, where) for chunk in model_input.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int64), *parts])


def _tokens_of_chunk(chunk: ModelInputChunk, vocab_size: int, field: str, where: str) -> Ints:
    if isinstance(chunk, EncodedTextChunk):
        return ids_in_vocabulary(chunk.tokens, vocab_size, field, where)
    content = (
        chunk.data if isinstance(chunk, ImageChunk) else chunk.dmel if isinstance(chunk, DmelChunk) else b""
    )
    key = int.from_bytes(blake2b(content, digest_size=8).digest(), "little")
    places = np.arange(chunk.length, dtype=np.uint64) + np.uint64(key)
    return (mix(places) % np.uint64(vocab_size)).view(np.int64)


def ids_in_vocabulary(ids: "list[int] | Ints", vocab_size: int, field: str, where: str = "") -> Ints:
    """`ids` as an array of the same shape.

    Raises:
        RequestFailure: naming the first id outside [0, vocab_size).
    """
    try:
        array: Ints = np.asarray(ids, dtype=np.int64)
    except OverflowError:
        array = np.array([-1])
    if array.size and (array.min() < 0 or array.max() >= vocab_size):
        flat = ids if isinstance(ids, list) else chain.from_iterable([array.ravel().tolist()])
        wrong = next(token for token in flat if not 0 <= token < vocab_size)
        raise RequestFailure(
            f"{field}: expected token ids from 0 to {vocab_size - 1}, the vocabulary of {vocab_size} tokens, "
            f"got {wrong}{where}"
        )
    return array
