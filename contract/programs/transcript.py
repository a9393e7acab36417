"""`Transcript`: what a server did with a program."""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Event", "Fate", "Transcript"]

Fate = Literal["answer", "result", "failure", "refused", "held", "malformed", "lost", "nothing"]
"""Of a step, in this order: answered at once; its future has a result, or failed; refused by a status; its
future waits for a number that did not come; the answer is not the contract's; no answer; nothing to do."""
EFFECTIVE = ("answer", "result", "held")


@dataclass(frozen=True, slots=True)
class Event:
    """What came of a step."""

    step: str
    """The step, as Python; `survey` for what was asked at the end."""
    operation: str
    fate: Fate
    status: int
    """Of the last answer; 0 where none came."""
    category: str = ""
    """Of a failure: whose fault it was."""
    shape: Any = None
    """What an answer has, without numbers, tokens and times; ids in the program's words."""
    text: str = ""
    """What the server said of an error."""
    numbers: tuple[float, ...] = ()
    """What was computed, in the order of the answer."""

    @property
    def is_effective(self) -> bool:
        """Whether the server did what it was asked."""
        return self.fate in EFFECTIVE

    def __str__(self) -> str:
        told = self.fate if self.status in (0, 200, 204) else f"{self.fate} {self.status}"
        detail = self.text or ("" if self.shape is None else str(self.shape))
        return f"{self.step}: {told}{f' ({self.category})' if self.category else ''} {detail}".rstrip()


@dataclass(frozen=True, slots=True)
class Transcript:
    """What came of all steps, in the order of the program, and of a survey at the end."""

    events: tuple[Event, ...]

    def __str__(self) -> str:
        return "\n".join(f"{number:>3} {event}" for number, event in enumerate(self.events))
