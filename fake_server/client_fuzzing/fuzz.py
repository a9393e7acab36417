"""`ClientFuzz`: tries cases on a client; `hunt`: draws many, and shrinks the first that finds something."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Self, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import FlakyFailure

from contract.programs import Program
from fake_server.client_fuzzing.case import Case, Finding
from fake_server.client_fuzzing.hazards import PLAIN, WORLDS
from fake_server.client_fuzzing.oracle import judged
from fake_server.client_fuzzing.smaller import smallest
from fake_server.client_fuzzing.stage import OpenPlayer, Run, Stage
from fake_server.client_fuzzing.tally import Tally
from fake_server.clock import Clock
from fake_server.fake import Fake, FakeServer

__all__ = ["ClientFuzz", "Found", "Hunted", "hunt", "try_each"]

Drawn = TypeVar("Drawn")
NUMBERS = count()
KEPT = 64
"""Ours: programs whose clean runs are kept."""


class Found(AssertionError):
    """A case with which something was found."""

    def __init__(self, case: Case, findings: list[Finding]) -> None:
        told = "\n".join(map(str, findings))
        super().__init__(f"{told}\nin {case}")
        self.case = case
        self.findings = findings

    def __reduce__(self) -> tuple[type["Found"], tuple[Case, list[Finding]]]:
        """What makes it again in another process."""
        return Found, (self.case, self.findings)


class ClientFuzz:
    """Tries cases on one client.

    Args:
        server: one of `fake_server.scenarios.scenario_server`, running.
        client: opens the client in a world.
        reference: opens another one whose runs are right; the client itself, without faults, where absent.
        clocks: called for each world; its time, the machine's where None.
        cases_per_world: after so many the client gets a new world, and begins anew.
        known: tells findings that are known already; they are counted and do not fail.
        ignored_rules: of the verdict, by id.
        kept: programs whose clean runs are kept.
    """

    def __init__(
        self,
        server: FakeServer,
        client: OpenPlayer,
        reference: OpenPlayer | None = None,
        *,
        clocks: Callable[[], Clock | None] = lambda: None,
        cases_per_world: int = 1,
        known: Callable[[Case, Finding], bool] = lambda _case, _finding: False,
        ignored_rules: Collection[str] = (),
        kept: int = KEPT,
    ) -> None:
        self._server, self._client, self._reference = server, client, reference
        self._clocks, self._per_world, self._known = clocks, cases_per_world, known
        self._kept = kept
        self._ignored = frozenset(ignored_rules)
        self._stages: dict[tuple[OpenPlayer, str], Stage] = {}
        self._clean: OrderedDict[str, Run] = OrderedDict()
        self.tally = Tally()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def try_case(self, case: Case) -> list[Finding]:
        """What is found with a case, without what is known."""
        clean = self._clean_run(case.program)
        stage = self._stage(self._client, case.world)
        run = stage.run(case)
        self.tally.add(case, run)
        documented, notes = stage.player.documented, self._reference is not None
        findings = judged(case, clean, run, documented, self._ignored, notes=notes)
        known = [one for one in findings if self._known(case, one)]
        new = [one for one in findings if one not in known]
        self.tally.found(known, known=True)
        self.tally.found(new)
        if any(heard.error is not None for heard in run.heard):  # what it left may still be at work
            self._drop(self._client, case.world)
        return new

    def check(self, case: Case) -> None:
        """Try a case.

        Raises:
            Found: with what was found.
        """
        if findings := self.try_case(case):
            raise Found(case, findings)

    def smallest(self, found: Found) -> Found:
        """The same, of a case without all that it can do without."""
        kind = found.findings[0].kind
        last = found.findings

        def finds(case: Case) -> bool:
            nonlocal last
            findings = self.try_case(case)
            alike = any(one.kind == kind for one in findings)
            last = findings if alike else last
            return alike

        case = smallest(found.case, finds)
        return Found(case, last)

    def _clean_run(self, program: Program) -> Run:
        key = repr(program)
        if key in self._clean:
            self._clean.move_to_end(key)
            return self._clean[key]
        run = self._stage(self._reference or self._client, PLAIN).run(Case(program))
        self._clean[key] = run
        self.tally.unfit += any(heard.error is not None or heard.skipped for heard in run.heard)
        if len(self._clean) > self._kept:
            self._clean.popitem(last=False)
        return run

    def _stage(self, client: OpenPlayer, world_name: str) -> Stage:
        stage = self._stages.get((client, world_name))
        if stage is not None and stage.played < self._per_world:
            return stage
        self._drop(client, world_name)
        settings, clock = WORLDS[world_name], self._clocks()
        world = Fake(self._server, f"fuzz-{next(NUMBERS)}", settings=settings, clock=clock)
        world.service.ids.restore("fuzz", {})  # the same ids in each: samples may derive from them
        self._stages[client, world_name] = stage = Stage(world, client)
        return stage

    def _drop(self, client: OpenPlayer, world_name: str) -> None:
        if (stage := self._stages.pop((client, world_name), None)) is not None:
            stage.close()

    def close(self) -> None:
        """Let its worlds go."""
        for client, world_name in list(self._stages):
            self._drop(client, world_name)


@dataclass(frozen=True, slots=True)
class Hunted:
    """What came of a hunt."""

    tally: Tally
    found: Found | None = None
    """With the smallest case that finds the same."""
    flaky: bool = False
    """Whether it was not found again with the same case: something of the cases before it plays a part."""
    empty: tuple[str, ...] = field(default=())
    """Why it proves less than it says."""


def try_each(
    trial: Callable[[Drawn], None],
    drawn: st.SearchStrategy[Drawn],
    *,
    examples: int,
    seed_number: int,
    shrink: bool = True,
    database: Path | None = None,
) -> None:
    """Call `trial` with examples that the seed alone determines; raises the first failure, shrunk or not.

    Args:
        trial: fails where something is found.
        drawn: its examples.
        examples: how many.
        seed_number: of the draws.
        shrink: whether the failure is made simpler.
        database: a folder of earlier failures, which are tried first; new ones are added.
    """
    phases = (Phase.reuse, Phase.generate, *([Phase.shrink] if shrink else []))
    chosen = settings(
        max_examples=examples,
        database=None if database is None else DirectoryBasedExampleDatabase(database),
        deadline=None,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=phases,
        suppress_health_check=(HealthCheck.too_slow,),  # a case is a client's whole life
    )
    chosen(seed(seed_number)(given(drawn)(trial)))()  # the other way round, seed() would drop the database


def hunt(
    fuzz: ClientFuzz,
    drawn: st.SearchStrategy[list[Case]],
    *,
    examples: int,
    seed_number: int,
    kinds: Iterable[str] = (),
    simple_values: bool = True,
    database: Path | None = None,
) -> Hunted:
    """Try cases that the seed alone determines; end with the first finding, shrunk to what it needs.

    Args:
        fuzz: tries them.
        drawn: cases, several at once: `batches()`.
        examples: how many draws.
        seed_number: of the draws.
        kinds: of steps of which each must have succeeded once.
        simple_values: whether the parameters of its steps and faults become simpler, too, which takes some
            hundred cases more.
        database: a folder of earlier findings, which are tried first; new ones are added.
    """

    def trial(batch: list[Case]) -> None:
        for case in batch:
            fuzz.check(case)

    try:
        try_each(
            trial,
            drawn,
            examples=examples,
            seed_number=seed_number,
            shrink=simple_values,
            database=database,
        )
    except Found as found:
        return Hunted(fuzz.tally, fuzz.smallest(found))
    except FlakyFailure as flaky:  # found once, and not again with the same case
        return Hunted(fuzz.tally, next(one for one in flaky.exceptions if isinstance(one, Found)), flaky=True)
    return Hunted(fuzz.tally, empty=tuple(fuzz.tally.emptiness(list(kinds))))
