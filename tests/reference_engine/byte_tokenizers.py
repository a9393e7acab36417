"""Small tokenizers: one token for each byte, in two of the ways that models have."""

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from reference_engine.tokenizer import Tokenizer

END = "<end>"


def byte_level() -> tokenizers.Tokenizer:
    """As GPT-2's, Llama 3's and Qwen's, without merges; the last token is special."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = tokenizers.Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([END])
    return backend


def byte_fallback() -> tokenizers.Tokenizer:
    """As Llama 2's: bytes by number, words that bring their space, and no space before the first."""
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    words = ["▁sea", "▁", "shell", "s"]
    vocabulary = {name: number for number, name in enumerate(names + words)}
    backend = tokenizers.Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return backend


KINDS = {"byte level": Tokenizer(byte_level()), "byte fallback": Tokenizer(byte_fallback())}
