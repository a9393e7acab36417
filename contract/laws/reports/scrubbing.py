"""`Scrubber`: what servers say, made fit to be shown: no keys, and no characters that act on a terminal."""

import re
from collections.abc import Iterable

__all__ = ["Scrubber"]

TOKEN = re.compile(r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]*")
"""A JWT. Source: RFC 7519; its head is base64 of `{"`."""
SIGNED = re.compile(r"(https?://[^\s\"'<>?\\]+)\?[^\s\"'<>\\]+")
"""A URL with a query: archives are downloaded by signed ones."""
UNPRINTABLE = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\u2027\u202f-\u2065\u2070-\ud7ff\ue000-\ufefe\uff00-\uffef\ufffd"
    r"\U00010000-\U0010ffff]"
)
"""What XML forbids, what moves a terminal's cursor, and what turns the direction of a text."""
HIDDEN = "…"
SHORTEST_SECRET = 6
"""Ours: what is shorter is no secret, and would be found in the middle of words."""


class Scrubber:
    """Cleans texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True)

    def clean(self, text: str) -> str:
        """`text` without keys, tokens, queries of URLs and characters that cannot be shown."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = SIGNED.sub(rf"\1?{HIDDEN}", TOKEN.sub(HIDDEN, text))
        return UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
