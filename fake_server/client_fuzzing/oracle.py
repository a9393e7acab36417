"""`judged`: what a client made of a case, held against what it makes of the program alone."""

import json
from collections.abc import Collection
from typing import Any

from fake_server.client_fuzzing.case import Case, Finding
from fake_server.client_fuzzing.fates import worst_fate
from fake_server.client_fuzzing.hazards import TOKENS
from fake_server.client_fuzzing.player import Hang, Heard
from fake_server.client_fuzzing.stage import Run

__all__ = ["judged"]

OF_RETRIES = ("CLI-06", "CLI-07", "CLI-08")
"""Rules that hold for what fails, too."""
OF_USERS = ("CLI-01",)
"""Rules that a program breaks by itself which goes on with the same step after one that has failed."""


def judged(
    case: Case,
    clean: Run,
    struck: Run,
    documented: tuple[type[BaseException], ...],
    ignored_rules: Collection[str] = (),
    *,
    notes: bool = False,
) -> list[Finding]:
    """What no right client would have done.

    Args:
        case: what was tried.
        clean: a run of its program in which nothing goes wrong.
        struck: the run in question.
        documented: errors that the client may fail with where it may fail.
        ignored_rules: of the verdict, by id.
        notes: whether rules that are notes count where nothing goes wrong; held against a clean run of the
            same client, which was in another state, they say nothing.
    """
    found: list[Finding] = []
    for number, (wanted, got) in enumerate(zip(clean.heard, struck.heard, strict=True)):
        where = f"step {number}, {case.program.steps[number]!r}"
        if isinstance(got.error, Hang):
            return [Finding("hang", f"{where}: expected an outcome, got none: {got.error}")]
        if got.error is not None:
            found += _of_error(case, where, wanted, got, documented)
            break  # what comes after a failure need not be what it would have been
        if case.fate != "anything" and _text(got.value) != _text(wanted.value):
            found.append(Finding("wrong number", f"{where}: expected {wanted}, got {got}"))
            break
    found += _of_deeds(case, clean, struck)
    found += _of_rules(case, clean, struck, ignored_rules, notes=notes)
    found += _of_reasons(case, struck)
    return found


def _of_error(
    case: Case, where: str, wanted: Heard, got: Heard, documented: tuple[type[BaseException], ...]
) -> list[Finding]:
    if type(got.error) is type(wanted.error):
        return []
    if not isinstance(got.error, documented):
        names = ", ".join(kind.__name__ for kind in documented)
        return [Finding("undocumented error", f"{where}: expected one of {names}, got {got}")]
    if case.fate == "survive":
        return [Finding("gave up", f"{where}: expected {wanted}, got {got}")]
    return []


def _of_rules(case: Case, clean: Run, struck: Run, ignored: Collection[str], *, notes: bool) -> list[Finding]:
    """Rules that the client breaks and the reference does not.

    Of a client that may have failed, errors and what it has sent again; notes alone where nothing goes wrong.
    """
    stopped = any(heard.error is not None for heard in struck.heard)
    severities = ["error"] if stopped or case.fate != "survive" else ["error", "warning"]
    severities += ["note"] if notes and case.is_quiet else []
    usual = {*ignored, *(finding.rule.id for finding in clean.rules), *(OF_USERS if stopped else ())}
    return [
        Finding("broke a rule", f"{one.rule.id} {one.rule.title}: {one.detail}")
        for one in struck.rules
        if one.rule.id not in usual and (one.rule.severity in severities or one.rule.id in OF_RETRIES)
    ]


def _of_reasons(case: Case, struck: Run) -> list[Finding]:
    """Failures that the server gives the reason of, where nothing else may fail: users have to hear it."""
    others = worst_fate(case.schedule, tokens=case.world == TOKENS)
    reasons = [rule.error for rule, late in zip(case.rules, struck.late, strict=True) if rule.error and late]
    errors = [heard.error for heard in struck.heard if heard.error is not None]
    if others != "survive" or not reasons or not errors or any(one in str(errors[0]) for one in reasons):
        return []
    text = f"expected an error that says {' or '.join(map(repr, reasons))}, as the server does, got "
    return [Finding("hid the reason", f"{text}{type(errors[0]).__name__}: {errors[0]}")]


def _of_deeds(case: Case, clean: Run, struck: Run) -> list[Finding]:
    if excess := struck.remains.excess(clean.remains):
        return [Finding("done twice", excess)]
    failed = any(heard.error is not None for heard in struck.heard)
    if failed or case.fate == "anything":
        return []
    difference = struck.remains.difference(clean.remains)
    return [Finding("wrong number", f"what is left on the server: {difference}")] if difference else []


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)  # what is no value at all differs from one, too
