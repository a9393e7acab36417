"""Routes: which operation is answered here and which by the other server, and what cannot be kept apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from contract import OPERATIONS, UNSERVED
from fake_server.cassettes.recorder import POLLS

__all__ = ["SAMPLE", "Route", "Side", "sides"]

Side = Literal["local", "upstream"]
SAMPLE = "asample"
"""The one operation of a world that may be answered elsewhere than the rest of it."""
CREDENTIALS = ("client_config", "auth_token", "get_api_key", "delete_api_key")
FREE_AREAS = frozenset({"service", "account"})
"""What reads nothing that an operation has changed."""
SHARED = "they share the state of sessions, models and checkpoints, and its order"
TOKENS = "what one server takes for a token the other does not"


@dataclass(frozen=True, slots=True)
class Route:
    """One rule: operations by a pattern, and who answers them."""

    pattern: str
    """With `*` and `?`."""
    side: Side

    @classmethod
    def parse(cls, text: str) -> "Route":
        """From `asample=upstream`.

        Raises:
            ValueError: if it is not `PATTERN=local` or `PATTERN=upstream`, or no operation has such a name.
        """
        pattern, _, side = text.partition("=")
        if not pattern or side not in ("local", "upstream"):
            raise ValueError(f"route: expected OPERATION=local or OPERATION=upstream, got {text!r}")
        if pattern in POLLS:
            raise ValueError(
                f"route {text!r}: expected an operation, got a poll; it goes where its promise was made"
            )
        if not any(fnmatchcase(name, pattern) for name in _names()):
            raise ValueError(
                f"route {text!r}: expected a pattern of an operation, got one of none; "
                "`tinkerproof operations` lists them"
            )
        return cls(pattern, "local" if side == "local" else "upstream")


def _names() -> list[str]:
    return [row.name for row in (*OPERATIONS, *UNSERVED)]


def sides(routes: Iterable[Route], otherwise: Side) -> Mapping[str, Side]:
    """Who answers each operation: the first route that fits, else `otherwise`.

    Raises:
        ValueError: for operations that make no sense apart, with the reason.
    """
    chosen = list(routes)
    found = {
        name: next((r.side for r in chosen if fnmatchcase(name, r.pattern)), otherwise) for name in _names()
    }
    world = [
        row.name
        for row in OPERATIONS
        if row.area not in FREE_AREAS and row.name not in {SAMPLE, *POLLS, *CREDENTIALS}
    ]
    _check_together(found, world, SHARED)
    _check_together(found, CREDENTIALS, TOKENS)
    return found


def _check_together(found: Mapping[str, Side], names: Iterable[str], reason: str) -> None:
    first, *others = names
    apart = [name for name in others if found[name] != found[first]]
    if apart:
        raise ValueError(
            f"route {apart[0]}={found[apart[0]]}: expected {found[first]}, as {first}; {reason}. "
            f"Route together: {', '.join([first, *others])}"
        )
