"""`Identities`: which live id stands for which reference while a cassette is replayed."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from fake_server.cassettes.references import expanded, substituted
from fake_server.service import Service
from fake_server.times import utc

__all__ = ["CASSETTE_FILES", "PACKAGE", "Identities"]

CASSETTE_FILES = "/files/cassette/"
"""Path of a replayed download."""
PACKAGE = str(Path(__file__).parents[1])
"""Where this package is: answers name the folder of the built-in tokenizer."""
LATER = timedelta(days=1)
"""Ours: how far ahead a time is that was to come. Clients ask again for URLs that expire within minutes."""


class Identities:
    """The live ids of one replay. They are minted when they are first answered."""

    def __init__(self, service: Service, made_of: Mapping[str, str]) -> None:
        self._service = service
        self._made_of = made_of
        self._ids: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def named(self, value: Any) -> Any:
        """A live JSON value with references in the place of ids."""
        return substituted(value, self._names)

    def live(self, value: Any, base_url: str) -> Any:
        """A recorded JSON value with live ids, times and URLs.

        Args:
            value: as the cassette has it.
            base_url: where this client reaches the tenant.
        """
        return expanded(value, lambda name: self._id_of(name, base_url))

    def _id_of(self, name: str, base_url: str = "") -> str:
        kind, _, number = name.partition(":")
        if kind in ("now", "later"):
            time = utc(self._service.clock.now()) + (LATER if kind == "later" else timedelta())
            return time.isoformat().replace("+00:00", "Z")
        if kind == "package":
            return PACKAGE
        if kind == "url":
            return f"{base_url}{CASSETTE_FILES}{number}"
        if name not in self._ids:
            self._bind(name, self._minted(name, kind))
        return self._ids[name]

    def _minted(self, name: str, kind: str) -> str:
        made_of = self._made_of.get(name)
        if made_of is None:
            return self._service.ids.next(kind)
        made: str = expanded(made_of, self._id_of)
        return made

    def _bind(self, name: str, live: str) -> None:
        self._ids[name] = live
        self._names[live] = f"<{name}>"
        for (
            other,
            made_of,
        ) in self._made_of.items():  # clients make these ids by themselves, before any answer
            if made_of.startswith(f"<{name}>") and other not in self._ids:
                self._id_of(other)
