"""What ends a sequence, and that the token that completes it is the last."""

import pytest

from contract import RequestFailure, SamplingParams
from reference_engine.stops import StopRule
from reference_engine.tokenizer import Tokenizer
from tests.reference_engine.byte_tokenizers import byte_level

END = (256,)


class ByteText:
    """Text of byte tokens, each character given out with its last byte."""

    def __init__(self) -> None:
        self._held = b""

    def push(self, token: int) -> str:
        self._held += bytes([token]) if token < 256 else b"<end>"
        try:
            text = self._held.decode()
        except UnicodeDecodeError:
            return ""
        self._held = b""
        return text


class PairText:
    """Two characters a token, told apart by number alone."""

    def push(self, token: int) -> str:
        return ["ab", "cd", "a", "bc", "dd", ""][token]


class Texts:
    def __init__(self, kind: type) -> None:
        self.stream = kind


def length(stop: object, tokens: list[int], kind: type = ByteText) -> int | None:
    """How many tokens a sequence has when it is stopped; None where it is not."""
    rule = StopRule.of(SamplingParams(stop=stop), END, Texts(kind))
    matcher = rule.matcher()
    return next((count for count, token in enumerate(tokens, 1) if matcher.push(token)), None)


@pytest.mark.parametrize(
    ("stop", "expected"),
    [(None, 6), ([], None), ([98], 2), ([98, 7], 2), ("cd", 4), (["zz", "de"], 5), ("zz", 6), ([7], 6)],
)
def test_a_stop_ends_the_sequence_and_so_does_the_end_of_text_unless_it_is_the_empty_list(
    stop: object, expected: int | None
) -> None:
    assert length(stop, [*b"abcde", 256, *b"xy"]) == expected


@pytest.mark.parametrize(("stop", "expected"), [("bcd", 2), ("d", 2), ("abc", 2), ("abcda", 3), ("bb", None)])
def test_a_text_may_begin_and_end_inside_tokens(stop: str, expected: int | None) -> None:
    assert length(stop, [0, 1, 2, 5, 4], PairText) == expected


def test_tokens_without_text_do_not_break_a_text_in_two() -> None:
    assert length("abdd", [2, 5, 5, 0, 5, 4, 4], PairText) == 6


def test_characters_of_several_bytes_are_matched_when_they_are_whole() -> None:
    tokens = list("naïve · 終わり。".encode())
    assert length("ï", tokens) == 4
    assert length("· 終", tokens) == len("naïve · 終".encode())
    assert length(["終わ", "り"], tokens) == len("naïve · 終わ".encode())


def test_texts_of_a_real_tokenizer_are_matched_over_tokens_that_end_inside_characters() -> None:
    tokenizer = Tokenizer(byte_level())
    text = "naïve 🙂 終わり. The end"
    tokens = tokenizer.encode(text)
    for stop in ("naïve", "🙂", "終", "わり. T", "end"):
        rule = StopRule.of(SamplingParams(stop=stop), END, tokenizer)
        matcher = rule.matcher()
        count = next(count for count, token in enumerate(tokens, 1) if matcher.push(token))
        assert stop in tokenizer.decode(tokens[:count])
        assert stop not in tokenizer.decode(tokens[: count - 1])


def test_every_sequence_is_watched_on_its_own() -> None:
    rule = StopRule.of(SamplingParams(stop="ab"), END, Texts(ByteText))
    first, second = rule.matcher(), rule.matcher()
    assert not first.push(97)
    assert not second.push(98)
    assert first.push(98)


def test_a_long_sequence_costs_no_more_per_token() -> None:
    seen = []

    class Watched(str):
        def __add__(self, other: str) -> str:
            seen.append(len(self) + len(other))
            return Watched(str(self) + other)

    class Text:
        def push(self, token: int) -> str:
            return Watched("x")

    matcher = StopRule.of(SamplingParams(stop="abc"), (), Texts(Text)).matcher()
    assert not any(matcher.push(0) for _ in range(1000))
    assert max(seen, default=0) <= 3


def test_texts_need_a_tokenizer() -> None:
    with pytest.raises(
        RequestFailure, match=r"stop: expected token ids, .* got 'a'; give the ids"
    ) as failure:
        StopRule.of(SamplingParams(stop=["a", "b"]), END, None)
    assert failure.value.category == "user"
    assert StopRule.of(SamplingParams(stop=[5]), END, None).matcher().push(5)
