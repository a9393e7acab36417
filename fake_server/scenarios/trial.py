"""`try_scenario`: one scenario, one client, and what came of it; `try_scenarios`: many, side by side."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any, Literal

from contract import OPERATIONS, UNSERVED
from contract.laws.reports.record import Exchanged
from fake_server.entries import Entry
from fake_server.fake import Fake, FakeServer
from fake_server.history import History
from fake_server.scenarios.clients import Client
from fake_server.scenarios.judgement import Deeds, Reference, deeds_of, problems, unmet
from fake_server.scenarios.remains import open_remembering
from fake_server.scenarios.scenario import CLEAN, Scenario
from fake_server.verdict import told

__all__ = ["SECONDS", "Outcome", "Verdict", "refer", "scenario_server", "try_scenario", "try_scenarios"]

Verdict = Literal["holds", "broken", "skipped", "error"]
SECONDS = 60.0
"""Ours: how long a run may take; the SDK needs 3 s for most, and 30 s for the longest."""
MOST_ENTRIES = 50
"""Ours: of the journal, the newest requests."""
MOST_LINES, LINES_BEFORE = 10, 2
"""Ours: of the journal in few words, and how many of these stand before the first that was struck."""
MOST_BODY = 2000
"""Ours: characters of a body in a report."""
ROUTES = {row.name: row for row in (*OPERATIONS, *UNSERVED)}
TENANTS = count()
"""Tells apart the tenants of a process: a scenario may be tried more than once at a time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario."""

    scenario: Scenario
    verdict: Verdict
    text: str = ""
    """What was expected and what came; the reason of a skip; empty where the client is right."""
    seconds: float = 0.0
    trace: tuple[Exchanged, ...] = ()
    """The requests of a client that is not."""
    details: Mapping[str, str] = field(default_factory=dict)
    """How its command ended, what it printed, what was set up, what rules it broke."""
    deeds: Deeds | None = None
    """What it did; None where it was not run."""

    @property
    def id(self) -> str:
        """Of the scenario."""
        return self.scenario.id

    @property
    def case(self) -> Scenario:
        """What was tried."""
        return self.scenario


def scenario_server(port: int = 0) -> FakeServer:
    """A server for clients under trial, not started yet.

    Raises:
        OSError: if the port is taken.
    """
    return FakeServer(open_remembering, port=port)


def try_scenario(
    scenario: Scenario,
    client: Client,
    server: FakeServer,
    reference: Reference | None = None,
    seconds: float = SECONDS,
) -> Outcome:
    """Try one scenario, in a world of its own.

    Args:
        scenario: what shall happen.
        client: whom to try.
        server: one of `scenario_server`, running.
        reference: from `refer`, for scenarios in which something goes wrong.
        seconds: how long the client may take.

    Raises:
        OSError: if the command cannot be started.
    """
    name = f"{scenario.id.lower()}-{next(TENANTS)}"
    key = f"tml-{name}"
    settings = replace(scenario.settings, auth=replace(scenario.settings.auth, api_keys=(key,)))
    fake = Fake(server, name, settings=settings)
    try:
        fake.service.ids.restore("scenario", {})  # the same ids in all of them: samples may derive from these
        scenario.prepare(fake)
        variables = {**fake.env(), **scenario.environment, "TINKER_API_KEY": key}
        ending = client(variables, seconds)
        deeds = deeds_of(fake, ending)
        return _outcome(scenario, deeds, reference)
    finally:
        fake.close()


def _outcome(scenario: Scenario, deeds: Deeds, reference: Reference | None) -> Outcome:
    found = problems(scenario, deeds, reference)
    reason = unmet(scenario, deeds)
    if reason and deeds.ending.status == 0:
        return Outcome(scenario, "skipped", reason, deeds.ending.seconds, deeds=deeds)
    if not found and not len(deeds.history):
        found = ["the command: expected requests to TINKER_BASE_URL, got none"]
    if not found:
        return Outcome(scenario, "holds", "", deeds.ending.seconds, deeds=deeds)
    text = "; also ".join([*found, reason] if reason else found)
    return Outcome(
        scenario, "broken", text, deeds.ending.seconds, trace_of(deeds.history), _details(deeds), deeds
    )


def trace_of(history: History) -> tuple[Exchanged, ...]:
    """The newest requests, oldest first."""
    return tuple(map(_exchanged, list(history)[-MOST_ENTRIES:]))


def _exchanged(entry: Entry) -> Exchanged:
    row = ROUTES[entry.operation]
    faults = f"[{', '.join(entry.faults)}] " if entry.faults else ""
    return Exchanged(
        method=row.method,
        path=row.route,
        request=_body(entry.fields["request"]),
        status=entry.status,
        answer=f"{faults}{_body(entry.answer)}",
    )


def _body(value: Any) -> str:
    text = "" if value is None else json.dumps(value)
    return text if len(text) <= MOST_BODY else f"{text[:MOST_BODY]}… ({len(text)} characters)"


def _details(deeds: Deeds) -> dict[str, str]:
    struck = "\n".join(f"{words}: {times} times" for words, times in deeds.struck.items())
    named = {
        "ended": f"{deeds.ending.words} after {deeds.ending.seconds:.1f} s",
        "happened": struck,
        "requests": _story(deeds.history),
        "rules": told(deeds.findings) if deeds.findings else "",
        "left": ", ".join(f"{count} {name}" for name, count in sorted(deeds.remains.operations.items())),
        "standard output": deeds.ending.output,
        "standard error": deeds.ending.errors,
    }
    return {name: text for name, text in named.items() if text.strip()}


def _story(history: History) -> str:
    """A line for each of a few requests: those around the first that was struck, or the last."""
    entries = list(history)
    first = next((at for at, entry in enumerate(entries) if entry.faults), len(entries))
    begin = max(0, min(first - LINES_BEFORE, len(entries) - MOST_LINES))
    return "\n".join(map(_line, entries[begin : begin + MOST_LINES]))


def _line(entry: Entry) -> str:
    number = "" if entry.seq_id is None else f" {entry.seq_id}"
    faults = f", struck by {', '.join(entry.faults)}" if entry.faults else ""
    return f"#{entry.number} {entry.operation}{number}: {entry.status or 'no answer'}{faults}"


def refer(first: Outcome, second: Outcome) -> Reference:
    """What two runs of the first scenario have in common."""
    assert first.deeds is not None
    assert second.deeds is not None
    one, other = first.deeds.remains, second.deeds.remains
    operations = not one.difference(other, weights=False)
    weights = operations and not one.difference(other)
    rules = frozenset(finding.rule.id for finding in (*first.deeds.findings, *second.deeds.findings))
    return Reference(one, operations, weights, rules)


def try_scenarios(
    scenarios: Iterable[Scenario],
    clean: Scenario,
    client: Client,
    server: FakeServer,
    *,
    jobs: int = 1,
    seconds: float = SECONDS,
) -> Iterator[Outcome]:
    """Try scenarios side by side; their outcomes come as they end, that of the clean one first.

    The clean one is run twice, whatever is asked for. Where its command fails, nothing else can be judged.

    Args:
        scenarios: which.
        clean: the one in which nothing goes wrong.
        client: whom to try.
        server: one of `scenario_server`, running.
        jobs: how many at once.
        seconds: how long each may take.

    Raises:
        OSError: if the command cannot be started.
    """
    others = sorted((one for one in scenarios if one.id != CLEAN), key=lambda one: not one.slow)
    with ThreadPoolExecutor(jobs, "scenario") as pool:
        trial = partial(try_scenario, client=client, server=server, seconds=seconds)
        try:
            yield from _side_by_side(pool, others, trial, clean)
        except BaseException:  # nobody waits for the others: do not begin them, and end those that run
            pool.shutdown(wait=False, cancel_futures=True)
            client.end()
            raise


def _side_by_side(
    pool: ThreadPoolExecutor, others: list[Scenario], trial: Callable[..., Outcome], clean: Scenario
) -> Iterator[Outcome]:
    first, second = pool.map(trial, [clean, clean])
    yield first if first.verdict != "holds" else second
    if any(one.deeds is None or one.deeds.ending.status != 0 for one in (first, second)):
        reason = f"{CLEAN} does not hold: who fails where nothing goes wrong cannot be judged"
        yield from (Outcome(one, "skipped", reason) for one in others)
        return
    compared = partial(trial, reference=refer(first, second))
    running: set[Future[Outcome]] = {pool.submit(compared, one) for one in others}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)
