"""`Player`: a client under trial, as something that plays programs; `Heard`: what it made of one step."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contract.programs import Program
from contract.programs.step import Step

__all__ = ["Hang", "Heard", "Pending", "Player"]


class Hang(Exception):
    """The client has not come back in time; whoever plays it raises this."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the client gave back for one step."""

    value: Any = None
    """Numbers, texts, lists and mappings of them; what two right runs have in common."""
    error: BaseException | None = None
    """What it raised in place of a value."""
    skipped: bool = False
    """Whether the step could not be tried: what it needs had failed."""

    def __str__(self) -> str:
        if self.skipped:
            return "nothing: what it needs had failed"
        return repr(self.value) if self.error is None else f"{type(self.error).__name__}: {self.error}"


Pending = Callable[[], Any]
"""Waits for the outcome of a step, and gives its value."""


class Missing(Exception):
    """What a step names has failed to come about."""


class _Once:
    """An outcome that is waited for once, however often it is asked for."""

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self._heard: Heard | None = None

    @property
    def heard(self) -> Heard:
        if self._heard is None:
            try:
                self._heard = Heard(self._pending())
            except Exception as error:
                self._heard = Heard(error=error)
        return self._heard


class Player(ABC):
    """A client that plays programs, one after the other, in one world.

    A subclass begins each kind of step that `begin` is given; sessions, models, samplers and checkpoints are
    kept here. Values have no ids, paths or times in them.
    """

    documented: tuple[type[BaseException], ...] = ()
    """Errors that its users are told of; any other is a finding."""

    def __init__(self) -> None:
        self._things: dict[str, list[_Once]] = {}

    def play(self, program: Program) -> list[Heard]:
        """What came of each step; steps that do not wait are waited for at the end."""
        self._things = {}
        begun: list[_Once] = []
        for step in program.steps:
            one = _Once(self._begin(step))
            if step.makes is not None:
                self._things.setdefault(step.makes, []).append(one)
            if getattr(step, "wait", True):
                one.heard  # noqa: B018 # the next step comes after its outcome
            begun.append(one)
        return [self._told(step, one.heard) for step, one in zip(program.steps, begun, strict=True)]

    def _begin(self, step: Step) -> Pending:
        try:
            return self.begin(step)
        except Exception as error:
            return _raising(error)

    def _told(self, step: Step, heard: Heard) -> Heard:
        if isinstance(heard.error, Missing):
            return Heard(skipped=True)
        return heard if step.makes is None or heard.error is not None else Heard(step.makes)

    def thing(self, kind: str, number: int) -> Any:
        """A model, sampler or checkpoint that an earlier step makes; waits for it.

        Raises:
            Missing: if it has failed.
        """
        things = self._things.get(kind, [])
        heard = things[number].heard if number < len(things) else Heard(skipped=True)
        if heard.value is None:
            raise Missing(f"{kind} {number}")
        return heard.value

    def count(self, kind: str) -> int:
        """How many sessions, models, samplers or checkpoints the program has made so far."""
        return len(self._things.get(kind, []))

    @abstractmethod
    def begin(self, step: Step) -> Pending:
        """Begin a step: for one that makes something the outcome is that thing, else its value.

        Raises:
            NotImplementedError: for a kind of step that the client has not.
        """
        ...

    def close(self) -> None:
        """Let the world go."""
        return


def _raising(error: Exception) -> Pending:
    def pending() -> Any:
        raise error

    return pending
