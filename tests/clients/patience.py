"""`Patience`: what is sent again, after how long, how often at most."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from tests.clients.transport import Reply

__all__ = ["Patience"]

PASSING = frozenset({402, 408, 409, 429})
"""With 5xx, the statuses that pass. Source: contract.errors.STATUSES."""
BILLING_SECONDS = 5.0
"""Pause after 402. Source: sdk 0.38.0 lib/internal_client_holder.py."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How a client tries again. All numbers are ours, near the SDK's."""

    attempts: int = 10
    """Of one request; of one future, so many errors in a row."""
    first_seconds: float = 0.5
    """The first pause; each one after it is twice as long."""
    most_seconds: float = 10.0
    """The longest pause of our own choice."""
    most_asked_seconds: float = 600.0
    """The longest that a server may ask for."""
    polls: int = 1000
    """Of one future; each waits at the server for up to 30 s."""
    poll_seconds: float = 45.0
    """How long a poll's answer may take. Source: sdk 0.38.0 lib/api_future_impl.py."""
    refused_polls: int = 3
    """How often a poll is sent again after 400. Source: sdk 0.38.0 lib/api_future_impl.py."""
    beat_seconds: float = 10.0
    """Between heartbeats. Source: sdk 0.38.0 lib/internal_client_holder.py."""

    def passes(self, reply: Reply | None) -> bool:
        """Whether the next attempt may be answered otherwise; None is no answer at all."""
        if reply is None:
            return True
        if (said := reply.headers.get("x-should-retry")) in ("true", "false"):
            return said == "true"
        empty = reply.status == 400 and not reply.body  # some proxy's: a server would say why
        return reply.status in PASSING or reply.status >= 500 or empty

    def pause(self, reply: Reply | None, attempt: int, now: float) -> float:
        """Seconds before the attempt after number `attempt`, from 0: as long as the server asks, or ours."""
        asked = None if reply is None else _asked(reply.headers, now)
        if asked is not None:
            return min(asked, self.most_asked_seconds)
        if reply is not None and reply.status == 402:
            return BILLING_SECONDS
        return min(self.first_seconds * 2.0**attempt, self.most_seconds)


def _asked(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that an answer asks to wait; None where it does not."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        if "retry-after" in headers:
            return max(0.0, float(headers["retry-after"]))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - now)
    except (KeyError, ValueError):
        return None
