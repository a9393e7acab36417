"""References: what stands in a cassette where an id was. `<model:1>` is the first model of the recording."""

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["expanded", "reference", "substituted"]

REFERENCE = re.compile(r"<((?:session|model|sampler|future|sequence|loss|url):\d+|now|later|package)>")
RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]*")
"""What an id looks like, with what may hang on its end."""
END = re.compile(r"[:.\-_]|\Z")
SHORTEST = 4
"""Characters of an id that is looked for inside of texts. Source: ours: a shorter one is a part of words."""


def reference(kind: str, number: int) -> str:
    """How the file writes the id of that kind and number, from 1."""
    return f"<{kind}:{number}>"


def substituted(value: Any, names: Mapping[str, str]) -> Any:
    """The JSON value with references in the place of ids, wherever they stand in a text.

    Args:
        value: any JSON value; keys of objects stay as they are.
        names: references by id.
    """
    if isinstance(value, dict):
        return {key: substituted(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [substituted(item, names) for item in value] if _has_text(value) else value
    if not isinstance(value, str):
        return value
    return names.get(value) or RUN.sub(lambda found: _named(found[0], names), value)


def _has_text(value: list[Any]) -> bool:
    """Whether a text can be in it: a list of a thousand numbers is looked at once, not walked."""
    return not all(type(item) is int or type(item) is float for item in value)


def _named(run: str, names: Mapping[str, str]) -> str:
    for found in reversed(list(END.finditer(run))):
        end = found.start()
        name = names.get(run[:end]) if end >= SHORTEST else None
        if name is not None:
            return name + run[end:]
    return run


def expanded(value: Any, id_of: Callable[[str], str]) -> Any:
    """The JSON value with ids in the place of references.

    Args:
        value: any JSON value.
        id_of: the id of `model:1`, the time of `now` and of `later`, our own folder.
    """
    if isinstance(value, dict):
        return {key: expanded(item, id_of) for key, item in value.items()}
    if isinstance(value, list):
        return [expanded(item, id_of) for item in value] if _has_text(value) else value
    return REFERENCE.sub(lambda found: id_of(found[1]), value) if isinstance(value, str) else value
