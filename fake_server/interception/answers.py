"""`Answers`: where the answers to intercepted requests come from."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

import httpx

from contract import Endpoint

__all__ = ["Answers", "RequestIn"]


@dataclass(frozen=True, slots=True)
class RequestIn:
    """A request that was intercepted."""

    row: Endpoint | None
    """The operation; None where no operation has that method and path."""
    prefix: str
    """Path of the base URL, without a slash at its end."""
    http: httpx.Request
    """As the client made it, its body read."""

    @property
    def path(self) -> str:
        """Its path below the base URL."""
        return self.http.url.path.removeprefix(self.prefix)


class Answers(Protocol):
    """Something that answers requests."""

    def __call__(self, request: RequestIn) -> httpx.Response | Awaitable[httpx.Response]:
        """The answer; awaitable where the client is asynchronous."""
        ...
