"""`fuzz_command`: a client that is a command, under random faults; what it does it says itself."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

from fake_server.client_fuzzing.fates import FATES, Fate, Place, Sketch, fault_sketches, placed, worst_fate
from fake_server.client_fuzzing.fuzz import try_each
from fake_server.fake import Fake, FakeServer
from fake_server.faults import Schedule
from fake_server.history import History
from fake_server.scenarios import CLEAN, SCENARIOS
from fake_server.scenarios.clients import Client
from fake_server.scenarios.judgement import Reference
from fake_server.scenarios.scenario import Ends, Scenario
from fake_server.scenarios.trial import SECONDS, Outcome, refer, try_scenario

__all__ = ["CommandFound", "CommandHunted", "fuzz_command", "places_in"]

SPARED = frozenset({"client_config", "client_dynamic_config", "telemetry", "retrieve_future", "healthz"})
"""Operations that are not struck for themselves: of polls each one is, by what it polls."""
TOLD = tuple(kind for kind, fate in FATES.items() if fate != "anything")
"""Kinds that no command may believe."""
ENDS: dict[Fate, Ends] = {"survive": "well", "refuse": "either", "anything": "either"}


class CommandFound(AssertionError):
    """A schedule under which a command does what no right client does."""

    def __init__(self, schedule: Schedule, outcome: Outcome) -> None:
        faults = "\n".join(f"  {fault}" for fault in schedule.faults)
        super().__init__(f"{outcome.text}\nwhile this happens:\n{faults}")
        self.schedule = schedule
        self.outcome = outcome


@dataclass(slots=True)
class CommandHunted:
    """What came of it."""

    runs: int = 0
    effective: int = 0
    """Those in which a fault struck."""
    struck: Counter[str] = field(default_factory=Counter)
    """Faults that struck, by kind."""
    found: CommandFound | None = None
    """With the smallest schedule that finds the same."""
    empty: str = ""
    """Why it proves nothing."""

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        fired = [words for words, times in (outcome.deeds.struck if outcome.deeds else {}).items() if times]
        self.runs += 1
        self.effective += bool(fired)
        self.struck.update(words.split(" ")[0] for words in fired)


def places_in(history: History) -> list[Place]:
    """The calls that a run has made, each of which may be struck."""
    counts: Counter[tuple[str, str | None]] = Counter()
    found = []
    for entry in history:
        future = None
        if entry.operation == "retrieve_future":
            promises = history.promises.get(entry.request_id or "")
            future = promises[0].operation if promises else None
        if future is None and entry.operation in SPARED:
            continue
        counts[entry.operation, future] += 1
        found.append(Place(entry.operation, future, counts[entry.operation, future]))
    return found


def fuzz_command(
    client: Client,
    server: FakeServer,
    *,
    runs: int,
    seed_number: int,
    seconds: float = SECONDS,
    kinds: Sequence[str] = TOLD,
    most_faults: int = 2,
    database: Path | None = None,
    on_run: Callable[[Outcome], None] = lambda _outcome: None,
) -> CommandHunted:
    """Run a command under schedules that the seed alone determines, until the first finding, shrunk.

    Args:
        client: the command.
        server: one of `fake_server.scenarios.trial.scenario_server`, running.
        runs: how many, beside two in which nothing goes wrong, and those that shrink a finding.
        seed_number: of the draws.
        seconds: how long one run may take.
        kinds: of faults, keys of `fake_server.client_fuzzing.fates.FATES`.
        most_faults: of one run.
        database: a folder of earlier findings, which are tried first; new ones are added.
        on_run: told of each run.

    Raises:
        ValueError: if the command fails where nothing goes wrong; the text says how.
        OSError: if it cannot be started.
    """
    places, reference = _clean(client, server, seconds)
    hunted = CommandHunted()

    def trial(sketches: list[Sketch]) -> None:
        schedule = placed(sketches, places)
        outcome = try_scenario(_scenario(schedule), client, server, reference, seconds)
        hunted.add(outcome)
        on_run(outcome)
        if outcome.verdict == "broken":
            raise CommandFound(schedule, outcome)

    drawn = st.lists(fault_sketches(kinds), min_size=1, max_size=most_faults)
    try:
        try_each(trial, drawn, examples=runs, seed_number=seed_number, database=database)
    except CommandFound as found:
        hunted.found = found
    if not hunted.effective:
        hunted.empty = f"runs: expected some in which a fault struck, got none of {hunted.runs}"
    return hunted


def _clean(client: Client, server: FakeServer, seconds: float) -> tuple[list[Place], Reference]:
    first, second = (try_scenario(SCENARIOS[CLEAN], client, server, None, seconds) for _ in range(2))
    for outcome in (first, second):
        if outcome.verdict != "holds":
            told = f"{outcome.text}\n{outcome.details.get('standard error', '')}".rstrip()
            raise ValueError(f"the command: expected it to do well where nothing goes wrong; {told}")
    assert first.deeds is not None
    places = places_in(first.deeds.history)
    if not places:
        raise ValueError("the command: expected requests that may be struck, got none to TINKER_BASE_URL")
    return places, refer(first, second)


def _scenario(schedule: Schedule) -> Scenario:
    def prepare(fake: Fake) -> None:
        fake.faults.add(schedule)

    return Scenario(
        id="SCN-00",
        statement="Faults were drawn.",
        phase="life",
        source="ours: drawn",
        breaks="",
        prepare=prepare,
        ends=ENDS[worst_fate(schedule)],
    )
