"""What never gets into a cassette: keys, tokens, what signs a URL, and whose they are."""

import re
from typing import Any

__all__ = ["SCRUBBED", "Scrubber"]

SCRUBBED = "<scrubbed>"
SECRET_FIELDS = frozenset(
    {"jwt", "weights_access_token", "api_key", "authorization", "password", "secret", "token", "access_token"}
)
PERSONAL_FIELDS = frozenset({"email", "user_email", "user_name"})
SECRET_HEADERS = (
    "x-api-key",
    "authorization",
    "x-tinker-weights-access-token",
    "cf-access-client-id",
    "cf-access-client-secret",
    "cookie",
)
"""Headers whose values are secret. Source: sdk 0.38.0 lib/internal_client_holder.py, lib/_jwt_auth.py."""
SHORTEST_SECRET = 6
"""Ours: a shorter text stands in too many places to be taken out of all of them."""
PATTERNS = (
    re.compile(r"tml-[A-Za-z0-9_\-]+"),
    re.compile(r"eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*"),
)
"""API keys and JWTs."""
QUERY = re.compile(r"(https?://[^\s\"'<>?]+)\?[^\s\"'<>]+")
"""A URL with a query: that is where signatures are."""


class Scrubber:
    """Takes secrets out of JSON values. It learns those that clients send."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, headers: dict[str, str]) -> None:
        """Take note of the secrets among a request's headers, names in lower case."""
        for name in SECRET_HEADERS:
            value = headers.get(name, "").removeprefix("Bearer ").strip()
            if len(value) >= SHORTEST_SECRET:
                self._known.add(value)

    def clean(self, value: Any) -> Any:
        """The value without secrets."""
        if isinstance(value, dict):
            return {self._text(key): self._field(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _field(self, key: str, item: Any) -> Any:
        if isinstance(item, str) and key.lower() in SECRET_FIELDS | PERSONAL_FIELDS:
            return SCRUBBED
        return self.clean(item)

    def _text(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, SCRUBBED)
        for pattern in PATTERNS:
            text = pattern.sub(SCRUBBED, text)
        return QUERY.sub(rf"\1?{SCRUBBED}", text)
