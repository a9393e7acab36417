"""Rules of training: what is applied, once, in order, and to what end."""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from fake_server.entries import Entry
from fake_server.history import History
from fake_server.rules.attempts import body_of, lost, numbered
from fake_server.rules.rule import Found, Rule

__all__ = ["TRAINING"]

PASSES = ("forward_backward", "forward")
APPLIED = (*PASSES, "optim_step", "load_weights")
"""Operations of a model that change it."""
FINAL = (400, 403, 404, 405, 413, 415, 422)


def _by_model(history: History) -> Mapping[str, list[Entry]]:
    """The numbered operations of each model, in the order of arrival; also those without a number."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in history:
        model_id = entry.own("model_id")
        if isinstance(model_id, str) and (entry.seq_id is not None or entry.operation in APPLIED):
            found[model_id].append(entry)
    return found


def _same(entry: Entry) -> Any:
    """Which operation it is, whoever sends it again: its number, or for want of one its key."""
    return entry.idempotency_key if entry.seq_id is None else entry.seq_id


def double_apply(history: History) -> Iterator[Found]:
    """An operation whose answer was lost, sent again as a new one."""
    for model_id, entries in _by_model(history).items():
        applied = [entry for entry in entries if entry.operation in APPLIED]
        for first, second in pairwise(applied):
            if not lost(first) or first.operation != second.operation or _same(first) == _same(second):
                continue
            repeated = any(entry is not first and _same(entry) == _same(first) for entry in applied)
            known = bool(history.polls.get(first.request_id or ""))
            if not repeated and not known and body_of(first) == body_of(second):
                yield Found(
                    f"{first.operation} {_called(first)} of {model_id} was taken on and its answer lost; "
                    f"the same came again as {_called(second)}, and counts twice",
                    (first, second),
                )


def _called(entry: Entry) -> str:
    return f"seq_id {entry.seq_id}" if entry.seq_id is not None else f"key {entry.idempotency_key}"


def mutated(history: History) -> Iterator[Found]:
    """Two different requests under one number, or one key."""
    by_number: dict[Any, Entry] = {}
    by_key: dict[str, Entry] = {}
    for entry in history:
        number, key = numbered(entry), entry.idempotency_key
        if number is not None and entry.operation not in ("get_info", "session_heartbeat"):
            first = by_number.setdefault(number, entry)
            if _differ(first, entry):
                yield Found(f"{number[2]} {number[3]} of {number[1]} stands for two requests", (first, entry))
                continue
        if key is not None:
            first = by_key.setdefault(key, entry)
            if _differ(first, entry):
                yield Found(
                    f"one X-Idempotency-Key stands for {first.operation} and another {entry.operation}",
                    (first, entry),
                )


def _differ(first: Entry, second: Entry) -> bool:
    if first is second or first.exchange.request is None or second.exchange.request is None:
        return False
    if first.operation != second.operation:
        return True
    one, other = first.exchange.digest, second.exchange.digest
    return one != other if one and other else first.request != second.request


def out_of_order(history: History) -> Iterator[Found]:
    """A number that was sent after a higher one was answered; chunks of one pass may come in any order."""
    for model_id, entries in _by_model(history).items():
        seen: dict[int, Entry] = {}
        numbers: list[int] = []
        for entry in entries:
            if entry.seq_id is None or entry.seq_id in seen:
                continue
            place = bisect(numbers, entry.seq_id)
            before = [e for e in map(seen.__getitem__, numbers[place:]) if _was_answered(e, entry)]
            numbers.insert(place, entry.seq_id)
            seen[entry.seq_id] = entry
            others = [e for e in before if not (_is_pass(e) and _is_pass(entry))]
            if others:
                yield Found(
                    f"{entry.operation} seq_id {entry.seq_id} of {model_id} came after "
                    f"{others[0].operation} seq_id {others[0].seq_id} was answered",
                    (others[0], entry),
                )


def _was_answered(earlier: Entry, entry: Entry) -> bool:
    return earlier.answered_at is not None and earlier.answered_at <= entry.arrived_at


def _is_pass(entry: Entry) -> bool:
    return entry.operation in PASSES


def gaps(history: History) -> Iterator[Found]:
    """Numbers that never came, though higher ones did."""
    unread = any(
        entry.exchange.request is None and entry.status in FINAL and entry.operation in APPLIED
        for entry in history
    )
    created = {entry.model_id for entry in history if entry.operation in ("create_model", "load_weights")}
    for model_id, entries in _by_model(history).items():
        numbers = {entry.seq_id for entry in entries if entry.seq_id is not None}
        if not numbers or unread:  # a number in a body that cannot be read may be the one that is missing
            continue
        lowest = 1 if model_id in created and history.whole else min(numbers)
        missing = sorted(set(range(lowest, max(numbers))) - numbers)
        if missing:
            after = next(e for e in entries if e.seq_id is not None and e.seq_id > missing[0])
            told = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
            yield Found(
                f"{model_id} got seq_ids up to {max(numbers)}, and never {told}; all after it wait", (after,)
            )


def no_gradients(history: History) -> Iterator[Found]:
    """An optimizer step with no backward pass since the one before."""
    created = {entry.model_id for entry in history if entry.operation in ("create_model", "load_weights")}
    for model_id, entries in _by_model(history).items():
        if model_id not in created or not history.whole:
            continue
        gradients = False
        done: set[Any] = set()
        for entry in sorted(entries, key=lambda e: (e.seq_id or 0, e.number)):
            if entry.status in FINAL or (_same(entry) is not None and _same(entry) in done):
                continue
            done.add(_same(entry))
            if entry.operation == "forward_backward" and not entry.request.get("forward_only"):
                gradients = True
            elif entry.operation == "optim_step":
                if not gradients:
                    yield Found(
                        f"optim_step {_called(entry)} of {model_id} has no backward pass before it", (entry,)
                    )
                gradients = False


TRAINING = (
    Rule(
        "CLI-01",
        "error",
        "double apply after a lost answer",
        "The server had taken the operation on; sent again under a new number it is applied a second time: "
        "gradients count twice, or two steps are made of one.",
        "send it again with the same seq_id and the same body; the server answers with the first promise",
        double_apply,
    ),
    Rule(
        "CLI-02",
        "error",
        "another request under the same number",
        "A seq_id or X-Idempotency-Key makes a request itself. The second one is refused, or taken for the "
        "first, and its own work is never done.",
        "keep the body of a request as it was when you send it again, and give a new one a new number",
        mutated,
    ),
    Rule(
        "CLI-03",
        "warning",
        "operations sent out of order",
        "Operations of a model take effect in the order of their seq_id. One that is sent late holds all "
        "later ones back, and if it does not come in time they fail.",
        "take the number and send the operation under one lock, so that numbers leave in their order",
        out_of_order,
    ),
    Rule(
        "CLI-04",
        "error",
        "a gap in the seq_ids",
        "The server waits for the missing number, and all later operations with it; then they fail.",
        "take a number only once the request can be sent, or send the operation that it was taken for",
        gaps,
    ),
    Rule(
        "CLI-05",
        "warning",
        "optim_step without gradients",
        "A step on no gradients moves the optimizer's state (and weights, with decay), and trains nothing.",
        "call forward_backward before each optim_step; forward alone leaves no gradients",
        no_gradients,
    ),
)
"""Rules 1 to 5."""
