"""Token ids of model inputs: text as it is, images and audio as pseudo-tokens hashed from their bytes."""

from hashlib import blake2b

import numpy as np

from contract import (
    DmelChunk,
    EncodedTextChunk,
    ImageChunk,
    ModelInput,
    ModelInputChunk,
    RequestFailure,
    ids_in_vocabulary,
    ids_of_text,
)
from fake_server.base_models import BaseModel
from fake_server.elementary import Ints, mix
from fake_server.scripted_batch import Layout

__all__ = ["tokens_of", "tokens_of_all"]


def tokens_of(model_input: ModelInput, model: BaseModel, field: str) -> Ints:
    """The token ids of `model_input`, `[N]`, in [0, V).

    Args:
        model_input: Chunks in order. An image is `expected_tokens` pseudo-tokens, audio as many as its
            header says; both are functions of the chunk's bytes.
        model: Whose vocabulary and context length apply.
        field: The request's field, for the words of a refusal.

    Raises:
        RequestFailure: for an id outside the vocabulary, an image that is not inline or has no token count,
            unreadable audio, or more tokens than the context holds.
    """
    return ids_in_vocabulary(_read(model_input, model, field, ""), model.vocab_size, field)


def tokens_of_all(inputs: list[ModelInput], model: BaseModel, field: str) -> tuple[Ints, Layout]:
    """The token ids of all `inputs` end to end, `[M]`, and how they lie there.

    Raises:
        RequestFailure: as `tokens_of`, naming the datum; also for an input without tokens.
    """
    wheres = [f" (datum {number} of {len(inputs)})" for number in range(1, len(inputs) + 1)]
    parts = [
        _read(model_input, model, field, where) for model_input, where in zip(inputs, wheres, strict=True)
    ]
    for part, where in zip(parts, wheres, strict=True):
        if not len(part):
            raise RequestFailure(f"{field}: expected at least one token, got none{where}")
    layout = Layout.of([len(part) for part in parts])
    tokens = np.concatenate([np.empty(0, np.int64), *parts])
    return ids_in_vocabulary(tokens, model.vocab_size, field, layout.where), layout


def _read(model_input: ModelInput, model: BaseModel, field: str, where: str) -> Ints:
    """As `tokens_of`; ids outside the vocabulary are not looked for."""
    chunks = model_input.chunks
    if not all(type(chunk) is EncodedTextChunk for chunk in chunks):
        _check_media(chunks, field, where)
    try:
        length = model_input.length
    except ValueError as error:
        raise RequestFailure(f"{field}: {error}{where}") from None
    if length > model.max_context_length:
        raise RequestFailure(
            f"{field}: expected at most {model.max_context_length} tokens, "
            f"the context of {model.name}, got {length}{where}"
        )
    parts = [_tokens_of_chunk(chunk, model.vocab_size, field, where) for chunk in chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int64), *parts])


def _check_media(chunks: list[ModelInputChunk], field: str, where: str) -> None:
    for chunk in chunks:
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


def _tokens_of_chunk(chunk: ModelInputChunk, vocab_size: int, field: str, where: str) -> Ints:
    if isinstance(chunk, EncodedTextChunk):
        return ids_of_text(chunk, vocab_size, field, where)
    content = (
        chunk.data if isinstance(chunk, ImageChunk) else chunk.dmel if isinstance(chunk, DmelChunk) else b""
    )
    key = int.from_bytes(blake2b(content, digest_size=8).digest(), "little")
    places = np.arange(chunk.length, dtype=np.uint64) + np.uint64(key)
    return (mix(places) % np.uint64(vocab_size)).view(np.int64)
