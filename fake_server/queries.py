"""`Calls`: entries of a journal that were chosen, and how to choose among them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fake_server.assertions import Asserting
from fake_server.entries import Entry
from fake_server.history import History
from fake_server.selectors import matches, names_of, value_at

__all__ = ["Calls"]


class Calls(Asserting, Sequence[Entry]):
    """Chosen entries, oldest first."""

    def __init__(
        self, history: History, entries: Sequence[Entry] | None = None, subject: str = "a call"
    ) -> None:
        self.history = history
        self._entries = list(history) if entries is None else list(entries)
        self.subject = subject
        """What these are, for messages."""

    def __repr__(self) -> str:
        return f"<{len(self)} of {self.subject}: {', '.join(map(repr, self._entries[:5]))}>"

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __getitem__(self, index: Any) -> Any:
        return self._entries[index]

    def calls(self, *operations: str) -> "Calls":
        """Those of these operations; all where none is named.

        Raises:
            LookupError: for an operation that there is not.
        """
        if not operations:
            return self
        names = {name for operation in operations for name in names_of(operation)}
        chosen = [entry for entry in self._entries if entry.operation in names]
        return Calls(self.history, chosen, " or ".join(operations))

    def where(self, predicate: Callable[[Entry], object] | None = None, /, **fields: Any) -> "Calls":
        """Those with these values.

        Args:
            predicate: what must be true of an entry.
            fields: by name: of the entry itself (`status`, `seq_id`, `model_id`, `session_id` …) or of its
                request, `a__b` for b in a. A value is compared; a function is asked; of an object, those
                fields that it has are compared.
        """
        chosen = [
            entry
            for entry in self._entries
            if (predicate is None or predicate(entry))
            and all(matches(value, value_at(entry, name)) for name, value in fields.items())
        ]
        return Calls(self.history, chosen, self.subject)

    def first(self) -> Entry:
        """The oldest.

        Raises:
            JournalMismatch: if there is none.
        """
        self.assert_called()
        return self._entries[0]

    def last(self) -> Entry:
        """The newest.

        Raises:
            JournalMismatch: if there is none.
        """
        self.assert_called()
        return self._entries[-1]

    def one(self) -> Entry:
        """The only one.

        Raises:
            JournalMismatch: if there are more, or none.
        """
        self.assert_called_once()
        return self._entries[0]

    def outcomes(self) -> list[Any]:
        """What came of each: the answer, or the outcome of the promise in it."""
        return [entry.outcome for entry in self._entries]

    def failed(self) -> "Calls":
        """Those that were answered with an error, or whose outcome is a failure."""
        return self.where(lambda entry: entry.failure is not None)
