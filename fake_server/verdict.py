"""`Verdict`: what a journal says about the client that made it."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from fake_server.history import History
from fake_server.rules import RULES
from fake_server.rules.rule import Finding, Rule

__all__ = ["UncleanClient", "Verdict", "fields_of", "finding_of", "grave", "judge", "rule_of", "told"]

SHOWN = 3
"""Ours: findings of one rule in a text; the rest is counted."""


class UncleanClient(AssertionError):
    """The client broke rules; the message says which, where, and what to do instead."""

    def __init__(self, text: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(text)
        self.findings = findings


def rule_of(rule_id: str) -> Rule:
    """The rule of an id.

    Raises:
        LookupError: listing the ids that there are.
    """
    for rule in RULES:
        if rule.id == rule_id:
            return rule
    raise LookupError(f"rule: expected one of {RULES[0].id} to {RULES[-1].id}, got {rule_id!r}")


def judge(history: History) -> tuple[Finding, ...]:
    """All findings, by rule."""
    return tuple(
        Finding(rule, found.detail, tuple(entry.number for entry in found.entries))
        for rule in RULES
        for found in rule.check(history)
    )


class Verdict:
    """The findings of a history, made anew each time they are asked for: the client may go on."""

    def __init__(self, history: Callable[[], History]) -> None:
        self._history = history

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was found until now, notes included."""
        return judge(self._history())

    @property
    def is_clean(self) -> bool:
        """Whether there are no errors and no warnings; notes are allowed."""
        return not grave(self.findings)

    def assert_clean(self, *, ignore: Iterable[str] = (), notes: bool = False) -> None:
        """The client broke no rule.

        Args:
            ignore: ids of rules that do not count.
            notes: whether notes count, too.

        Raises:
            UncleanClient: an `AssertionError` with the findings.
            LookupError: for an id that there is not.
        """
        ignored = {rule_of(name).id for name in ignore}
        broken = grave((f for f in self.findings if f.rule.id not in ignored), notes=notes)
        if broken:
            raise UncleanClient(told(broken), broken)

    def text(self) -> str:
        """The findings for people; a line that says so where there are none."""
        return told(self.findings)

    def as_json(self) -> dict[str, Any]:
        """The findings as JSON has them."""
        return fields_of(self.findings)


def grave(findings: Iterable[Finding], *, notes: bool = False) -> tuple[Finding, ...]:
    """Those that count: errors and warnings, and notes only where they are asked for."""
    return tuple(finding for finding in findings if notes or finding.rule.severity != "note")


def fields_of(findings: tuple[Finding, ...]) -> dict[str, Any]:
    """Findings as JSON has them; `clean` where there are no errors and no warnings."""
    return {
        "clean": not grave(findings),
        "findings": [
            {
                "rule": finding.rule.id,
                "severity": finding.rule.severity,
                "title": finding.rule.title,
                "detail": finding.detail,
                "evidence": list(finding.evidence),
                "why": finding.rule.why,
                "fix": finding.rule.fix,
            }
            for finding in findings
        ],
    }


def finding_of(fields: Mapping[str, Any]) -> Finding:
    """A finding from its JSON.

    Raises:
        LookupError: for a rule that there is not.
    """
    return Finding(rule_of(fields["rule"]), fields["detail"], tuple(fields["evidence"]))


def told(findings: tuple[Finding, ...]) -> str:
    """Findings for people: each rule once, with the first places where it was broken."""
    if not findings:
        return "clean: no rule was broken"
    counts = partial(_count, findings)
    lines = [f"the client broke rules: {counts('error')}, {counts('warning')}, {counts('note')}"]
    for rule in dict.fromkeys(finding.rule for finding in findings):
        places = [finding for finding in findings if finding.rule is rule]
        lines.append(f"{rule.id} {rule.severity}: {rule.title}")
        lines += [_place(place) for place in places[:SHOWN]]
        if len(places) > SHOWN:
            lines.append(f"  and {len(places) - SHOWN} times more")
        lines += [f"  why: {rule.why}", f"  fix: {rule.fix}"]
    return "\n".join(lines)


def _place(finding: Finding) -> str:
    entries = ", ".join(f"#{number}" for number in finding.evidence)
    return f"  {finding.detail} [{entries}]"


def _count(findings: tuple[Finding, ...], severity: str) -> str:
    number = sum(finding.rule.severity == severity for finding in findings)
    return f"{number} {severity}{'' if number == 1 else 's'}"
