"""`Asserting`: what a test may claim about the calls of a journal."""

import re
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fake_server.entries import Entry
from fake_server.mismatch import JournalMismatch, brief, counted, differing, nearest, shown
from fake_server.selectors import BACKGROUND, MISSING, names_of, value_at

if TYPE_CHECKING:
    from fake_server.queries import Calls

__all__ = ["Asserting"]

MOST_NAMES = 6
"""Ours: names of fields in a fix."""


class Asserting:
    """Assertions. Each may name the operation that it is about first: all calls at hand where it names none.

    All of them raise `JournalMismatch`, an `AssertionError`, and `LookupError` for an operation that
    there is not.
    """

    @abstractmethod
    def calls(self, *operations: str) -> "Calls":
        """The calls of these operations, or all."""

    def _of(self, operation: str | None) -> "Calls":
        return self.calls() if operation is None else self.calls(operation)

    def assert_called(self, operation: str | None = None, /) -> None:
        """There is such a call."""
        self.assert_at_least(1, operation)

    def assert_called_once(self, operation: str | None = None, /) -> None:
        """There is exactly one such call."""
        self.assert_count(1, operation)

    def assert_not_called(self, operation: str | None = None, /) -> None:
        """There is no such call."""
        self.assert_count(0, operation)

    def assert_count(self, count: int, operation: str | None = None, /) -> None:
        """There are exactly `count` such calls."""
        self._check_count(operation, f"exactly {count}", lambda have: have == count)

    def assert_at_least(self, count: int, operation: str | None = None, /) -> None:
        """There are `count` such calls, or more."""
        self._check_count(operation, f"at least {count}", lambda have: have >= count)

    def assert_at_most(self, count: int, operation: str | None = None, /) -> None:
        """There are `count` such calls, or fewer."""
        self._check_count(operation, f"at most {count}", lambda have: have <= count)

    def _check_count(self, operation: str | None, wanted: str, fits: Callable[[int], bool]) -> None:
        calls = self._of(operation)
        if fits(len(calls)):
            return
        have = len(calls)
        fix = f"if {have} is right: .assert_count({have})" if have else counted(self.calls())
        raise JournalMismatch(
            f"{calls.subject}: expected {wanted}, got {have}", [shown(call) for call in calls[:5]], fix
        )

    def assert_called_with(self, operation: str | None = None, /, **fields: Any) -> None:
        """The last such call has these values, named as for `where`."""
        self._check_fields(self._of(operation), self._of(operation)[-1:], "the last call with", fields)

    def assert_called_once_with(self, operation: str | None = None, /, **fields: Any) -> None:
        """There is exactly one such call, and it has these values."""
        calls = self._of(operation)
        self._check_fields(calls, list(calls), "one call with", fields)
        calls.assert_called_once()

    def assert_any_call(self, operation: str | None = None, /, **fields: Any) -> None:
        """At least one such call has these values."""
        calls = self._of(operation)
        self._check_fields(calls, list(calls), "a call with", fields)

    def _check_fields(self, calls: "Calls", among: list[Entry], wanted: str, fields: dict[str, Any]) -> None:
        if any(not differing(entry, fields) for entry in among):
            return
        told = ", ".join(f"{name}={brief(value)}" for name, value in fields.items())
        near = nearest(among, fields)
        lines = [shown(entry, differing(entry, fields)) for entry in near]
        fix = _claim(near[0], fields) if near else counted(self.calls())
        got = f"got {len(among)} without" if among else "got none at all"
        raise JournalMismatch(f"{calls.subject}: expected {wanted} {told}, {got}", lines, fix)

    def assert_each(
        self,
        predicate: Callable[[Entry], object] | None = None,
        operation: str | None = None,
        /,
        **fields: Any,
    ) -> None:
        """There are such calls, the predicate is true of each, and each has these values."""
        calls = self._of(operation)
        calls.assert_called()
        wrong = [
            entry
            for entry in calls
            if differing(entry, fields) or (predicate is not None and not predicate(entry))
        ]
        if wrong:
            lines = [shown(entry, differing(entry, fields)) for entry in wrong[:3]]
            fix = ".where(…) chooses the calls that are meant"
            raise JournalMismatch(
                f"{calls.subject}: expected each of {len(calls)} to fit, got {len(wrong)} that do not",
                lines,
                fix,
            )

    def assert_only(self, *operations: str) -> None:
        """There are no other calls, beside what clients send of their own accord, such as polls."""
        allowed = {name for operation in operations for name in names_of(operation)} | BACKGROUND
        others = [entry for entry in self.calls() if entry.operation not in allowed]
        if others:
            names = ", ".join(f"{name} x{n}" for name, n in Counter(e.operation for e in others).items())
            fix = f"allow them too: .assert_only(…, {others[0].operation!r})"
            raise JournalMismatch(
                f"calls: expected only {', '.join(operations)}, got {names}",
                list(map(shown, others[:3])),
                fix,
            )

    def assert_order(self, *operations: str, exact: bool = False) -> None:
        """These calls came in this order; others may have come between.

        Args:
            operations: names, aliases or patterns with `*`; a `+` at the end means one or more in a row.
            exact: no others came between, beside what clients send of their own accord.
        """
        wanted = [_step(operation) for operation in operations]
        named = {name for names, _ in wanted for name in names}
        calls = [e for e in self.calls() if e.operation in named or e.operation not in BACKGROUND]
        symbols = {name: chr(0xE000 + n) for n, name in enumerate(sorted(named))}
        text = "".join(symbols.get(entry.operation, ".") for entry in calls)
        steps = [
            "[" + "".join(symbols[name] for name in names) + "]" + ("+" if many else "")
            for names, many in wanted
        ]
        between = "" if exact else ".*"
        if re.search(between.join(steps), text):
            return
        reached = max(n for n in range(len(steps)) if re.search(between.join(steps[:n]), text))
        before = f"after {operations[reached - 1]}" if reached else "at all"
        lines = [f"the order was: {_runs([entry.operation for entry in calls])}"]
        raise JournalMismatch(
            f"order {' → '.join(operations)}: expected {operations[reached]} {before}, got none there",
            lines,
            "a name with + at the end stands for one or more in a row"
            if exact
            else f"look at .calls({operations[reached].rstrip('+')!r}), or leave it out of the order",
        )

    def assert_never_before(self, operation: str, other: str) -> None:
        """No call of `operation` came before the first call of `other`."""
        limit = next((entry.number for entry in self.calls(other)), None)
        early = [entry for entry in self.calls(operation) if limit is None or entry.number < limit]
        if early:
            when = "which never came" if limit is None else f"which came as #{limit}"
            raise JournalMismatch(
                f"{operation}: expected none before {other}, {when}, got {len(early)}",
                list(map(shown, early[:3])),
                f"wait for {other} before {operation} is sent, or turn the two names round",
            )

    def assert_consecutive_seq_ids(self, operation: str | None = None, /) -> None:
        """Each model's calls have the numbers 1, 2, 3 … without a gap; they may come in any order.

        Of one operation: from its lowest number on.
        """
        numbers: dict[str, set[int]] = defaultdict(set)
        for entry in self._of(operation):
            if entry.seq_id is not None and entry.own("model_id") is not None:
                numbers[str(entry.own("model_id"))].add(entry.seq_id)
        for model, seen in numbers.items():
            first = 1 if operation is None else min(seen)
            missing = sorted(set(range(first, max(seen) + 1)) - seen)
            if missing:
                raise JournalMismatch(
                    f"seq_ids of {model}: expected {first} to {max(seen)}, got none of {brief(missing)}",
                    [f"seen: {brief(sorted(seen))}"],
                    "send an operation for each number that was taken, also where it fails before",
                )

    def assert_no_errors(self, operation: str | None = None, /) -> None:
        """No call was answered with an error, and no outcome is a failure."""
        failed = self._of(operation).failed()
        if failed:
            raise JournalMismatch(
                f"{failed.subject}: expected no errors, got {len(failed)}",
                [f"{shown(entry)}: {entry.failure}" for entry in failed[:5]],
                "where they are meant: .calls(…).where(status=200).assert_no_errors()",
            )

    def assert_no_retries(self, operation: str | None = None, /) -> None:
        """No request was sent more than once."""
        calls = self._of(operation)
        again = [
            entry
            for entry in calls
            if entry.retry_count
            or (entry.is_promise and calls.history.promises[entry.request_id or ""][0] is not entry)
        ]
        if again:
            fix = "a fault or a slow answer makes clients send again: see .faults of the entry before"
            lines = list(map(shown, again[:3]))
            raise JournalMismatch(f"{calls.subject}: expected no retries, got {len(again)}", lines, fix)

    def assert_all_read(self, operation: str | None = None, /) -> None:
        """The outcome of each promise was fetched by a poll."""
        calls = self._of(operation)
        unread = [
            entry
            for entry in calls
            if entry.is_promise
            and not any(poll.is_final for poll in calls.history.polls.get(entry.request_id or "", []))
        ]
        if unread:
            raise JournalMismatch(
                f"{calls.subject}: expected every outcome to be read, got {len(unread)} that were not",
                list(map(shown, unread[:3])),
                "call .result() on what each of them returned",
            )

    def assert_answered_within(self, seconds: float, operation: str | None = None, /) -> None:
        """Each call was answered within so many seconds of the tenant's clock."""
        calls = self._of(operation)
        slow = [e for e in calls if e.answered_at is None or e.answered_at - e.arrived_at > seconds]
        if slow:
            most = max((e.answered_at or calls.history.now) - e.arrived_at for e in slow)
            raise JournalMismatch(
                f"{calls.subject}: expected answers within {seconds:g} s, got {len(slow)} slower ones",
                list(map(shown, slow[:3])),
                f"if {most:g} s is right: .assert_answered_within({most:g})",
            )


def _step(operation: str) -> tuple[tuple[str, ...], bool]:
    many = operation.endswith("+")
    return names_of(operation.removesuffix("+")), many


def _runs(names: list[str]) -> str:
    """`a, b x3, a`: names in order, those in a row counted; only the last ones of many."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    told = [name if count == 1 else f"{name} x{count}" for name, count in runs[-12:]]
    return ", ".join((["…"] if len(runs) > len(told) else []) + told) or "nothing"


def _claim(entry: Entry, names: Iterable[str]) -> str:
    """What could be claimed of an entry; of names that it does not have, which it has instead."""
    has = {name: value_at(entry, name) for name in names}
    if absent := [name for name, value in has.items() if value is MISSING]:
        there = list(_names(entry.request))
        near = [name for name in there if name.split("__")[-1] == absent[0].split("__")[-1]] or there
        told = f"did you mean {' or '.join(near[:MOST_NAMES])}?" if near else "its request is empty"
        return f"#{entry.number} has no {absent[0]}; {told}"
    return f"if #{entry.number} is right, claim " + ", ".join(f"{n}={brief(v)}" for n, v in has.items())


def _names(request: Any, before: str = "") -> Iterator[str]:
    """The names of a request's fields, those of objects behind two underscores."""
    for name, value in request.items():
        if isinstance(value, Mapping):
            yield from _names(value, f"{before}{name}__")
        else:
            yield before + name
