"""Ids and secrets that derive from a seed: the same run gives the same ids."""

from collections.abc import Mapping
from hashlib import blake2b
from uuid import UUID

__all__ = ["Ids"]


class Ids:
    """One tenant's source of ids. Nothing here is random."""

    __slots__ = ("_counts", "_root")

    def __init__(self, seed: int, tenant: str) -> None:
        self._root = f"{seed}/{tenant}"
        self._counts: dict[str, int] = {}

    def next(self, kind: str) -> str:
        """A new id in the form of a UUID; the nth of its kind is always the same."""
        number = self.number(kind)
        digest = self._digest(f"{kind}/{number}", 16)
        return str(UUID(bytes=digest, version=4))

    def number(self, kind: str) -> int:
        """0, 1, 2 … for each kind."""
        number = self._counts.get(kind, 0)
        self._counts[kind] = number + 1
        return number

    @property
    def root(self) -> str:
        """What all ids and secrets derive from."""
        return self._root

    def counts(self) -> dict[str, int]:
        """How many there were of each kind."""
        return dict(self._counts)

    def restore(self, root: str, counts: Mapping[str, int]) -> None:
        """Go on as another source would that had this root and these counts."""
        self._root = root
        self._counts = dict(counts)

    def secret(self, purpose: str) -> bytes:
        """32 bytes to sign with."""
        return self._digest(f"secret/{purpose}", 32)

    def _digest(self, text: str, size: int) -> bytes:
        return blake2b(f"{self._root}/{text}".encode(), digest_size=size).digest()
