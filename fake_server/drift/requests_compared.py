"""What two releases sent for the same steps: operations, headers, media types and bodies."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from contract.codec import PROTOBUF
from contract.drift.change import Change, Severity
from fake_server.drift.recorder import BACKGROUND, BACKGROUND_STEP, POLLS, Sent

__all__ = ["UNTIED", "operations_by_step", "request_changes", "step_changes"]

Values = dict[str, set[str]]
UNTIED = POLLS | BACKGROUND | {"client_dynamic_config"}
"""Operations of which it says nothing in which step they fall."""
CREDENTIAL = "x-api-key"
ABSENT = "absent"


def operations_by_step(sent: Iterable[Sent]) -> dict[str, set[str]]:
    """Which operations each step has led to; without polls and what timers send."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in sent:
        if each.operation not in UNTIED:
            found[each.step].add(each.operation)
    return found


def step_changes(
    older: Sequence[Sent], newer: Sequence[Sent], common: Sequence[str], broken: Mapping[str, Sequence[str]]
) -> Iterator[Change]:
    """Steps that lead to other operations than before.

    Args:
        older: what the older release sent.
        newer: what the newer one sent.
        common: the steps that both went through.
        broken: steps of the newer release that fail on a server without an operation, by that operation;
            it has all operations that are new.
    """
    before, after = operations_by_step(older), operations_by_step(newer)
    groups: dict[tuple[Severity, str, str, tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    moved = _moved(before, after, common)
    for step in common:
        gained, lost = after[step] - before[step] - moved, before[step] - after[step] - moved
        if gained or lost:
            groups[_step(older, newer, gained, lost, after[step], broken)].append(step)
    for (severity, text, advice, operations, words), steps in groups.items():
        yield Change(severity, f"step {', '.join(steps)}", text, advice, operations, words, seen=True)
    for name in sorted(moved):
        places = [", ".join(step for step in common if name in side[step]) for side in (before, after)]
        text = f"{name} is called in: {places[0]} -> {places[1]}"
        yield Change(
            "compatible", f"time of {name}", text, "Nothing: it comes at another time.", (name,), seen=True
        )


def _moved(before: Mapping[str, set[str]], after: Mapping[str, set[str]], common: Sequence[str]) -> set[str]:
    """Operations that one step has lost and another, of which they are no part of the work, has gained."""
    lost = {name for step in common for name in before[step] - after[step]}
    gained = {name for step in common for name in after[step] - before[step]}
    return lost & gained


def _fresh(older: Sequence[Sent], newer: Sequence[Sent], operation: str) -> set[str]:
    """Fields of the first level that no request of the older release had anywhere."""
    first = {path.partition(".")[0].replace("[]", "") for path in _paths(newer, operation)}
    known = {part for path in _paths(older, operation) for part in path.replace("[]", "").split(".")}
    return first - known


def _paths(sent: Sequence[Sent], operation: str) -> set[str]:
    return {path for each in sent if each.operation == operation for path in each.body}


def _step(
    older: Sequence[Sent],
    newer: Sequence[Sent],
    gained: set[str],
    lost: set[str],
    after: set[str],
    broken: Mapping[str, Sequence[str]],
) -> tuple[Severity, str, str, tuple[str, ...], tuple[str, ...]]:
    fresh = {name: _fresh(older, newer, name) for name in sorted(gained or after) if name not in broken}
    fresh = {name: fields for name, fields in fresh.items() if fields}
    carriers = sorted(gained) or (sorted(fresh) if lost else [])
    operations = tuple(sorted({*carriers, *lost}))
    names, given_up = ", ".join(carriers), ", ".join(sorted(lost))
    text = f"{given_up} -> {names}" if names and lost else f"calls {names or given_up}"
    text += "" if names and lost else " as well" if names else " no more"
    needed = sorted(name for name in gained if broken.get(name))
    if needed:
        return "breaking", text, f"Serve {', '.join(needed)}: without it the step fails.", operations, ()
    if lost and fresh:
        asking = tuple(sorted({field for fields in fresh.values() for field in fields}))
        advice = f"Do in {names} what {', '.join(sorted(lost))} did, where {', '.join(asking)} asks for it."
        return "breaking", text, advice, operations, asking
    if not gained:
        return "additive", text, "Keep it for older clients.", operations, ()
    if gained <= broken.keys():
        return "additive", text, f"Nothing: 404 for {names} is taken; serve it when you can.", operations, ()
    return "additive", text, f"Expect {names} in more places than before.", operations, ()


def request_changes(
    older: Sequence[Sent],
    newer: Sequence[Sent],
    common: Iterable[str],
    required: set[tuple[str, str]],
    refused: bool = False,
) -> Iterator[Change]:
    """Headers, queries, media types and bodies that differ, of operations that both releases called.

    Args:
        older: what the older release sent.
        newer: what the newer one sent.
        common: the steps that both went through; of others nothing is compared.
        required: fields that requests had to have in the older release, by operation.
        refused: whether the newer release refuses results as JSON, and the older one does not.
    """
    steps = {*common, BACKGROUND_STEP}
    sides = [_by_operation(each for each in sent if each.step in steps) for sent in (older, newer)]
    headers: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    fields: dict[tuple[Severity, str, str, bool, bool], list[tuple[str, str, str]]] = defaultdict(list)
    for operation in sorted(sides[0].keys() & sides[1].keys()):
        before, after = sides[0][operation], sides[1][operation]
        for name, old, new in _differences(before, after, "header "):
            headers[name][old, new].append(operation)
        for name, old, new in _differences(before, after, "query "):
            yield _query(operation, name, old, new)
        types = before["media type"], after["media type"]
        if types[0] == types[1]:
            for path, old, new in _differences(before, after, "body "):
                severity, advice = _field((operation, path) in required, old, new)
                key = (severity, path, advice, old == ABSENT, new == ABSENT)
                fields[key].append((operation, old, new))
    yield from _headers(headers, refused)
    yield from _fields(fields)


def _by_operation(sent: Iterable[Sent]) -> dict[str, Values]:
    found: dict[str, Values] = defaultdict(lambda: defaultdict(set))
    for each in sent:
        values = found[each.operation]
        values["media type"].add(each.media_type)
        for kind, items in (("header", each.headers), ("query", each.query), ("body", each.body)):
            for name, value in items.items():
                values[f"{kind} {name}"].add(value)
    return found


def _differences(before: Values, after: Values, kind: str) -> Iterator[tuple[str, str, str]]:
    for key in sorted(before.keys() | after.keys()):
        if key.startswith(kind) and before.get(key) != after.get(key):
            yield key.removeprefix(kind), _told(before.get(key)), _told(after.get(key))


def _told(values: set[str] | None) -> str:
    return "; ".join(sorted(values)) if values else ABSENT


def _headers(
    headers: Mapping[str, Mapping[tuple[str, str], Sequence[str]]], refused: bool
) -> Iterator[Change]:
    """One change for each header that comes, goes, or has another value."""
    for name, pairs in headers.items():
        groups: dict[tuple[bool, bool], list[tuple[str, str]]] = defaultdict(list)
        for old, new in pairs:
            groups[old == ABSENT, new == ABSENT].append((old, new))
        for group in groups.values():
            operations = tuple(sorted(operation for pair in group for operation in pairs[pair]))
            (old, new), more = group[0], f" and {len(group) - 1} others" if len(group) > 1 else ""
            if not (name == "content-type" and PROTOBUF in old + new):  # told by the scene of JSON requests
                yield _header(name, old, f"{new}{more}", operations, refused)


def _header(name: str, old: str, new: str, operations: tuple[str, ...], refused: bool) -> Change:
    severity: Severity = "additive"
    advice = "Nothing: a server that ignores it keeps working."
    if name == CREDENTIAL and new == ABSENT:
        severity, advice = "breaking", "Find the credential elsewhere."
    elif name == "accept" and refused:
        severity, advice = (
            "breaking",
            "Answer a type that is accepted: JSON is no longer one where it is not named.",
        )
    elif name == "accept":
        advice = "Nothing: what was answered is still taken."
    words = ("protobuf",) if PROTOBUF in old + new else (name,)
    return Change(severity, f"header {name}", f"{old} -> {new}", advice, operations, words, seen=True)


def _query(operation: str, name: str, old: str, new: str) -> Change:
    advice = "Read it." if old == ABSENT else "Take requests with what is sent now."
    return Change(
        "additive",
        f"query {name} of {operation}",
        f"{old} -> {new}",
        advice,
        (operation,),
        (name,),
        seen=True,
    )


def _fields(
    fields: Mapping[tuple[Severity, str, str, bool, bool], Sequence[tuple[str, str, str]]],
) -> Iterator[Change]:
    """One change for each field that comes, goes, or has another value, in whatever operations."""
    for (severity, path, advice, _, _), found in fields.items():
        values = list(dict.fromkeys((old, new) for _, old, new in found))
        more = f" and {len(values) - 1} others" if len(values) > 1 else ""
        text = f"{values[0][0]} -> {values[0][1]}{more}"
        operations = tuple(operation for operation, _, _ in found)
        yield Change(severity, f"field {path}", text, advice, operations, (_name(path),), seen=True)


def _field(required: bool, old: str, new: str) -> tuple[Severity, str]:
    if old == ABSENT:
        return "additive", "Nothing, if unknown fields are ignored; older clients do not send it."
    if new == ABSENT and required:
        return "breaking", "Do not require it: it was always sent, and is not any more."
    if new == ABSENT:
        return "additive", "Take its absence for its default."
    if _kind(old) != _kind(new) and "null" not in old + new:
        return "breaking", "Read the new type."
    return "additive", "Nothing: the same program sends another value."


def _name(path: str) -> str:
    return path.rpartition(".")[2].replace("[]", "")


def _kind(value: str) -> str:
    """What the first of some values is in JSON."""
    kinds = {"{": "object", "[": "list", '"': "text", "t": "boolean", "f": "boolean", "n": "null"}
    return kinds.get(value[:1], "number")
