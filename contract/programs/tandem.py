"""`Tandem`: a program that is carried out step by step, on one server, or on two that must do the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from contract.laws.subject import Subject
from contract.programs.comparison import KnownDifference, compare, unexplained
from contract.programs.interpreter import Run
from contract.programs.program import Program
from contract.programs.step import Step
from contract.programs.transcript import Event, Transcript

__all__ = ["Disagreement", "Tandem"]


class Disagreement(AssertionError):
    """Two servers made something else of a step; the text shows both."""


@dataclass(slots=True)
class Tandem:
    """Grows with each step. Two servers are compared after each, as `compare` does."""

    runs: tuple[Run, ...]
    """On one server, or on each of two."""
    known: Mapping[str, KnownDifference] = field(default_factory=dict)
    """What two servers may do differently."""
    tolerance: float | None = None
    """How near numbers of two servers must be, absolute and relative; None to not compare them."""
    steps: list[Step] = field(default_factory=list)

    @classmethod
    def on(
        cls,
        subject: Subject,
        other: Subject | None = None,
        *,
        known: Mapping[str, KnownDifference] | None = None,
        tolerance: float | None = None,
    ) -> Self:
        """A program without steps, so far."""
        subjects = (subject,) if other is None else (subject, other)
        return cls(tuple(map(Run.on, subjects)), known or {}, tolerance)

    @property
    def program(self) -> Program:
        """All steps so far; `run` carries them out again, on any server."""
        return Program.of(*self.steps)

    def take(self, step: Step) -> tuple[Event, ...]:
        """Do the next step; what came of it on each server.

        Raises:
            Disagreement: if two servers differ in it, or in what waited for it.
        """
        self.steps.append(step)
        events = tuple(run.take(step) for run in self.runs)
        self._agree([run.transcript for run in self.runs])
        return events

    def look(self, step: Step) -> tuple[Event, ...]:
        """Ask what a step asks, which is answered at once and has no number; it is no part of the program.

        Raises:
            Disagreement: if two servers differ in it.
        """
        events = tuple(run.look(step) for run in self.runs)
        self._agree([Transcript((event,)) for event in events])
        return events

    def finish(self) -> None:
        """Fetch all that was not waited for, and look at what the servers have in the end.

        Raises:
            Disagreement: if two servers differ in it.
        """
        for run in self.runs:
            run.finish()
        self._agree([run.transcript for run in self.runs])
        if len(self.runs) > 1:
            self._agree([Transcript(tuple(run.survey())) for run in self.runs])

    def _agree(self, transcripts: list[Transcript]) -> None:
        one, *others = transcripts
        for other in others:
            left = unexplained(compare(one, other, tolerance=self.tolerance), self.known)
            if left:
                told = "\n".join(map(str, left))
                raise Disagreement(f"two servers: expected the same of each step, got\n{told}")
