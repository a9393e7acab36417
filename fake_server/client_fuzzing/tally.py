"""`Tally`: what a run of many cases has really tried. One that has tried nothing proves nothing."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from fake_server.client_fuzzing.case import Case, Finding
from fake_server.client_fuzzing.stage import Run
from fake_server.fault_rewrites import Rewrite

__all__ = ["Tally"]

MOST_IDLE = 0.5
"""Ours: share of cases in which nothing struck; a fault may be meant for a call that does not come."""
MOST_UNFIT = 0.05
ENOUGH = 20
"""Ours: draws of a kind of fault after which it must have struck."""


@dataclass(slots=True)
class Tally:
    """Counts of one run."""

    cases: int = 0
    effective: int = 0
    """Those in which a fault struck, or an outcome was late."""
    unfit: int = 0
    """Programs that fail where nothing goes wrong."""
    steps: Counter[str] = field(default_factory=Counter)
    """Steps with a value, by their kind."""
    drawn: Counter[str] = field(default_factory=Counter)
    """Faults by kind."""
    struck: Counter[str] = field(default_factory=Counter)
    """Those that struck."""
    ends: Counter[str] = field(default_factory=Counter)
    """How steps ended under faults: `value`, or the name of an error."""
    findings: Counter[str] = field(default_factory=Counter)
    """By kind; `known: …` for those that are."""

    def add(self, case: Case, run: Run) -> None:
        """Count one case."""
        self.cases += 1
        self.effective += any(run.struck) or any(run.late)
        for fault, times in zip(case.faults, run.struck, strict=True):
            kind = fault.what if isinstance(fault, Rewrite) else fault.kind
            self.drawn[kind] += 1
            self.struck[kind] += bool(times)
        for step, heard in zip(case.program.steps, run.heard, strict=True):
            if heard.skipped:
                continue
            self.ends["value" if heard.error is None else type(heard.error).__name__] += 1
            self.steps[step.op] += heard.error is None

    def found(self, findings: Collection[Finding], *, known: bool = False) -> None:
        """Count findings."""
        self.findings.update(f"known: {one.kind}" if known else one.kind for one in findings)

    def __iadd__(self, other: "Tally") -> "Tally":
        """Add the counts of another run."""
        self.cases += other.cases
        self.effective += other.effective
        self.unfit += other.unfit
        for name in ("steps", "drawn", "struck", "ends", "findings"):
            getattr(self, name).update(getattr(other, name))
        return self

    def emptiness(self, kinds: Collection[str] = ()) -> list[str]:
        """Why the run proves less than it says; nothing where it proves it.

        Args:
            kinds: of steps that the client plays: each must have succeeded once.
        """
        if not self.effective:
            return [f"cases: expected some in which a fault struck, got none of {self.cases}"]
        found = []
        if self.effective < (1 - MOST_IDLE) * self.cases:
            found.append(
                f"cases: expected a fault to strike in half of them, got {self.effective} of {self.cases}"
            )
        if self.unfit > MOST_UNFIT * self.cases:
            found.append(
                f"programs: expected at most 5 % that fail by themselves, got {self.unfit} of {self.cases}"
            )
        for kind, drawn in sorted(self.drawn.items()):
            if drawn >= ENOUGH and not self.struck[kind]:
                found.append(f"fault {kind}: expected it to strike, got nothing in {drawn} cases with it")
        found += [
            f"step {kind}: expected it to succeed once, got nothing in {self.cases} cases"
            for kind in sorted(kinds)
            if not self.steps[kind] and self.cases >= ENOUGH
        ]
        return found

    def __str__(self) -> str:
        told = [f"{self.cases} cases, {self.effective} with a fault that struck"]
        for words, counts in (("steps", self.steps), ("faults", self.struck), ("ends", self.ends)):
            told.append(f"{words}: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
        if self.findings:
            told.append("findings: " + ", ".join(f"{name} {count}" for name, count in self.findings.items()))
        return "\n".join(told)
