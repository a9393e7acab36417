"""Tenants: the URL prefix `/t/<name>` is a world of its own; no prefix is the default one."""

import re
import threading
from collections.abc import Iterator
from typing import Protocol

from contract import BadRequest, TooManyRequests
from fake_server.clock import Clock
from fake_server.service import Service
from fake_server.settings import Settings

__all__ = ["CONTROL", "DEFAULT", "MakeService", "Tenants"]

DEFAULT = "default"
PREFIX = "/t/"
CONTROL = "/-/"
"""Below a tenant's prefix: where the controls are, and the page."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
MOST_TENANTS = 10_000


class MakeService(Protocol):
    """Makes a tenant."""

    def __call__(self, name: str, own: Settings | None = None, clock: Clock | None = None) -> Service:
        """A new tenant, with settings and a clock of its own or the usual ones."""
        ...


class Tenants:
    """All tenants of a server. They are made on first use, or by `add`."""

    def __init__(self, make: MakeService) -> None:
        self._make = make
        self._services: dict[str, Service] = {}
        self._lock = threading.Lock()
        self.alone = False
        """Whether the default tenant has every path: a prefix is then a part of it."""

    def get(self, name: str = DEFAULT) -> Service:
        """The tenant of that name, made now if there is none.

        Raises:
            BadRequest: if the name is not made of letters, digits, `.`, `_` and `-`.
            TooManyRequests: if there are too many tenants.
        """
        service = self._services.get(name)
        if service is not None:
            return service
        with self._lock:
            return self._services.get(name) or self._new(name, None, None)

    def add(self, name: str, settings: Settings | None = None, clock: Clock | None = None) -> Service:
        """A new tenant with settings and a clock of its own; the server's where absent.

        One that had the name is dropped: a client that lives on may have made it by a late request.

        Raises:
            BadRequest: if the name is not made of letters, digits, `.`, `_` and `-`.
            TooManyRequests: if there are too many tenants.
        """
        with self._lock:
            earlier = self._services.pop(name, None)
            service = self._new(name, settings, clock)
        if earlier is not None:
            earlier.close()  # without the lock: its work may take a while to end
        return service

    def _new(self, name: str, settings: Settings | None, clock: Clock | None) -> Service:
        if not NAME.match(name):
            raise BadRequest(f"tenant: expected 1 to 64 letters, digits, '.', '_' or '-', got {name!r}")
        if len(self._services) >= MOST_TENANTS:
            raise TooManyRequests(f"tenant: expected at most {MOST_TENANTS}, got {name!r}; drop some")
        return self._services.setdefault(name, self._make(name, settings, clock))

    def drop(self, name: str) -> None:
        """Forget a tenant and all it has; unknown names are ignored."""
        service = self._services.pop(name, None)
        if service is not None:
            service.close()

    def end_polls(self) -> None:
        """Answer every poll that waits, and those that come."""
        for service in self:
            service.traffic.end_waits()

    def split(self, path: str) -> tuple[str, str, str]:
        """Tenant, prefix and the rest of a URL path."""
        if self.alone or not path.startswith(PREFIX):
            return DEFAULT, "", path
        name, slash, rest = path[len(PREFIX) :].partition("/")
        return name, PREFIX + name, slash + rest

    def __iter__(self) -> Iterator[Service]:
        """All tenants, oldest first."""
        return iter(list(self._services.values()))

    def __len__(self) -> int:
        """How many tenants there are."""
        return len(self._services)

    def close(self) -> None:
        """Drop all tenants."""
        for name in list(self._services):
            self.drop(name)
