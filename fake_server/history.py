"""`History`: a journal's entries, looked back on: by arrival, each with what came of it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fake_server.entries import Entry
from fake_server.traffic import Exchange

__all__ = ["History"]

FindOutcome = Callable[[str], Any]
"""The outcome of a future by its id, None where it is not known."""


class History(Sequence[Entry]):
    """Entries by number, promises and polls brought together.

    Args:
        exchanges: those that are over.
        open_exchanges: those that still wait for their answer.
        now: the time on the tenant's clock; the last entry's where absent.
        find_outcome: where outcomes are found that nobody has polled.
        secrets: texts that are redacted beside what looks like a key.
        whole: whether the journal has dropped no entries.
    """

    def __init__(
        self,
        exchanges: Iterable[Exchange],
        open_exchanges: Iterable[Exchange] = (),
        *,
        now: float | None = None,
        find_outcome: FindOutcome = lambda _: None,
        secrets: tuple[str, ...] = (),
        whole: bool = True,
    ) -> None:
        ordered = sorted(exchanges, key=lambda exchange: exchange.number)
        self._entries = [Entry(exchange, secrets) for exchange in ordered]
        self.whole = whole
        last = max((e.answered_at or e.arrived_at for e in self._entries), default=0.0)
        self.now = last if now is None else now
        self._find_outcome = find_outcome
        self.promises: dict[str, list[Entry]] = defaultdict(list)
        """Those that were answered with a promise, by its id; more than one where a client sent it again."""
        self.polls: dict[str, list[Entry]] = defaultdict(list)
        """The polls of a future, by its id."""
        self.open_polls = {
            entry.request_id for e in open_exchanges if (entry := Entry(e)).operation == "retrieve_future"
        }
        """Futures that somebody waits for right now."""
        self._connect()

    def _connect(self) -> None:
        for entry in self._entries:
            if entry.is_promise and entry.request_id is not None:
                self.promises[entry.request_id].append(entry)
        for entry in self._entries:
            if entry.operation == "retrieve_future" and entry.request_id is not None:
                self.polls[entry.request_id].append(entry)
                entry.submission = next(iter(self.promises.get(entry.request_id, [])), None)
        for entry in self._entries:
            entry.model_id = self._model_of(entry)
            entry.session_id = self._session_of(entry)
            entry.resolve = self._resolved

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __getitem__(self, index: Any) -> Any:
        return self._entries[index]

    def _model_of(self, entry: Entry) -> str | None:
        if entry.submission is not None:
            return self._model_of(entry.submission)
        model_id: str | None = entry.own("model_id")
        session, number = entry.own("session_id"), entry.own("model_seq_id")
        if model_id is None and session is not None and number is not None:
            return f"{session}:train:{number}"
        return model_id

    def _session_of(self, entry: Entry) -> str | None:
        if entry.submission is not None:
            return self._session_of(entry.submission)
        session: str | None = entry.own("session_id")
        if session is not None:
            return session
        if entry.operation == "create_session":
            answered: str | None = entry.answered("session_id")
            return answered
        owner = self._model_of(entry) or entry.own("sampling_session_id")
        return owner.split(":")[0] if owner and ":" in owner else None

    def _resolved(self, entry: Entry) -> Any:
        """What came of an entry: its answer, or the outcome of the promise in it."""
        if not entry.is_promise or entry.request_id is None:
            return entry.answer
        for poll in reversed(self.polls.get(entry.request_id, [])):
            if poll.is_final:
                return poll.answer
        return self._find_outcome(entry.request_id)
