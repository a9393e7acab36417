"""The tokenizer that a GGUF file's metadata describes: a byte-level BPE.

Source: github.com/ggml-org/llama.cpp src/llama-vocab.cpp (kinds, expressions, token types); the expressions
are those of the models' own tokenizer.json.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from reference_engine.tokenizer import Tokenizer

__all__ = ["read_gguf_tokenizer"]

CONTROL, USER_DEFINED = 3, 4
"""`tokenizer.ggml.token_type` of tokens that are found in the text before it is split."""
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


@dataclass(frozen=True, slots=True)
class Kind:
    """How text is split before merges apply."""

    splits: tuple[Callable[[], Any], ...]
    """Makers of the pre-tokenizers, in order; bytes come last."""
    composed: bool = False
    """Whether text is composed (NFC) first."""
    whole_words: bool = False
    """Whether a word that is a token is taken without merging."""


def _bytes(*, split: bool) -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split)


def _expression(digits: str) -> Any:
    pattern = tokenizers.Regex("|".join((CONTRACTIONS, WORDS, digits, REST)))
    return pre_tokenizers.Split(pattern, behavior="isolated")


GPT2 = Kind((lambda: _bytes(split=True),))
SMOLLM = Kind((lambda: pre_tokenizers.Digits(individual_digits=True), lambda: _bytes(split=True)))
LLAMA3 = Kind((lambda: _expression(r"\p{N}{1,3}"), lambda: _bytes(split=False)), whole_words=True)
QWEN2 = Kind((lambda: _expression(r"\p{N}"), lambda: _bytes(split=False)), composed=True)
KINDS: Mapping[str, Kind] = {
    "gpt-2": GPT2,
    "smollm": SMOLLM,
    "llama-bpe": LLAMA3,
    "llama3": LLAMA3,
    "llama-v3": LLAMA3,
    "qwen2": QWEN2,
}
"""By `tokenizer.ggml.pre`."""


def read_gguf_tokenizer(where: str, value: Callable[[str], Any]) -> Tokenizer:
    """The tokenizer of a GGUF file.

    Args:
        where: The file, for errors.
        value: The file's metadata by key, or None.

    Raises:
        ValueError: if it is not a byte-level BPE, splits text in a way that we do not know, or is broken.
    """
    model, named = value("tokenizer.ggml.model"), value("tokenizer.ggml.pre")
    remedy = "put the model's tokenizer.json beside the file"
    if model != "gpt2":
        raise ValueError(f"{where}: expected tokenizer.ggml.model 'gpt2', got {model!r}; {remedy}")
    if named not in KINDS:
        known = ", ".join(map(repr, KINDS))
        raise ValueError(
            f"{where}: expected tokenizer.ggml.pre to be one of {known}, got {named!r}; {remedy}"
        )
    kind, tokens = KINDS[named], value("tokenizer.ggml.tokens") or []
    merges = [tuple(merge.split(" ", 1)) for merge in value("tokenizer.ggml.merges") or []]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    try:
        bpe = models.BPE(vocab=vocabulary, merges=merges, ignore_merges=kind.whole_words)
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"{where}: expected merges of its tokens, got {error}; {remedy}") from None
    backend = tokenizers.Tokenizer(bpe)
    if kind.composed:
        backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence([make() for make in kind.splits])
    backend.decoder = decoders.ByteLevel()
    types = value("tokenizer.ggml.token_type") or []
    backend.add_tokens(
        [
            tokenizers.AddedToken(text, special=of == CONTROL, normalized=False)
            for text, of in zip(tokens, types, strict=False)
            if of in (CONTROL, USER_DEFINED)
        ]
    )
    return Tokenizer(backend, chat_template=value("tokenizer.chat_template"))
