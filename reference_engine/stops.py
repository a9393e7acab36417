"""What ends a sequence: token ids, and texts matched against the text of the generated tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contract import RequestFailure, SamplingParams

__all__ = ["Matcher", "StopRule", "Texts", "TokenText"]


class TokenText(Protocol):
    """The text of tokens that come one by one."""

    def push(self, token: int) -> str:
        """Take a token; returns the text that no later token can change, which may be none."""
        ...


class Texts(Protocol):
    """What gives tokens their text."""

    def stream(self) -> TokenText:
        """The text of a new sequence."""
        ...


@dataclass(frozen=True, slots=True)
class StopRule:
    """What ends the sequences of one request. The token that completes a stop stays in the sequence."""

    tokens: frozenset[int]
    texts: tuple[str, ...] = ()
    tokenizer: Texts | None = None

    @classmethod
    def of(
        cls, params: SamplingParams, end_of_text_ids: Sequence[int], tokenizer: Texts | None
    ) -> "StopRule":
        """The rule of a request whose parameters are in range.

        Args:
            params: Their `stop` is a text, texts, token ids, None or the empty list. The end-of-text ids
                apply beside all of these but the last.
            end_of_text_ids: The base model's.
            tokenizer: The base model's, where it has one.

        Raises:
            RequestFailure: for texts where there is no tokenizer.
        """
        stop = params.stop
        wanted = [stop] if isinstance(stop, str) else list(stop or [])
        tokens = {each for each in wanted if isinstance(each, int)}
        texts = tuple(each for each in wanted if isinstance(each, str))
        if texts and tokenizer is None:
            raise RequestFailure(
                f"sampling_params.stop: expected token ids, for the base model has no tokenizer.json, got "
                f"{texts[0]!r}; give the ids of the tokens to stop at, or put tokenizer.json into its folder"
            )
        if stop != []:
            tokens.update(end_of_text_ids)
        return cls(frozenset(tokens), texts, tokenizer)

    def matcher(self) -> "Matcher":
        """What watches one sequence."""
        return Matcher(self)


class Matcher:
    """Watches one sequence; a token costs the length of the stops, not that of the sequence."""

    __slots__ = ("_kept", "_rule", "_tail", "_text")

    def __init__(self, rule: StopRule) -> None:
        self._rule = rule
        self._text = rule.tokenizer.stream() if rule.texts and rule.tokenizer is not None else None
        self._kept = max(map(len, rule.texts), default=1) - 1
        self._tail = ""

    def push(self, token: int) -> bool:
        """Take the next token: whether it ends the sequence."""
        if token in self._rule.tokens:
            return True
        if self._text is None:
            return False
        text = self._tail + self._text.push(token)
        self._tail = text[max(len(text) - self._kept, 0) :]
        return any(stop in text for stop in self._rule.texts)
