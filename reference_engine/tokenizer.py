"""Text to tokens and back, by the `tokenizers` library alone."""

from collections.abc import Sequence
from pathlib import Path

import tokenizers

from reference_engine.folders import read_json

__all__ = ["TOKENIZER", "TextStream", "Tokenizer", "read_tokenizer"]

TOKENIZER = "tokenizer.json"
UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What bytes that are no whole character are decoded to."""
MOST_UNFINISHED = 3
"""Bytes of a character in UTF-8 that still lacks one, so the most tokens it is spread over by then.

Source: RFC 3629: a character has at most 4."""


class Tokenizer:
    """Text to tokens and back; safe to share between threads.

    Attributes:
        chat_template: A Jinja template that turns messages into text, if the model has one.
    """

    def __init__(self, backend: tokenizers.Tokenizer, *, chat_template: str | None = None) -> None:
        backend.no_padding()
        backend.no_truncation()
        self._backend = backend
        self.chat_template = chat_template

    @property
    def vocab_size(self) -> int:
        """How many tokens it knows; a model may have rows for more."""
        return int(self._backend.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, and no others: special tokens only where the text spells them."""
        return list(self._backend.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones included; bytes that are no character become U+FFFD."""
        return str(self._backend.decode(list(tokens), skip_special_tokens=False))

    def stream(self) -> "TextStream":
        """The text of tokens that come one by one."""
        return TextStream(self)


class TextStream:
    """The text of tokens that come one by one, each piece given out once no later token can change it.

    A character may be spread over several tokens, and what a token stands for may depend on the one before
    it. So tokens are decoded from the last place on where the text was whole, with the tokens before it.

    Attributes:
        text: What was given out so far.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.text = ""
        self._tokenizer = tokenizer
        self._before: list[int] = []
        self._since: list[int] = []
        self._shown = 0

    def push(self, token: int) -> str:
        """Take a token; returns the text that is sure now, which may be none."""
        self._since.append(token)
        text = self._text_since()
        unsure = len(text) - len(text.rstrip(UNFINISHED))
        held = unsure if len(self._since) <= MOST_UNFINISHED else min(unsure, MOST_UNFINISHED)
        new = self._give(text, len(text) - held)
        if not unsure:
            self._before, self._since, self._shown = self._since, [], 0
        return new

    def finish(self) -> str:
        """The text that was held back, when no token comes any more."""
        text = self._text_since()
        return self._give(text, len(text))

    def _text_since(self) -> str:
        before = self._tokenizer.decode(self._before)
        return self._tokenizer.decode(self._before + self._since)[len(before) :]

    def _give(self, text: str, end: int) -> str:
        new = text[self._shown : end]
        self._shown = max(self._shown, end)
        self.text += new
        return new


def read_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer of a folder's `tokenizer.json`, or None if there is no such file.

    Raises:
        ValueError: if the file is broken.
    """
    path = folder / TOKENIZER
    if not path.is_file():
        return None
    try:
        backend = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"{path}: expected a tokenizer, got {error}; is the file whole?") from None
    return Tokenizer(backend, chat_template=_chat_template(folder))


def _chat_template(folder: Path) -> str | None:
    """`chat_template.jinja`, or what `tokenizer_config.json` says; of several, the one named default."""
    path, config = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    said = read_json(config).values.get("chat_template") if config.is_file() else None
    if isinstance(said, list):
        return next((each["template"] for each in said if each.get("name") == "default"), None)
    return said if isinstance(said, str) else None
