"""`Scenario`: a numbered thing that may happen to a client, and how a right one comes out of it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack

from fake_server.fake import Fake
from fake_server.history import History
from fake_server.settings import Settings

__all__ = ["CLEAN", "GROUPS", "PHASES", "Ends", "Expected", "Scenario", "ScenarioBook"]

ID = re.compile(r"SCN-\d{2}\Z")
CLEAN = "SCN-01"
"""The scenario in which nothing goes wrong; the others are compared with it."""
GROUPS = {"SCN": "what may happen to a client"}
"""Words for the letters of the ids, as reports want them."""
PHASES = {
    "start": "configuration, keys, sessions, models",
    "pass": "forward_backward",
    "step": "optim_step",
    "poll": "results that are polled",
    "answer": "what an answer carries",
    "weights": "saving and loading",
    "sample": "sampling",
    "life": "time, heartbeats, the end",
}
Ends = Literal["well", "badly", "either"]
"""How the command of a right client ends: with status 0; with another and words; or with either."""


def _always(_history: History) -> bool:
    return True


class Expected(TypedDict, total=False):
    """The fields of a `Scenario` that say what comes of it, for the decorator."""

    ends: Ends
    says: tuple[str, ...]
    allows: tuple[str, ...]
    settings: Settings
    environment: Mapping[str, str]
    same_operations: bool
    happened: Callable[[History], bool]
    rereads: str | None
    slow: bool


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that may happen."""

    id: str
    """`SCN-07`. Never given to another scenario."""
    statement: str
    """One sentence, of what happens."""
    phase: str
    """Of a client's life, as `PHASES` names it."""
    source: str
    """Why it may happen, or what a right client then does: an SDK's file, an RFC, or `ours: <reason>`."""
    breaks: str
    """How clients usually fail it, and what that does to their users."""
    prepare: Callable[[Fake], None]
    """Sets on a fresh world what shall happen."""
    ends: Ends = "well"
    """How the command of a right client ends."""
    says: tuple[str, ...] = ()
    """Words of which a command that fails prints one; any output where there are none."""
    allows: tuple[str, ...] = ()
    """Rules of the verdict that may be broken here."""
    settings: Settings = field(default_factory=Settings)
    """Of the world."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Beside URL and key."""
    same_operations: bool = True
    """Whether as many operations are done as where nothing goes wrong."""
    happened: Callable[[History], bool] = _always
    """Whether a run came so far, where no fault tells."""
    rereads: str | None = None
    """The operation whose spoilt result a right client does not take for one: it polls again, or fails."""
    slow: bool = False
    """Whether it takes long: such scenarios begin first."""

    @property
    def group(self) -> str:
        """The letters of its id."""
        return self.id.partition("-")[0]


class ScenarioBook:
    """The scenarios of one file, collected by its decorator."""

    def __init__(self, phase: str) -> None:
        self._phase = phase
        self._scenarios: dict[str, Scenario] = {}

    def scenario(
        self, scenario_id: str, statement: str, *, source: str, breaks: str, **expected: Unpack[Expected]
    ) -> Callable[[Callable[[Fake], None]], Callable[[Fake], None]]:
        """Make a scenario of the function that prepares it.

        Raises:
            ValueError: for an id that is none, or is taken.
        """
        if not ID.match(scenario_id):
            raise ValueError(f"id: expected 'SCN-' and two digits, got {scenario_id!r}")
        if scenario_id in self._scenarios:
            raise ValueError(f"id: expected one that no other scenario has, got {scenario_id!r}")

        def decorate(prepare: Callable[[Fake], None]) -> Callable[[Fake], None]:
            self._scenarios[scenario_id] = Scenario(
                scenario_id, statement, self._phase, source, breaks, prepare, **expected
            )
            return prepare

        return decorate

    def __iter__(self) -> Iterator[Scenario]:
        """The scenarios, in the order in which they stand in the file."""
        return iter(self._scenarios.values())
