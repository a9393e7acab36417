"""`Mutant`: a client that is broken in one way, which some scenario has to notice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tests.clients.mini import MiniClient

__all__ = ["Mutant", "Zoo"]

Kind = TypeVar("Kind", bound=type[MiniClient])


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken client."""

    id: str
    """What it does, in a word or three: `new-number-on-retry`."""
    sentence: str
    """The same in one sentence."""
    client: type[MiniClient]
    scenarios: tuple[str, ...]
    """Those that should notice it, likeliest first."""


class Zoo:
    """The mutants of one file, collected by its decorator."""

    def __init__(self) -> None:
        self._mutants: dict[str, Mutant] = {}

    def mutant(self, mutant_id: str, sentence: str, scenarios: str) -> Callable[[Kind], Kind]:
        """Make a mutant of a subclass of the sound client.

        Raises:
            ValueError: for an id that is taken.
        """
        if mutant_id in self._mutants:
            raise ValueError(f"id: expected one that no other mutant has, got {mutant_id!r}")

        def decorate(client: Kind) -> Kind:
            self._mutants[mutant_id] = Mutant(mutant_id, sentence, client, tuple(scenarios.split()))
            return client

        return decorate

    def __iter__(self) -> Iterator[Mutant]:
        """The mutants, in the order in which they stand in the file."""
        return iter(self._mutants.values())
