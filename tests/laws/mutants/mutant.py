"""`Mutant`: a server that is broken in one way, which some law has to notice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contract.laws.law import GROUPS
from tests.laws.mutants.bench import Break

__all__ = ["Mutant", "Zoo"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken server."""

    id: str
    """What it does, in a word or three: `gradients-kept`."""
    sentence: str
    """The same in one sentence."""
    breaks: Break
    groups: tuple[str, ...]
    """Of the laws that should notice, likeliest first."""
    seen_in: str = ""
    """The public bug that it stands for, where there is one."""


class Zoo:
    """The mutants of one file, collected by its decorator."""

    def __init__(self) -> None:
        self._mutants: dict[str, Mutant] = {}

    def mutant(
        self, mutant_id: str, sentence: str, groups: str, seen_in: str = ""
    ) -> Callable[[Break], Break]:
        """Make a mutant of a function that breaks a bench.

        Raises:
            ValueError: for an id that is taken, or a group that is none.
        """
        chosen = tuple(groups.split())
        if mutant_id in self._mutants:
            raise ValueError(f"id: expected one that no other mutant has, got {mutant_id!r}")
        if unknown := set(chosen) - set(GROUPS):
            raise ValueError(f"groups: expected some of {', '.join(GROUPS)}, got {', '.join(unknown)}")

        def decorate(breaks: Break) -> Break:
            self._mutants[mutant_id] = Mutant(mutant_id, sentence, breaks, chosen, seen_in)
            return breaks

        return decorate

    def __iter__(self) -> Iterator[Mutant]:
        """The mutants, in the order in which they stand in the file."""
        return iter(self._mutants.values())
