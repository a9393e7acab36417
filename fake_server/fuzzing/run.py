"""`fuzz`: a run: each operation's requests, then sequences; and whether enough was tried to say anything."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from contract.laws.law import Broken
from fake_server.fuzzing.cases import register_protobuf, requests_of
from fake_server.fuzzing.finding import Finding
from fake_server.fuzzing.hunt import Hunt, Known, hunt_flows, hunt_requests, number_of
from fake_server.fuzzing.plain import plain
from fake_server.fuzzing.profiles import Profile
from fake_server.fuzzing.request import ROWS
from fake_server.fuzzing.trial import Bench
from fake_server.fuzzing.variants import variants_of

__all__ = ["DANGEROUS", "FLOWS", "Report", "fuzz"]

DANGEROUS = "delete_api_key"
"""Takes the run's own key away: tried only on a server that can forget that."""
FLOWS = "sequences"
MOST_FINDINGS = 3
"""Of one operation in a run."""
MOST_REJECTED = 0.05
FEW = 2
"""Examples that are no share of anything: of a dozen one is more than 5 %."""
LACKING = (404, 405, 501)

Tell = Callable[[str, str, bool, float], None]
"""Told of each part: name, group, whether something was found, seconds."""


@dataclass(slots=True)
class Report:
    """What a run found."""

    seed: int
    tried: dict[str, int] = field(default_factory=dict)
    """Requests by operation, and sequences."""
    drawn: int = 0
    """Examples that were begun; those that were rejected were not sent."""
    reached: dict[str, int] = field(default_factory=dict)
    """Successes by operation."""
    findings: list[Finding] = field(default_factory=list)
    vacuous: list[str] = field(default_factory=list)
    """Why the run proves less than it seems to."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Operations that were not tried, and why."""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing was found, by enough tries."""
        return not self.findings and not self.vacuous


def fuzz(
    bench: Bench,
    profile: Profile,
    seed: int,
    operations: Iterable[str],
    *,
    flows: bool = True,
    folder: Path | None = None,
    tell: Tell = lambda *_: None,
    most_findings: int = 10**9,
) -> Report:
    """Try a server.

    Args:
        bench: The server.
        profile: How much is tried.
        seed: Determines all that is sent.
        operations: Names of those that are tried.
        flows: Whether sequences are tried, too.
        folder: Where examples that found something are kept, and tried first.
        tell: Hears of each part.
        most_findings: After so many the run ends.
    """
    register_protobuf()
    report, known, began = Report(seed), Known(), time.monotonic()
    for name in operations:
        if reason := _left_out(bench, name):
            report.left_out[name] = reason
            continue
        at, before = time.monotonic(), len(report.findings)
        most = min(MOST_FINDINGS, most_findings - len(report.findings))
        _hunt_operation(bench, profile, report, known, name, folder, most)
        tell(name, ROWS[name].area, len(report.findings) > before, time.monotonic() - at)
        if len(report.findings) >= most_findings:
            break
    if flows and len(report.findings) < most_findings:
        at, before = time.monotonic(), len(report.findings)
        _hunt_flows(bench, profile, report, known, folder)
        tell(FLOWS, FLOWS, len(report.findings) > before, time.monotonic() - at)
    report.reached = dict(bench.reached)
    report.seconds = time.monotonic() - began
    if not report.findings:
        report.vacuous += _vacuous(report)
    return report


def _left_out(bench: Bench, name: str) -> str:
    """Why an operation is not tried; nothing where it is."""
    if name == DANGEROUS and bench.fresh is None:
        return "it would take the run's own key away"
    row = ROWS[name]
    path = row.route.replace("{", "").replace("}", "")
    try:
        here = bench.driver.send(row.method, path, b"{}")
        nowhere = bench.driver.send(row.method, "/api/v1/no_such_operation", b"{}")
    except Broken:
        return ""  # what it does to a request is what the run is for
    same = here.status == nowhere.status and here.body.replace(path.encode(), b"") == nowhere.body.replace(
        b"/api/v1/no_such_operation", b""
    )
    lacking = here.status == 501 or (here.status in LACKING and same)
    return f"the server does not have it: {here.status}" if lacking else ""


def _hunt_operation(
    bench: Bench, profile: Profile, report: Report, known: Known, name: str, folder: Path | None, most: int
) -> None:
    operation = bench.judge.operations[name]
    own = None if folder is None else folder / name
    for again in range(most):
        hunt = hunt_requests(
            bench,
            partial(requests_of, operation),
            known,
            first=[plain(name), *variants_of(name)],
            examples=profile.examples,
            number=number_of(report.seed, name, again),
            folder=own,
        )
        found = _noted(report, known, name, hunt)
        if found is None or found.requests[-1] == plain(name):
            break  # what is special about a request says nothing where the plain one fails


def _hunt_flows(bench: Bench, profile: Profile, report: Report, known: Known, folder: Path | None) -> None:
    hunt = hunt_flows(
        bench,
        known,
        examples=profile.flows,
        steps=profile.steps,
        number=number_of(report.seed, FLOWS),
        folder=None if folder is None else folder / FLOWS,
    )
    _noted(report, known, FLOWS, hunt)


def _noted(report: Report, known: Known, name: str, hunt: Hunt) -> Finding | None:
    """Put what came of a search into the report; what was found."""
    report.tried[name] = report.tried.get(name, 0) + hunt.tried
    report.drawn += hunt.drawn
    if hunt.trouble:
        report.vacuous.append(f"{name}: {hunt.trouble}")
    if hunt.finding is not None:
        report.findings.append(hunt.finding)
        known.add((hunt.finding.operation, hunt.finding.law))
    return hunt.finding


def _vacuous(report: Report) -> list[str]:
    """What was not reached, though nothing is wrong."""
    tried = sum(report.tried.values())
    if not tried:
        return ["nothing was tried: expected at least one operation that the server has"]
    missed = [name for name in report.tried if name in ROWS and not report.reached.get(name)]
    told = [f"{name}: expected a success among {report.tried[name]} requests, got none" for name in missed]
    rejected = report.drawn - tried
    if rejected > max(FEW, MOST_REJECTED * report.drawn):
        told.append(
            f"expected at most {MOST_REJECTED:.0%} of the examples to be rejected, "
            f"got {rejected} of {report.drawn}"
        )
    return told
