"""The laws as a catalogue: chosen by patterns, found by id, explained, listed."""

import inspect
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase

from contract.laws.law import GROUPS, Law

__all__ = ["chosen", "explained", "law_named", "law_rows", "source_code"]

MOST_NEAR = 5
HEAD = ("law", "what a server does", "needs", "SDK", "source")


def chosen(laws: Mapping[str, Law], patterns: Iterable[str]) -> list[Law]:
    """The laws that patterns name, in their own order; all where there is no pattern.

    Args:
        laws: by id.
        patterns: ids, groups, or patterns of ids with `*` and `?`, in any case.

    Raises:
        LookupError: for a pattern that names none, with the nearest ids.
    """
    wanted = [pattern.upper() for pattern in patterns]
    for pattern in wanted:
        if not any(_names(pattern, law) for law in laws.values()):
            raise LookupError(
                f"law: expected an id, a group or a pattern, got {pattern!r}; {_near(laws, pattern)}"
            )
    return [law for law in laws.values() if not wanted or any(_names(pattern, law) for pattern in wanted)]


def _names(pattern: str, law: Law) -> bool:
    return pattern == law.group or fnmatchcase(law.id, pattern)


def law_named(laws: Mapping[str, Law], law_id: str) -> Law:
    """The law of an id, in any case.

    Raises:
        LookupError: with the nearest ids.
    """
    if (law := laws.get(law_id.upper())) is None:
        raise LookupError(f"law: expected an id, got {law_id!r}; {_near(laws, law_id.upper())}")
    return law


def _near(laws: Mapping[str, Law], name: str) -> str:
    whole = re.sub(r"-(\d)\Z", r"-0\1", name)
    near = get_close_matches(whole, laws, n=MOST_NEAR)
    return f"near ones are {', '.join(near)}" if near else f"groups are {', '.join(GROUPS)}"


def law_rows(laws: Iterable[Law]) -> list[tuple[str, ...]]:
    """A row for each law, with a head."""
    return [
        HEAD,
        *((law.id, law.statement, ", ".join(law.needs), _releases(law), law.source) for law in laws),
    ]


def _releases(law: Law) -> str:
    return f"{law.since} - {law.until or ''}".rstrip()


def explained(law: Law) -> str:
    """All that is known of a law, with the source code of its check."""
    told = {
        "group": GROUPS[law.group],
        "source": law.source,
        "usually": law.breaks,
        "needs": ", ".join(law.needs) or "nothing that a server may lack",
        "SDK": _releases(law),
    }
    lines = [f"{name:8}{text}" for name, text in told.items()]
    return "\n".join([f"{law.id}  {law.statement}", "", *lines, "", source_code(law)])


def source_code(law: Law) -> str:
    """The function that tries it, without what its decorator says."""
    text = inspect.getsource(law.check).rstrip()
    return text[text.index("def ") :]
