"""`judged`: what a scenario asks of a client, held against what it did."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fake_server.entries import Entry
from fake_server.fake import Fake
from fake_server.history import History
from fake_server.rules.rule import Finding
from fake_server.scenarios.clients import Ending
from fake_server.scenarios.remains import Remains, remains_of
from fake_server.scenarios.scenario import Scenario
from fake_server.verdict import grave

__all__ = ["UNFINISHED", "Deeds", "Reference", "deeds_of", "problems", "unmet"]

UNFINISHED = frozenset({"CLI-10", "CLI-11"})
"""Rules that a client may break that gives up for a reason: what it had begun it does not read."""
SPOILT = frozenset({"empty_body", "wrong_result", "bad_protobuf", "bad_json", "garbage", "nan"})
"""Faults of answers that carry no result."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What two runs have in common in which nothing goes wrong."""

    remains: Remains
    operations: bool = True
    """Whether both did the same operations; if not, they are not compared."""
    weights: bool = True
    """Whether both left the same models and checkpoints."""
    rules: frozenset[str] = frozenset()
    """Rules that are broken even then: they count there, and in no other scenario."""


@dataclass(frozen=True, slots=True)
class Deeds:
    """What a client did in a world."""

    ending: Ending
    history: History
    remains: Remains
    findings: tuple[Finding, ...] = ()
    struck: Mapping[str, int] = field(default_factory=dict)
    """How often each thing that was set happened, by its words."""


def deeds_of(fake: Fake, ending: Ending) -> Deeds:
    """What was done in a world until now."""
    history = fake.journal.history()
    struck = {str(one.fault): one.fired for one in fake.faults}
    for active in fake.delivery.rules:
        struck[f"delivery {active.rule.model_dump_json(exclude_defaults=True)}"] = active.fired
    for stub in fake.stubs:
        struck[f"a canned {stub.row.name}"] = stub.used
    return Deeds(ending, history, remains_of(fake, history), grave(fake.verdict.findings), struck)


def unmet(scenario: Scenario, deeds: Deeds) -> str:
    """Why a run proves nothing of a scenario; empty where it proves something."""
    if deeds.struck and not any(deeds.struck.values()):
        return f"the command did nothing that this would strike: {', '.join(deeds.struck)}"
    if not scenario.happened(deeds.history):
        return "the command did not come so far, or has no use for it"
    return ""


def problems(scenario: Scenario, deeds: Deeds, reference: Reference | None) -> list[str]:
    """What a right client would have done otherwise, as expectations; nothing where it is right.

    Args:
        scenario: what happened.
        deeds: what the client did.
        reference: of runs in which nothing goes wrong; None for one of these.
    """
    ending = deeds.ending
    if ending.status is None:
        return [f"the command: expected an end, got {ending.words}; it hangs, and was ended"]
    found = _problems_of_the_end(scenario, ending)
    found += _problems_of_rules(scenario, deeds, reference)
    if scenario.rereads is not None and ending.status == 0 and not _reread(deeds.history, scenario.rereads):
        found.append(
            f"{scenario.rereads}: expected a result that is no result to be polled again, or a failure, "
            "got a command that went on with it"
        )
    if found or reference is None:
        return found
    if ending.status != 0:
        return list(filter(None, [deeds.remains.excess(reference.remains) if reference.operations else ""]))
    difference = deeds.remains.difference(
        reference.remains,
        operations=reference.operations and scenario.same_operations,
        weights=reference.weights,
    )
    return list(filter(None, [difference]))


def _problems_of_the_end(scenario: Scenario, ending: Ending) -> list[str]:
    if ending.status == 0:
        if scenario.ends == "badly":
            return ["the command: expected a failure that is told, got exit status 0; it went by unnoticed"]
        return []
    if scenario.ends == "well":
        return [f"the command: expected exit status 0, got {ending.words}"]
    told = f"{ending.output}\n{ending.errors}".lower()
    if ending.status is not None and ending.status < 0:
        return [f"the command: expected a failure that is told, got {ending.words}"]
    if not told.strip() or not (not scenario.says or any(word.lower() in told for word in scenario.says)):
        words = " or ".join(map(repr, scenario.says)) or "anything"
        return [f"the command's output: expected {words}, got {ending.words} without it"]
    return []


def _problems_of_rules(scenario: Scenario, deeds: Deeds, reference: Reference | None) -> list[str]:
    allowed = {*scenario.allows, *(reference.rules if reference else ())}
    if deeds.ending.status != 0:
        allowed |= UNFINISHED
    broken = {f.rule.id: f for f in deeds.findings if f.rule.id not in allowed}
    return [
        f"{name} {finding.rule.title}: expected a client that keeps the rules, got {finding.detail}"
        for name, finding in broken.items()
    ]


def _reread(history: History, operation: str) -> bool:
    """Whether every future of an operation has a poll whose result was whole."""
    for promises in history.promises.values():
        polls = history.polls.get(promises[0].request_id or "", [])
        if promises[0].operation == operation and any(map(_spoilt, polls)) and _spoilt(polls[-1]):
            return False
    return True


def _spoilt(poll: Entry) -> bool:
    return not SPOILT.isdisjoint(poll.faults)
