"""Prompts of every kind of chunk, and sampling parameters that no server may refuse."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.inputs import DmelChunk, EncodedTextChunk, ImageAssetPointerChunk, ImageChunk, ModelInput
from contract.sampling import SamplingParams
from contract.strategies.training_data import VOCABULARY

__all__ = ["TEXT_ONLY", "prompts", "sampling_params"]

TEXT_ONLY = ("encoded_text",)
MOST_CHUNKS, MOST_TOKENS = 3, 4
FORMATS = st.sampled_from(["png", "jpeg"])
ADVICE = st.integers(1, MOST_TOKENS)


def _chunks(vocab_size: int) -> dict[str, SearchStrategy[Any]]:
    """Chunks by kind, each of at least one token."""
    tokens = st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=MOST_TOKENS)
    assets = st.sampled_from(["file:///tmp/a.png", "https://a.example/b.jpeg"])
    return {
        "encoded_text": st.builds(EncodedTextChunk, tokens=tokens),
        "image": st.builds(ImageChunk, data=st.binary(max_size=8), format=FORMATS, expected_tokens=ADVICE),
        "image_asset_pointer": st.builds(
            ImageAssetPointerChunk, location=assets, format=FORMATS, expected_tokens=ADVICE
        ),
        "dmel": ADVICE.map(lambda length: DmelChunk(dmel=bytes([0, 1, length]))),
    }


def prompts(
    *, vocab_size: int = VOCABULARY, kinds: Sequence[str] = TEXT_ONLY, least: int = 1
) -> SearchStrategy[ModelInput]:
    """Prompts of one to three chunks; each knows its length.

    Args:
        vocab_size: token ids are below it.
        kinds: of the chunks: `encoded_text`, `image`, `image_asset_pointer`, `dmel`.
        least: fewest chunks.
    """
    known = _chunks(vocab_size)
    chunk = st.one_of(*(known[kind] for kind in kinds))
    return st.lists(chunk, min_size=least, max_size=MOST_CHUNKS).map(lambda chunks: ModelInput(chunks=chunks))


def sampling_params(*, vocab_size: int = VOCABULARY, most_tokens: int = 8) -> SearchStrategy[SamplingParams]:
    """Sampling parameters that `check_sampling` takes for a short prompt."""
    words = st.text("ab\n", min_size=1, max_size=3)
    ids = st.lists(st.integers(0, vocab_size - 1), max_size=2)
    return st.builds(
        SamplingParams,
        max_tokens=st.integers(1, most_tokens),
        seed=st.none() | st.integers(0, 2**64 - 1),
        stop=st.none() | words | st.lists(words, max_size=2) | ids,
        temperature=st.just(0.0) | st.floats(1e-3, 4),
        top_k=st.sampled_from([-1, 0, 1]) | st.integers(1, vocab_size),
        top_p=st.floats(1e-3, 1),
    )
