"""`Tally`: what a hunt found, and whether all is well."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.laws.law import Law
from tests.laws.mutants.hunt import Control, Kill

__all__ = ["Tally"]

MOST_SHOWN = 110


@dataclass(slots=True)
class Tally:
    """The kills of a hunt."""

    sound: Control
    laws: Mapping[str, Law]
    excused: Mapping[str, str]
    """Laws that need notice no mutant, each with the reason."""
    kills: dict[str, Kill] = field(default_factory=dict)
    """The first law that noticed each mutant, by the mutant's id."""
    survivors: list[str] = field(default_factory=list)
    """Mutants that no law noticed."""
    busy: dict[str, str] = field(default_factory=dict)
    """Laws that noticed a mutant, and the first one that they did."""
    swept: bool = False
    """Whether all laws had their chance: only then those that noticed nothing are told."""

    def add(self, mutant_id: str, found: list[Kill]) -> str:
        """Take the first kill of a mutant, or that there is none; a line that says so."""
        if not found:
            self.survivors.append(mutant_id)
            return f"SURVIVES {mutant_id}"
        kill = self.kills[mutant_id] = found[0]
        self.busy.setdefault(kill.law_id, mutant_id)
        text = kill.text if len(kill.text) <= MOST_SHOWN else f"{kill.text[:MOST_SHOWN]}…"
        return f"{kill.law_id:8} {mutant_id}: {'(stumbles) ' if kill.is_error else ''}{text}"

    @property
    def idle(self) -> set[str]:
        """Laws that noticed no mutant so far."""
        return set(self.sound.fit) - set(self.busy)

    @property
    def unexcused(self) -> list[str]:
        """Laws that noticed no mutant, and need a reason or one more mutant."""
        return sorted(self.idle - set(self.excused)) if self.swept else []

    @property
    def stale(self) -> list[str]:
        """Excuses that are none: of laws that noticed a mutant, or that are not there."""
        return sorted(name for name in self.excused if name in self.busy or name not in self.laws)

    @property
    def is_well(self) -> bool:
        """Whether every mutant was noticed, and every law noticed one or has a reason."""
        return not (self.survivors or self.unexcused or self.stale or self.sound.failed)

    def lines(self) -> list[str]:
        """The report, but for the kills."""
        lists = {
            "does not hold on the sound server": self.sound.failed,
            "cannot be tried on the sound server": self.sound.skipped,
            "notices no mutant, and need not": {
                name: text for name, text in self.excused.items() if name in self.idle
            },
            "notices no mutant": {name: self.laws[name].statement for name in self.unexcused},
            "is excused for nothing": {name: self.busy.get(name, "no such law") for name in self.stale},
            "is noticed by a law that stumbles": {
                kill.mutant_id: kill.law_id for kill in self.kills.values() if kill.is_error
            },
        }
        told = [f"{name} {what}: {text}" for what, rows in lists.items() for name, text in rows.items()]
        mutants = len(self.kills) + len(self.survivors)
        return [
            *told,
            f"{len(self.kills)} of {mutants} mutants noticed; {len(self.sound.fit)} laws tried, "
            f"{len(self.unexcused)} notice none",
        ]
