"""What must never be written down: API keys and tokens, wherever a client put them."""

import re
from collections.abc import Iterable

__all__ = ["HIDDEN", "HIDDEN_KEY", "redacted", "redacted_text"]

HIDDEN = "[redacted]"
"""Stands where a field has a secret by its nature."""
HIDDEN_KEY = "[redacted key]"
"""Stands where a key or token was found, in whatever text."""
SECRET_FIELDS = (
    "api_key",
    "authorization",
    "cf-access-client-secret",
    "jwt",
    "weights_access_token",
    "x-api-key",
    "x-tinker-weights-access-token",
)
"""Fields and headers whose values are secrets. Source: sdk 0.38.0, all types and headers of its requests."""

_FIELD = re.compile(
    rb'("(?:%b)"\s*:\s*)"(tml-|eyJ)?(?:[^"\\]|\\.)*"'
    % b"|".join(re.escape(name).encode() for name in SECRET_FIELDS),
    re.IGNORECASE,
)
_KEY = re.compile(rb"tml-[A-Za-z0-9_\-]+|eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]+)*")
"""Source: sdk 0.38.0 lib/_auth_token_provider.py: keys start with `tml-`, JWTs with `eyJ`."""
_TYPED = ("jwt", "weights_access_token")
"""Fields of the contract that are there to carry a secret; one in any other field has gone astray."""


def redacted(json: bytes, secrets: Iterable[str] = ()) -> bytes:
    """A JSON text without keys and tokens.

    Args:
        json: UTF-8, as pydantic writes it: nothing of ASCII is escaped but quotes, backslashes and controls.
        secrets: texts that are keys here though they do not look like one.
    """
    clean = _FIELD.sub(_hide, json)
    for secret in secrets:
        clean = clean.replace(secret.encode(), HIDDEN_KEY.encode())
    return _KEY.sub(HIDDEN_KEY.encode(), clean)


def redacted_text(text: str, secrets: Iterable[str] = ()) -> str:
    """A short text, such as an id, without keys and tokens."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN_KEY)
    if "tml-" not in text and "eyJ" not in text:
        return text
    return _KEY.sub(HIDDEN_KEY.encode(), text.encode()).decode()


def _hide(match: re.Match[bytes]) -> bytes:
    """A field's value, hidden; a key in a field that is not there for one is told apart."""
    typed = any(name.encode() in match[1].lower() for name in _TYPED)
    hidden = HIDDEN if typed or match[2] is None else HIDDEN_KEY
    return match[1] + b'"' + hidden.encode() + b'"'
