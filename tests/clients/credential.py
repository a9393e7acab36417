"""`Credential`: what is sent as X-API-Key: the key, or a token that is exchanged for it and renewed."""

import base64
from typing import Any

from pydantic_core import from_json

from tests.clients.errors import WrongAnswer

__all__ = ["Credential", "claims_of"]

LEAST_SECONDS = 60.0
"""A token with less life left, or less than half of it, is renewed. Source: sdk 0.38.0 lib/_jwt_auth.py."""


def claims_of(token: str) -> dict[str, Any]:
    """When a token was made and when it ends, unchecked.

    Raises:
        WrongAnswer: if there are none to read.
    """
    try:
        middle = token.split(".")[1]
        claims = from_json(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return {"exp": float(claims["exp"]), "iat": float(claims["iat"])}
    except (IndexError, KeyError, TypeError, ValueError):
        raise WrongAnswer("auth_token: expected a token that says when it expires, got another") from None


class Credential:
    """A key, and the token that stands for it where the server wants one."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._token = ""
        self._until = 0.0

    def put(self, token: str, now: float) -> None:
        """Take a token that was made just now. Its life counts by our clock, so that clocks may differ.

        Raises:
            WrongAnswer: if it does not say how long that is.
        """
        claims = claims_of(token)
        life = claims["exp"] - claims["iat"]
        self._token, self._until = token, now + life - min(LEAST_SECONDS, life / 2)

    def is_fresh(self, now: float) -> bool:
        """Whether there is a token that will do for a while."""
        return bool(self._token) and now < self._until

    @property
    def text(self) -> str:
        """The token where there is one, else the key."""
        return self._token or self.key
