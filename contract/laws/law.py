"""`Law`: a numbered statement about servers of this API, and the function that tries it."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contract.laws.subject import Subject

__all__ = ["GROUPS", "Broken", "Law", "Lawbook", "Skipped", "laws_by_id"]

ID = re.compile(r"[A-Z]{3,4}-\d{2}\Z")
GROUPS = {
    "WIRE": "encodings, headers, negotiation, errors",
    "FUT": "futures: polls, replays, gaps, order",
    "SES": "sessions, heartbeats, the end",
    "TRN": "training, as a schema can see it",
    "MET": "training, as no schema can see it",
    "SMP": "sampling",
    "WGT": "weights, checkpoints, paths",
    "ACC": "keys, tokens, isolation",
}


class Broken(AssertionError):
    """A law does not hold; the text says what was expected and what came."""


class Skipped(Exception):
    """A law cannot be tried on this server; the text says why."""


@dataclass(frozen=True, slots=True)
class Law:
    """One statement of behaviour."""

    id: str
    """Group and number: `FUT-07`. Never given to another law."""
    statement: str
    """One sentence, of what a server does."""
    source: str
    """Where it comes from: an SDK's file, a paper, the wire as observed, or `ours: <reason>`."""
    breaks: str
    """How servers usually break it, and what that does to their users."""
    check: Callable[["Subject"], None]
    """Raises `Broken` where it does not hold, `Skipped` where it cannot be tried."""
    needs: tuple[str, ...] = ()
    """Features without which it cannot be tried, as `contract.laws.features` names them."""
    since: str = "0.1.0"
    """First SDK release for whose clients it holds."""
    until: str | None = None
    """Last such release; None where there is none."""

    @property
    def group(self) -> str:
        """The letters of its id."""
        return self.id.partition("-")[0]


class Lawbook:
    """The laws of one file, collected by its decorator."""

    def __init__(self) -> None:
        self._laws: dict[str, Law] = {}

    def law(
        self,
        law_id: str,
        statement: str,
        *,
        source: str,
        breaks: str,
        needs: tuple[str, ...] = (),
        since: str = "0.1.0",
        until: str | None = None,
    ) -> Callable[[Callable[["Subject"], None]], Callable[["Subject"], None]]:
        """Make a law of a function.

        Raises:
            ValueError: for an id of no group, or one that is taken.
        """
        if not ID.match(law_id) or law_id.partition("-")[0] not in GROUPS:
            raise ValueError(f"id: expected {' or '.join(GROUPS)}, '-' and two digits, got {law_id!r}")
        if law_id in self._laws:
            raise ValueError(f"id: expected one that no other law has, got {law_id!r}")

        def decorate(check: Callable[["Subject"], None]) -> Callable[["Subject"], None]:
            self._laws[law_id] = Law(law_id, statement, source, breaks, check, needs, since, until)
            return check

        return decorate

    def __iter__(self) -> Iterator[Law]:
        """The laws, in the order in which they stand in the file."""
        return iter(self._laws.values())


def laws_by_id(books: Iterable[Iterable[Law]]) -> dict[str, Law]:
    """The laws of several books, in their order.

    Raises:
        ValueError: for an id that two books have.
    """
    found: dict[str, Law] = {}
    for law in (law for book in books for law in book):
        if law.id in found:
            raise ValueError(
                f"id: expected one that no other book has, got {law.id!r} for {law.statement!r} "
                f"and for {found[law.id].statement!r}; give the newer law the next free number"
            )
        found[law.id] = law
    return found
