"""Ids and secrets that derive from a seed: the same run gives the same ids."""

from hashlib import blake2b
from itertools import count
from uuid import UUID

__all__ = ["Ids"]


class Ids:
    """One tenant's source of ids. Nothing here is random."""

    __slots__ = ("_counts", "_root")

    def __init__(self, seed: int, tenant: str) -> None:
        self._root = f"{seed}/{tenant}"
        self._counts: dict[str, count[int]] = {}

    def next(self, kind: str) -> str:
        """A new id in the form of a UUID; the nth of its kind is always the same."""
        number = next(self._counts.setdefault(kind, count()))
        digest = self._digest(f"{kind}/{number}", 16)
        return str(UUID(bytes=digest, version=4))

    def number(self, kind: str) -> int:
        """0, 1, 2 … for each kind."""
        return next(self._counts.setdefault(kind, count()))

    def secret(self, purpose: str) -> bytes:
        """32 bytes to sign with."""
        return self._digest(f"secret/{purpose}", 32)

    def _digest(self, text: str, size: int) -> bytes:
        return blake2b(f"{self._root}/{text}".encode(), digest_size=size).digest()
