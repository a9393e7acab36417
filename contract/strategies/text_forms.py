"""Texts, bytes as text, and texts with a grammar of their own: URLs, UUIDs."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.strategies.form import Edge, Form, Violation
from contract.strategies.number_forms import edge, leaf

__all__ = ["BytesForm", "TextForm", "UrlForm", "UuidForm"]

MOST_CHARACTERS = 20
"""Of a text without a longest length. Source: ours: more find little, and cost time."""
LONG = 4096
"""Characters of a long text without a longest length. Source: ours: more than one line."""
TEXT_EDGES: Mapping[str, str] = {
    "empty": "",
    "a zero character": "\x00",
    "a line break": "a\nb",
    "spaces": "  ",
    "quotes and backslashes": "\"'\\",
    "the last code point": "\U0010ffff",
    "a combining mark": "e\u0301",
    "written from right to left": "\u202eabc",
    "a byte order mark": "\ufeff",
    "joined pictures": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a percent sign": "%2F%00",
    "looks like a number": "1e999",
}


@dataclass(frozen=True, slots=True)
class TextForm(Form):
    """A text of some length; `pattern`, case and white space are pydantic's."""

    min_length: int = 0
    max_length: int | None = None
    pattern: str | None = None
    is_stripped: bool = False
    takes_numbers: bool = False

    @property
    def _most(self) -> int:
        most = self.min_length + MOST_CHARACTERS
        return most if self.max_length is None else min(self.max_length, most)

    def valid(self) -> SearchStrategy[str]:
        """Texts of every script; those of a pattern are drawn from it."""
        if self.pattern is not None:
            return st.from_regex(python_pattern(self.pattern)).filter(self._fits)
        text = st.text(min_size=self.min_length, max_size=self._most)
        return text.filter(self._fits) if self.is_stripped else text

    def _fits(self, text: str) -> bool:
        text = text.strip() if self.is_stripped else text
        return self.min_length <= len(text) and (self.max_length is None or len(text) <= self.max_length)

    def simplest(self) -> str:
        """As short as it may be, of zeros."""
        return "0" * self.min_length

    def edges(self) -> Iterator[Edge]:
        """The shortest, the longest, and texts that trouble those who treat text as bytes."""
        if self.min_length:
            yield edge("shortest", self.simplest())
        yield edge("longest", "0" * (LONG if self.max_length is None else self.max_length))
        for what, text in TEXT_EDGES.items():
            if self._fits(text):
                yield edge(what, text)

    def violations(self) -> Iterator[Violation]:
        """Values of other types, other lengths, and another pattern."""
        yield leaf("string_type", "null", None)
        yield leaf("string_type", "a list", [])
        if not self.takes_numbers:
            yield leaf("string_type", "a number", 0)
        if self.min_length:
            yield leaf("string_too_short", "shorter than the shortest", "0" * (self.min_length - 1))
        if self.max_length is not None:
            yield leaf("string_too_long", "longer than the longest", "0" * (self.max_length + 1))
        if self.pattern is not None and (other := self._unmatched()) is not None:
            yield leaf("string_pattern_mismatch", "another pattern", other)

    def _unmatched(self) -> str | None:
        """A text of a fitting length that the pattern does not find; None where it finds all tried."""
        size = max(self.min_length, 1)
        for text in ("", "\x00" * size, "~" * size, "0" * size, "a" * size):
            if self._fits(text) and re.search(python_pattern(self.pattern or ""), text) is None:
                return text
        return None


def python_pattern(pattern: str) -> str:
    r"""A pattern of Rust's `regex` as Python's `re`: there `$` is the very end, before no line break."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\$", r"\1\\Z", pattern)


@dataclass(frozen=True, slots=True)
class BytesForm(Form):
    """Bytes, in one of pydantic's three ways to write them as text."""

    min_length: int = 0
    max_length: int | None = None
    written: str = "utf8"
    """`utf8`, `base64` or `hex`. Source: pydantic's `val_json_bytes`."""

    def _written(self, data: bytes) -> str:
        match self.written:
            case "base64":
                return base64.urlsafe_b64encode(data).decode("ascii")
            case "hex":
                return data.hex()
        return data.decode("ascii")

    def valid(self) -> SearchStrategy[str]:
        """Bytes of any value, or ASCII where they are written as they are."""
        most = self.min_length + MOST_CHARACTERS
        most = most if self.max_length is None else min(self.max_length, most)
        if self.written == "utf8":
            return st.text(st.characters(codec="ascii"), min_size=self.min_length, max_size=most)
        return st.binary(min_size=self.min_length, max_size=most).map(self._written)

    def simplest(self) -> str:
        """As few zeros as it may be."""
        return self._written(b"0" * self.min_length)

    def edges(self) -> Iterator[Edge]:
        """The fewest and the most bytes."""
        yield edge("fewest", self.simplest())
        yield edge("most", self._written(b"0" * (LONG if self.max_length is None else self.max_length)))

    def violations(self) -> Iterator[Violation]:
        """Values of other types, and other lengths."""
        yield leaf("bytes_type", "null", None)
        yield leaf("bytes_type", "a list", [])
        if self.min_length:
            yield leaf(
                "bytes_too_short", "fewer than the fewest", self._written(b"0" * (self.min_length - 1))
            )
        if self.max_length is not None:
            yield leaf("bytes_too_long", "more than the most", self._written(b"0" * (self.max_length + 1)))


@dataclass(frozen=True, slots=True)
class UrlForm(Form):
    """A URL of one of some schemes."""

    schemes: tuple[str, ...] = ("http", "https")
    max_length: int | None = None
    is_any: bool = False
    """Whether any scheme will do."""

    def valid(self) -> SearchStrategy[str]:
        """A short URL with a path, a query or neither."""
        names = st.text("abcxyz019", min_size=1, max_size=5)
        rest = st.sampled_from(["", "/", "/a/b", "/?q=1", "/%20#f"])
        parts = st.tuples(st.sampled_from(self.schemes), names, rest)
        return parts.map(lambda part: f"{part[0]}://{part[1]}.x{part[2]}")

    def simplest(self) -> str:
        """The first scheme's shortest."""
        return f"{self.schemes[0]}://a.x"

    def edges(self) -> Iterator[Edge]:
        """Hosts and ports that are written in their own ways."""
        yield edge("an address", f"{self.schemes[0]}://127.0.0.1:65535/")
        yield edge("an address of version 6", f"{self.schemes[0]}://[::1]/")
        yield edge("a user", f"{self.schemes[0]}://u:p@a.x/")

    def violations(self) -> Iterator[Violation]:
        """Values of other types, what is no URL, and another scheme."""
        yield leaf("url_type", "null", None)
        yield leaf("url_type", "a list", [])
        yield leaf("url_parsing", "no URL", "nowhere")
        if not self.is_any:
            yield leaf("url_scheme", "another scheme", "gopher://a.x")
        if self.max_length is not None:
            yield leaf("url_too_long", "longer than the longest", self.simplest() + "/" * self.max_length)


@dataclass(frozen=True, slots=True)
class UuidForm(Form):
    """A UUID as text."""

    version: int | None = None

    def valid(self) -> SearchStrategy[str]:
        """UUIDs of the version."""
        if self.version in (1, 2, 3, 4, 5):
            return st.uuids(version=self.version).map(str)  # type: ignore[arg-type]
        if self.version is None:
            return st.uuids().map(str)
        return st.integers(0, 2**128 - 1).map(self._versioned)

    def _versioned(self, number: int) -> str:
        digits = f"{number:032x}"
        return str(UUID(f"{digits[:12]}{self.version}{digits[13:16]}8{digits[17:]}"))

    def simplest(self) -> str:
        """Zeros, but for the version."""
        return self._versioned(0) if self.version else str(UUID(int=0))

    def edges(self) -> Iterator[Edge]:
        """The ends."""
        if self.version is None:
            yield edge("all zeros", str(UUID(int=0)))
            yield edge("all ones", str(UUID(int=2**128 - 1)))

    def violations(self) -> Iterator[Violation]:
        """Values of other types, and what is no UUID."""
        yield leaf("uuid_type", "null", None)
        yield leaf("uuid_type", "a list", [])
        yield leaf("uuid_parsing", "no UUID", "nobody")
