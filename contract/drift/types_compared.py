"""Types of two releases, field by field."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from contract.drift.change import Change, Severity
from contract.drift.roles import Role, Types, roles_of
from contract.drift.shape import Field

__all__ = ["Evidence", "type_changes"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What running the releases has shown about answers."""

    dispensable: frozenset[tuple[str, str]] = frozenset()
    """Fields of answers, by type, without which the newer release went through all its steps."""
    protobuf_only: bool = False
    """Whether the newer release takes no result of a training pass or a sample as JSON."""
    called: frozenset[str] = field(default_factory=frozenset)
    """Operations whose requests were compared as they were sent."""


def type_changes(older: Types, newer: Types, evidence: Evidence) -> Iterator[Change]:
    """What differs between types that cross the wire, and the names of all that come and go."""
    roles = roles_of(older, newer)
    for name in sorted(older.keys() & newer.keys()):
        if older[name] == newer[name]:
            continue
        role = roles.get(name)
        if role is None or (evidence.protobuf_only and role.results and not role.asked | role.answered):
            yield _own(name, older[name], newer[name])
        else:
            yield from _fields(name, role, older[name], newer[name], evidence)
    come, gone = sorted(newer.keys() - older.keys()), sorted(older.keys() - newer.keys())
    if come or gone:
        told = [f"{word} {', '.join(names)}" for word, names in (("new:", come), ("gone:", gone)) if names]
        yield Change(
            "compatible", "names of types", "; ".join(told), "Nothing: what they send is told apart."
        )


def _own(name: str, older: Mapping[str, Field], newer: Mapping[str, Field]) -> Change:
    names = sorted(key for key in older.keys() | newer.keys() if older.get(key) != newer.get(key))
    text = f"{', '.join(names)}: differs, in the client alone"
    return Change("compatible", f"type {name}", text, "Nothing: the type is not on the wire as it is.")


def _fields(
    name: str, role: Role, older: Mapping[str, Field], newer: Mapping[str, Field], evidence: Evidence
) -> Iterator[Change]:
    for key in sorted(older.keys() | newer.keys()):
        before, after = older.get(key), newer.get(key)
        if before == after:
            continue
        found: list[tuple[Severity, str]] = []
        if role.asked:
            found.append(_asked(before, after))
        if role.answered | role.results:
            found.append(_answered(before, after, (name, key) in evidence.dispensable))
        severity, advice = min(found, key=lambda each: ["breaking", "additive", "compatible"].index(each[0]))
        operations = tuple(sorted(role.asked | role.answered | role.results))
        place = f"type {name}" if key == "(value)" else f"type {name}.{key}"
        words = () if key == "(value)" else (key,)
        yield Change(severity, place, f"{_told(before)} -> {_told(after)}", advice, operations, words)


def _told(field: Field | None) -> str:
    if field is None:
        return "absent"
    default = "" if field["required"] or not field["default"] else f", default {field['default']}"
    return f"{' | '.join(field['kinds'])}{default}"


def _asked(before: Field | None, after: Field | None) -> tuple[Severity, str]:
    """Of a field in requests."""
    if before is None:
        return "additive", "Read it where it is sent; older clients do not send it, so do not require it."
    if after is None:
        if before["required"]:
            return "breaking", "Do not require it any more."
        return "additive", "Newer clients do not send it; keep it for older ones."
    more, less = _beyond(after["kinds"], before["kinds"]), _beyond(before["kinds"], after["kinds"])
    if more and less:
        return "breaking", f"Read {' or '.join(more)} as well."
    if more:
        return "additive", f"Read {' or '.join(more)} as well; only new programs send it."
    if less:
        return "compatible", f"Nothing: {' or '.join(less)} is not sent any more."
    if before["required"] and not after["required"]:
        return "additive", f"Take requests without it for {after['default']}."
    if after["default"] != before["default"]:
        return "additive", f"Where it is left out, it means {after['default'] or 'nothing'} now."
    return "compatible", "Nothing."


def _answered(before: Field | None, after: Field | None, dispensable: bool) -> tuple[Severity, str]:
    """Of a field in answers."""
    if after is None:
        return "compatible", "Nothing: newer clients ignore it; older ones may read it."
    needed = after["required"] and not dispensable
    if before is None:
        return (
            ("breaking", "Answer it.")
            if needed
            else ("additive", "Answer it where there is something to say.")
        )
    more, less = _beyond(after["kinds"], before["kinds"]), _beyond(before["kinds"], after["kinds"])
    if less:
        return "breaking", f"Do not answer {' or '.join(less)} any more."
    if needed and not before["required"]:
        return "breaking", "Answer it always."
    if more:
        return "additive", f"{' or '.join(more)} may be answered, but not to older clients."
    if not before["required"] and before["default"] != after["default"]:
        return "additive", f"Where it is left out, clients take it for {after['default']} now."
    return "compatible", "Nothing: what was answered is taken."


def _beyond(kinds: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those of `kinds` that are none of `known`."""
    return [kind for kind in kinds if not any(_within(kind, other) for other in known)]


def _within(kind: str, other: str) -> bool:
    """Whether whatever is of one kind is of the other, too."""
    literal = kind.startswith(("'", '"'))
    if kind == other or other == "anything" or (kind == "integer" and other == "number"):
        return True
    if literal and other == "text":
        return True
    for frame in ("list of (", "map of ("):
        if kind.startswith(frame) and other.startswith(frame):
            inner, outer = kind[len(frame) : -1].split(", "), other[len(frame) : -1].split(", ")
            return all(any(_within(one, each) for each in outer) for one in inner)
    return False
