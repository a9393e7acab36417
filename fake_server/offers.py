"""What installed packages offer us by name: backends, and formats to export an adapter to."""

from importlib.metadata import entry_points
from typing import Any, Literal

__all__ = ["find_offer"]

EXTRAS = {"torch": "engine", "peft": "engine"}
"""Offers of ours, and the extra that installs what they need."""


def find_offer(kind: Literal["backend", "format"], name: str) -> Any:
    """What some package offers under `name` in the entry points `tinkerproof.backends` or `.formats`.

    Raises:
        LookupError: listing the names that are there; or naming the package that the offer lacks.
    """
    found = {entry.name: entry for entry in entry_points(group=f"tinkerproof.{kind}s")}
    if name not in found:
        raise LookupError(f"{kind}: expected one of {', '.join(sorted(found)) or 'none'}, got {name!r}")
    try:
        return found[name].load()
    except ModuleNotFoundError as error:
        advice = f"pip install 'tinkerproof[{EXTRAS[name]}]'" if name in EXTRAS else "install what it needs"
        raise LookupError(f"{kind} {name!r}: expected what it imports, got {error}; {advice}") from None
