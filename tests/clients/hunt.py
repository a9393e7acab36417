"""`python -m tests.clients.hunt [MUTANT …]`: every broken client has to be noticed by some scenario."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial

from fake_server.fake import FakeServer
from fake_server.rules.rule import Finding
from fake_server.scenarios import SCENARIOS
from fake_server.scenarios.clients import Client, function_client
from fake_server.scenarios.judgement import Reference
from fake_server.scenarios.scenario import CLEAN
from fake_server.scenarios.trial import Outcome, refer, scenario_server, try_scenario
from fake_server.verdict import judge
from tests.clients.idle_scenarios import IDLE_SCENARIOS
from tests.clients.life import live_in
from tests.clients.mini import MiniClient
from tests.clients.mutants import MUTANTS
from tests.clients.mutants.mutant import Mutant

__all__ = ["Kill", "Tally", "client_of", "hunt", "kills_of", "main", "sound_outcomes"]

SECONDS, SLOW_SECONDS = 30.0, 60.0
"""How long a run may take; of the scenarios that take long, the longest takes the sound client 27 s."""
JOBS = 6
"""Runs at once: they mostly wait."""
MOST_SHOWN = 140
USUAL_NOTE = "CLI-18"
"""The loop keeps its last checkpoint."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A scenario that noticed a mutant."""

    mutant_id: str
    scenario_id: str
    text: str
    """What it says."""


def client_of(kind: type[MiniClient]) -> Client:
    """The training loop with such a client, as scenarios run it."""

    def run(environment: Mapping[str, str]) -> None:
        report = live_in(environment, kind)
        if not report["ok"]:
            raise SystemExit(report["error"])

    return function_client(run)


def kills_of(
    mutant: Mutant, server: FakeServer, scenario_ids: Sequence[str], most: int | None = None
) -> list[Kill]:
    """The scenarios that notice a mutant, tried in this order after the clean one; at most so many.

    Who is noticed where nothing goes wrong is not tried in the others.
    """
    client = client_of(mutant.client)
    clean = try_scenario(SCENARIOS[CLEAN], client, server, None, SECONDS)
    if clean.verdict == "broken":
        return [_kill(mutant, clean)]
    if notes := _notes(clean):
        return [Kill(mutant.id, CLEAN, f"{notes[0].rule.id} {notes[0].rule.title}: {notes[0].detail}")]
    reference = refer(clean, clean)
    kills: list[Kill] = []
    for name in scenario_ids:
        outcome = _try(name, client, server, reference)
        if outcome.verdict == "broken":
            kills.append(_kill(mutant, outcome))
            if most is not None and len(kills) >= most:
                break
    return kills


def _try(name: str, client: Client, server: FakeServer, reference: Reference) -> Outcome:
    scenario = SCENARIOS[name]
    return try_scenario(scenario, client, server, reference, SLOW_SECONDS if scenario.slow else SECONDS)


def _notes(clean: Outcome) -> list[Finding]:
    """Notes of the verdict where nothing goes wrong, that the sound client does not get."""
    return [] if clean.deeds is None else [f for f in judge(clean.deeds.history) if f.rule.id != USUAL_NOTE]


def _kill(mutant: Mutant, outcome: Outcome) -> Kill:
    return Kill(mutant.id, outcome.id, outcome.text)


def sound_outcomes(server: FakeServer) -> list[Outcome]:
    """What all scenarios say of the sound client."""
    client = client_of(MiniClient)
    clean = try_scenario(SCENARIOS[CLEAN], client, server, None, SECONDS)
    reference = refer(clean, clean)
    names = [name for name in SCENARIOS if name != CLEAN]
    with ThreadPoolExecutor(JOBS) as pool:
        others = pool.map(lambda name: _try(name, client, server, reference), names)
        return [clean, *others]


@dataclass(slots=True)
class Tally:
    """What a hunt found, and whether all is well."""

    excused: Mapping[str, str]
    """Scenarios that need notice no mutant, each with the reason."""
    fit: list[str] = field(default_factory=list)
    """Scenarios that hold for the sound client: only they can notice a mutant."""
    unfit: dict[str, str] = field(default_factory=dict)
    """Those that do not hold for it, or do not concern it, and why."""
    failed: dict[str, str] = field(default_factory=dict)
    """Of these the ones that it breaks."""
    kills: dict[str, list[Kill]] = field(default_factory=dict)
    """By the mutant's id."""
    swept: bool = False
    """Whether all scenarios had their chance."""

    def note_sound(self, outcomes: Iterable[Outcome]) -> None:
        """Take what the scenarios say of the sound client."""
        for outcome in outcomes:
            if outcome.verdict == "holds":
                self.fit.append(outcome.id)
            elif outcome.verdict == "skipped":
                self.unfit[outcome.id] = outcome.text
            else:
                self.failed[outcome.id] = outcome.text

    def add(self, mutant_id: str, found: list[Kill]) -> None:
        """Take the kills of a mutant."""
        self.kills.setdefault(mutant_id, []).extend(found)

    @property
    def survivors(self) -> list[str]:
        """Mutants that no scenario noticed."""
        return [name for name, found in self.kills.items() if not found]

    @property
    def idle(self) -> list[str]:
        """Scenarios that noticed no mutant."""
        busy = {kill.scenario_id for found in self.kills.values() for kill in found}
        return [name for name in self.fit if name not in busy]

    @property
    def unexcused(self) -> list[str]:
        """Those that need a reason or one more mutant."""
        return [name for name in self.idle if name not in self.excused] if self.swept else []

    @property
    def stale(self) -> list[str]:
        """Excuses of scenarios that noticed a mutant, or that are not there."""
        return [
            n for n in self.excused if self.swept and (n not in SCENARIOS or n in {*self.fit} - {*self.idle})
        ]

    @property
    def is_well(self) -> bool:
        """Whether every mutant was noticed, and every scenario noticed one or has a reason."""
        return not (self.survivors or self.unexcused or self.stale or self.failed)

    def lines(self) -> list[str]:
        """The report."""
        told = [f"SURVIVES {name}: {MUTANTS[name].sentence}" for name in self.survivors]
        rows = {
            "does not hold for the sound client": self.failed,
            "does not concern this client": self.unfit,
            "notices no mutant, and need not": {n: self.excused[n] for n in self.idle if n in self.excused},
            "notices no mutant": {n: SCENARIOS[n].statement for n in self.unexcused},
            "is excused for nothing": dict.fromkeys(self.stale, "it notices one, or is not there"),
        }
        told += [f"{name} {what}: {text}" for what, row in rows.items() for name, text in row.items()]
        count = len(self.kills)
        return [
            *told,
            f"{count - len(self.survivors)} of {count} mutants noticed; {len(self.fit)} scenarios tried",
        ]


def hunt(tally: Tally, mutants: Sequence[Mutant], server: FakeServer, tell: Callable[[str], object]) -> None:
    """Find a scenario that notices each mutant: its own ones first, and where these do not, any."""

    def told(mutant: Mutant, found: list[Kill]) -> None:
        tally.add(mutant.id, found)
        for kill in found[:1]:
            tell(f"{kill.scenario_id} {mutant.id}: {kill.text[:MOST_SHOWN]}")

    own = [(mutant, [name for name in mutant.scenarios if name in tally.fit]) for mutant in mutants]
    _spread(own, server, 1, told)
    left = [MUTANTS[name] for name in tally.survivors]
    others = [(mutant, [n for n in tally.fit if n not in {CLEAN, *mutant.scenarios}]) for mutant in left]
    _spread(others, server, 1, told)


def sweep(tally: Tally, mutants: Sequence[Mutant], server: FakeServer) -> None:
    """Try on each scenario that noticed none so far the mutants that name it."""
    wanted = [(mutant, [name for name in tally.idle if name in mutant.scenarios]) for mutant in mutants]
    _spread(
        [(mutant, names) for mutant, names in wanted if names],
        server,
        None,
        lambda mutant, found: tally.add(mutant.id, found),
    )
    tally.swept = True


def _spread(
    work: Sequence[tuple[Mutant, list[str]]],
    server: FakeServer,
    most: int | None,
    tell: Callable[[Mutant, list[Kill]], None],
) -> None:
    """Do the work side by side; what comes of it is told as it comes."""
    with ThreadPoolExecutor(JOBS, "hunt") as pool:
        running = {pool.submit(kills_of, mutant, server, names, most): mutant for mutant, names in work}
        for done in as_completed(running):
            tell(running[done], done.result())


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt, report, and say by the exit status whether all is well."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients.hunt", description=__doc__)
    parser.add_argument(
        "only", nargs="*", help="ids of mutants; all where absent, and then the scenarios, too"
    )
    only = parser.parse_args(arguments).only
    if unknown := set(only) - set(MUTANTS):
        parser.error(f"expected ids of mutants, got {', '.join(sorted(unknown))}")
    chosen = [MUTANTS[name] for name in only or MUTANTS]
    tally = Tally({} if only else IDLE_SCENARIOS)
    with scenario_server() as server:
        tally.note_sound(sound_outcomes(server))
        hunt(tally, chosen, server, partial(print, flush=True))
        if not only:
            sweep(tally, chosen, server)
    print("\n".join(tally.lines()))
    return 0 if tally.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
