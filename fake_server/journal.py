"""`Journal`: what a tenant was asked and what it answered, decoded, in the order of the answers."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from contract.versions import SdkVersion
from fake_server.assertions import Asserting
from fake_server.entries import fields_of, plain
from fake_server.history import History
from fake_server.queries import Calls
from fake_server.summaries import outline
from fake_server.traffic import Exchange

__all__ = ["Journal", "as_fields"]

MOST_ENTRIES = 10_000
"""Ours: entries that are kept; older ones are counted and dropped."""
MOST_BYTES = 64 * 1024 * 1024
"""Ours: what the kept bodies may have on the wire; beyond it the oldest large ones become outlines."""
LARGE_BYTES = 4096
"""Ours: from here on a body counts as large; smaller ones are 80 MB at most in all entries."""


def _nothing(_: str) -> None:
    return None


class Journal(Asserting):
    """The exchanges of a tenant that are over, oldest first. What it writes has no keys and tokens.

    Args:
        limit: most entries.
        byte_limit: most bytes of large bodies; above it the oldest ones are replaced by their outline.
        tenant: whose journal it is.
        secrets: API keys that do not look like one; they are redacted as well.
        now: the tenant's time; that of the last entry where absent.
        find_outcome: where the outcomes of futures are found that nobody polled.
        open_exchanges: what is not answered yet.
    """

    def __init__(
        self,
        limit: int = MOST_ENTRIES,
        byte_limit: int = MOST_BYTES,
        *,
        tenant: str = "",
        secrets: tuple[str, ...] = (),
        now: Callable[[], float | None] = lambda: None,
        find_outcome: Callable[[str], Any] = _nothing,
        open_exchanges: Callable[[], Iterable[Exchange]] = tuple,
    ) -> None:
        self._entries: deque[Exchange] = deque()
        self._large: deque[Exchange] = deque()
        """Those of `_entries` whose bodies are large and whole, in the same order."""
        self._large_bytes = 0
        self._limit, self._byte_limit = limit, byte_limit
        self.tenant = tenant
        self.secrets = secrets
        self._now, self._find_outcome, self._open = now, find_outcome, open_exchanges
        self.total = 0
        """How many there were, those that were dropped included."""
        self._cleared = False

    def add(self, exchange: Exchange) -> None:
        """Take an exchange that is over."""
        self._entries.append(exchange)
        self.total += 1
        if _size(exchange) > LARGE_BYTES:
            self._large.append(exchange)
            self._large_bytes += _size(exchange)
            self._shorten()
        if len(self._entries) > self._limit:
            dropped = self._entries.popleft()
            if self._large and self._large[0] is dropped:
                self._large_bytes -= _size(self._large.popleft())

    def _shorten(self) -> None:
        while self._large_bytes > self._byte_limit:
            oldest = self._large.popleft()
            self._large_bytes -= _size(oldest)
            oldest.request = outline(plain(oldest.request, self.secrets))
            oldest.answer = outline(plain(oldest.answer, self.secrets))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._large.clear()
        self._large_bytes = 0
        self.total = 0
        self._cleared = True

    def __iter__(self) -> Iterator[Exchange]:
        """All entries that are kept, oldest first."""
        return iter(list(self._entries))

    def __len__(self) -> int:
        """How many entries are kept."""
        return len(self._entries)

    def history(self) -> History:
        """The entries by number, each with what came of it."""
        return History(
            self,
            self._open(),
            now=self._now(),
            find_outcome=lambda request_id: plain(self._find_outcome(request_id), self.secrets),
            secrets=self.secrets,
            whole=self.total == len(self._entries) and not self._cleared,
        )

    def calls(
        self,
        *operations: str,
        session: str | None = None,
        model: str | None = None,
        status: int | None = None,
        sdk: str | None = None,
    ) -> Calls:
        """The calls of these operations, or of all, oldest first.

        Args:
            operations: names as in the table of endpoints, the SDK's words for some of them, such as
                `sample` and `save_state`, or patterns with `*`.
            session: only those of this session.
            model: only those about this model, their polls included.
            status: only those answered with this status; 0 for those that nobody waited for.
            sdk: only those of this client version.

        Raises:
            LookupError: for an operation that there is not.
        """
        chosen = Calls(self.history()).calls(*operations)
        wanted = {"session_id": session, "model_id": model, "status": status}
        given = {name: value for name, value in wanted.items() if value is not None}
        if sdk is not None:
            given["sdk_version"] = str(SdkVersion.parse(sdk))
        return chosen.where(**given) if given else chosen


def _size(exchange: Exchange) -> int:
    return exchange.request_bytes + exchange.answer_bytes


def as_fields(exchange: Exchange, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """An entry as JSON has it."""
    return fields_of(exchange, secrets)
