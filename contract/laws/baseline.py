"""`Baseline`: the failures of a server or a client that are known, each with a reason."""

import json
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Baseline", "Excuse", "Judged"]

FORM = 'expected a reason in words, or {"reason": …, "expires": YYYY-MM-DD}'


class Judged(Protocol):
    """What came of a law or a scenario."""

    @property
    def id(self) -> str:
        """Of the law or the scenario."""
        ...

    @property
    def verdict(self) -> str:
        """`holds`, `broken`, `error` or `skipped`."""
        ...


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why a law that does not hold fails no run."""

    reason: str
    expires: date | None = None
    """The last day on which it counts; None: for ever."""

    def counts_on(self, today: date) -> bool:
        """Whether it still excuses anything."""
        return self.expires is None or today <= self.expires


@dataclass(frozen=True, slots=True)
class Baseline:
    """Excuses by the ids of laws or scenarios."""

    excuses: dict[str, Excuse] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Baseline":
        """The baseline in a file: TOML, or JSON where its name ends so.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is none, or has an entry without a reason.
        """
        text = path.read_text(encoding="utf-8")
        try:
            entries = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except ValueError as error:
            form = "JSON" if path.suffix == ".json" else "TOML"
            raise ValueError(f"{path}: expected {form}, got what is none: {error}") from None
        if not isinstance(entries, dict):
            raise ValueError(f"{path}: expected ids with reasons, got a {type(entries).__name__}")
        return cls({name: _excuse(f"{path}: {name}", entry) for name, entry in entries.items()})

    def excuse(self, outcome: Judged, today: date) -> str:
        """The reason why a failure is known; empty where it is not, or not any more."""
        excuse = self.excuses.get(outcome.id)
        if excuse is None or outcome.verdict not in ("broken", "error") or not excuse.counts_on(today):
            return ""
        return excuse.reason

    def stale(self, outcomes: Iterable[Judged], known_ids: Collection[str], today: date) -> dict[str, str]:
        """What is wrong with entries, by their ids: it holds now, there is none, or the day is over.

        An entry of a law that was not tried is left alone.
        """
        verdicts = {outcome.id: outcome.verdict for outcome in outcomes}
        found = {}
        for law_id, excuse in self.excuses.items():
            if law_id not in known_ids:
                found[law_id] = "there is none of that id; remove the entry"
            elif verdicts.get(law_id) == "holds":
                found[law_id] = "it holds now; remove the entry"
            elif law_id in verdicts and not excuse.counts_on(today):
                found[law_id] = f"expired after {excuse.expires}; mend it, or give it another day"
        return found


def _excuse(where: str, entry: object) -> Excuse:
    fields: dict[str, Any] = entry if isinstance(entry, dict) else {"reason": entry}
    reason, expires = fields.get("reason"), fields.get("expires")
    if not isinstance(reason, str) or not reason.strip() or fields.keys() - {"reason", "expires"}:
        raise ValueError(f"{where}: {FORM}, got {entry!r}")
    return Excuse(reason.strip(), None if expires is None else _day(where, expires))


def _day(where: str, value: object) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{where}: expires: expected YYYY-MM-DD, got {value!r}") from None
