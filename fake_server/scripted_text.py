"""What ends a sequence: token ids, and texts matched against the text of the generated tokens.

`tinkerproof/pico` has bytes for tokens, so its texts are real. The scripted backend has no other model's
tokenizer. There a token's text is *scripted*: entry `id mod 64` of a small table of words and of the marks
that programs stop at. String stops thus do end sequences, at places that the real tokenizer would not choose.
"""

from collections.abc import Callable

from fake_server.base_models import BaseModel

__all__ = ["Stops", "piece_of"]

PICO = "tinkerproof/pico"
PICO_SPECIALS = {256: b"<|endoftext|>", 257: b"<|im_start|>", 258: b"<|im_end|>", 259: b"<|pad|>"}
PIECES = (
    *(
        b"\n",
        b"\n\n",
        b"\n\nUser:",
        b"\n\nHuman:",
        b"</answer>",
        b"</think>",
        b"```",
        b"<|im_end|>",
        b"<|eot_id|>",
    ),
    *(
        b".",
        b",",
        b"!",
        b"?",
        b":",
        b";",
        b"Question:",
        b"Answer:",
        b"Observation:",
        b"###",
        b"}",
        b")",
        b"]",
    ),
    *(b" 0", b" 1", b" 2", b" 3", b" 4", b" 5", b" 6", b" 7", b" 8", b" 9", b" +", b" =", b"\\boxed{"),
    *(b" a", b" the", b" of", b" and", b" to", b" in", b" is", b" it", b" that", b" for", b" on", b" with"),
    *(b" as", b" at", b" by", b" we", b" so", b" not", b" one", b" all", b" can", b" if", b" then", b" from"),
    *(b" be", b" or", b" are", b" was", b" this"),
)
"""Texts of tokens. Source: ours: stops that published recipes use, then frequent words of English."""


def piece_of(model: BaseModel, token: int) -> bytes:
    """The text of a token: real for pico, scripted for all others."""
    if model.name != PICO:
        return PIECES[token % len(PIECES)]
    return bytes([token]) if token < 256 else PICO_SPECIALS.get(token, b"")


class Stops:
    """What ends the sequences of one request. The token that completes a stop stays in the sequence.

    Args:
        model: Whose end-of-text ids apply unless `stop` is the empty list, and whose texts are matched.
        stop: As `SamplingParams.stop`, checked.
    """

    def __init__(self, model: BaseModel, stop: str | list[str] | list[int] | None) -> None:
        wanted = [stop] if isinstance(stop, str) else list(stop or [])
        self._model = model
        self.tokens = {token for token in wanted if isinstance(token, int)}
        self.texts = tuple(text.encode() for text in wanted if isinstance(text, str))
        if stop != []:
            self.tokens.update(model.end_of_text_ids)

    def watch(self) -> Callable[[int], bool]:
        """A function to call with every token of a sequence in turn: whether the token ends it."""
        if not self.texts:
            return self.tokens.__contains__
        kept = max(map(len, self.texts)) - 1
        tail = b""

        def ends(token: int) -> bool:
            nonlocal tail
            text = tail + piece_of(self._model, token)
            tail = text[max(len(text) - kept, 0) :]
            return token in self.tokens or any(stop in text for stop in self.texts)

        return ends
