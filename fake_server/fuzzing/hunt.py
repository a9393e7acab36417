"""`hunt`: examples of one kind, until one breaks a law; then the least of them that does."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hypothesis import Phase, Verbosity, example, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import FailedHealthCheck, Flaky, Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test

from fake_server.fuzzing.fault import Fault
from fake_server.fuzzing.finding import Finding, found
from fake_server.fuzzing.request import Request
from fake_server.fuzzing.trial import Bench, Trial

__all__ = ["Hunt", "hunt_flows", "hunt_requests"]

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
Known = set[tuple[str, str]]


@dataclass(slots=True)
class Hunt:
    """What came of a search."""

    drawn: int = 0
    """Examples that were begun, before anything was found."""
    tried: int = 0
    """Of these, those that were sent."""
    finding: Finding | None = None
    trouble: str = ""
    """Why nothing could be tried, or not enough."""


def number_of(*parts: Hashable) -> int:
    """A seed of its own for each part of a run; the same on every machine."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest())


def _settings(examples: int, folder: Path | None, steps: int = 1) -> settings:
    database = None if folder is None else DirectoryBasedExampleDatabase(folder)
    return settings(
        max_examples=examples,
        deadline=None,  # a server may take its time
        database=database,
        phases=PHASES,
        stateful_step_count=steps,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        print_blob=False,
    )


def hunt_requests(
    bench: Bench,
    strategy: Callable[[Callable[[], object]], st.SearchStrategy[Request]],
    known: Known,
    *,
    first: Sequence[Request],
    examples: int,
    number: int,
    folder: Path | None = None,
) -> Hunt:
    """Search some requests, then those of a strategy, which is given what to call at each draw."""
    hunt = Hunt(drawn=len(first))

    def begin() -> None:
        hunt.drawn += hunt.finding is None

    @seed(number)
    @_settings(examples, folder)
    @given(strategy(begin))
    def trying(request: Request) -> None:
        hunt.tried += hunt.finding is None
        trial = Trial(bench)
        try:
            trial.run(request)
        except Fault as fault:
            if (fault.operation, fault.law) not in known:
                hunt.finding = found(fault, trial, bench.driver.url)
                raise

    for request in reversed(first):
        trying = example(request)(trying)
    _search(trying, hunt)
    return hunt


def hunt_flows(
    bench: Bench, known: Known, *, examples: int, steps: int, number: int, folder: Path | None = None
) -> Hunt:
    """Search the sequences of operations."""
    from fake_server.fuzzing.flow import flows_of

    hunt = Hunt()
    trials: list[Trial] = []
    base: Any = flows_of(bench, trials)

    @seed(number)
    class Flow(base):  # type: ignore[misc]
        def setup(self) -> None:
            super().setup()
            hunt.drawn += hunt.finding is None
            hunt.tried += hunt.finding is None

        def step(self, input: Any) -> Any:  # noqa: A002 - schemathesis names it
            try:
                return super().step(input)
            except Fault as fault:
                if (fault.operation, fault.law) not in known:
                    hunt.finding = found(fault, self.trial, bench.driver.url)
                    raise
                return None

    _search(lambda: run_state_machine_as_test(Flow, settings=_settings(examples, folder, steps)), hunt)
    return hunt


def _search(search: Callable[[], object], hunt: Hunt) -> None:
    try:
        search()
    except Fault:
        pass  # the least of all that break this law: it was seen last
    except Flaky as flaky:
        hunt.trouble = f"does not do the same each time: {str(flaky).splitlines()[0]}"
    except (FailedHealthCheck, Unsatisfiable) as error:
        hunt.trouble = " ".join(str(error).split())
