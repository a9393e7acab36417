"""A run's report, for people and for tools."""

import json
from typing import Any

from fake_server.fuzzing.run import Report

__all__ = ["as_json", "as_text"]


def as_text(report: Report, replays: list[str]) -> str:
    """All findings, each with the command that repeats it, then the sum of the run."""
    blocks = [finding.as_text(replay) for finding, replay in zip(report.findings, replays, strict=True)]
    blocks += [f"proves nothing: {reason}" for reason in report.vacuous]
    blocks += [f"left out: {name}: {reason}" for name, reason in report.left_out.items()]
    tried, reached = sum(report.tried.values()), sum(report.reached.values())
    verdict = "passed" if report.passed else f"failed: {len(report.findings)} findings"
    blocks.append(
        f"{verdict}; {tried} examples of {len(report.tried)} kinds, {reached} successes, "
        f"{report.seconds:.1f} s, seed {report.seed}"
    )
    return "\n\n".join(blocks)


def as_json(report: Report) -> str:
    """The same as JSON."""
    told: dict[str, Any] = {
        "passed": report.passed,
        "seed": report.seed,
        "seconds": round(report.seconds, 3),
        "tried": report.tried,
        "reached": report.reached,
        "left_out": report.left_out,
        "vacuous": report.vacuous,
        "findings": [finding.as_json() for finding in report.findings],
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"
