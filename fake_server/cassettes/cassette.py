"""`Cassette`: recorded exchanges as text. One line says what it is, each other one is an exchange.

Ids are written as references, `<model:1>`, and secrets not at all, so that the same run writes the same bytes
and a recording replays under other ids. Source of the format: ours.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.versions import NEWEST
from fake_server.cassettes.values import ROWS, as_text

__all__ = ["Cassette", "CassetteError", "Entry"]

FORMAT = 1
"""Of the file. A reader refuses others."""


class CassetteError(ValueError):
    """A file that is no cassette, or one that this release cannot read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and what came of it, in references."""

    operation: str
    lane: str = ""
    """What it belongs to: a session, a model, a sampler; empty for none."""
    request: Any = None
    """The decoded request."""
    status: int = 200
    answer: Any = None
    """The decoded answer; of an operation that answers a promise, the promise."""
    outcome: Any = None
    """Of a promise: the result or the failure; None where nobody fetched it."""
    refusal: Any = None
    """Of a promise: `{"status", "answer"}` where polling it was answered with an error, for good."""
    pending: tuple[Any, ...] = ()
    """Of a promise: what the polls before the outcome said."""
    headers: dict[str, str] = field(default_factory=dict)
    """Those of the answer that clients act on."""
    file: str | None = None
    """Of a download: its content, base64; None where it was too large to keep."""

    def fields(self) -> dict[str, Any]:
        """As the file has it: what is empty is left out."""
        values = {name: getattr(self, name) for name in self.__slots__}
        kept = {name: value for name, value in values.items() if value not in (None, "", (), {})}
        return kept | ({"pending": list(self.pending)} if self.pending else {})

    @property
    def seq_id(self) -> int | None:
        """The request's number in its lane."""
        number = self.request.get("seq_id") if isinstance(self.request, dict) else None
        return number if isinstance(number, int) else None


@dataclass(slots=True)
class Cassette:
    """What is in a file."""

    entries: list[Entry]
    sdk: str = NEWEST
    """The client that was recorded."""
    ids: dict[str, str] = field(default_factory=dict)
    """How ids are made of others: `{"model:1": "<session:1>:train:0"}`."""
    contract: str = NEWEST
    """The newest release that the contract knew."""

    def text(self) -> str:
        """The file's text; the same run gives the same."""
        head = {"cassette": FORMAT, "contract": self.contract, "sdk": self.sdk, "ids": self.ids}
        return "".join(_line(fields) for fields in [head, *(entry.fields() for entry in self.entries)])

    def save(self, path: Path) -> None:
        """Write the file; whoever reads meanwhile sees the old one or the new one, whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(self.text(), encoding="utf-8")
        os.replace(beside, path)

    @classmethod
    def load(cls, path: Path) -> "Cassette":
        """Read a file.

        Raises:
            FileNotFoundError: if there is none, saying how to record one.
            CassetteError: if it is no cassette of this format, naming the line.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise FileNotFoundError(
                f"cassette: expected a file at {str(path)!r}, got none; record it with "
                "`tinkerproof record --upstream URL --out FILE`, or fake.record(path)"
            ) from None
        except UnicodeDecodeError as error:
            raise CassetteError(
                f"{path}: expected a cassette, which is text, got byte {error.start} that is none; "
                "record it again"
            ) from None
        lines = _lines(path, text)
        _, head = next(lines, (1, {}))
        if not isinstance(head, dict) or head.get("cassette") != FORMAT:
            raise CassetteError(
                f'{path}:1: expected {{"cassette": {FORMAT}, …}}, got another line; '
                "record it again with this release"
            )
        entries = [_entry(path, number, line) for number, line in lines]
        return cls(entries, head.get("sdk", NEWEST), head.get("ids", {}), head.get("contract", NEWEST))


def _line(fields: dict[str, Any]) -> str:
    """A line of the file: its own fields in the order of `Entry`, all below them sorted."""
    return "{" + ",".join(f'"{name}":{as_text(value)}' for name, value in fields.items()) + "}\n"


def _lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise CassetteError(f"{path}:{number}: expected a line of JSON, got another: {error}") from None


def _entry(path: Path, number: int, line: Any) -> Entry:
    known = isinstance(line, dict) and line.get("operation") in {*ROWS, DOWNLOAD}
    if not known or not line.keys() <= set(Entry.__slots__) or not isinstance(line.get("status"), int):
        raise CassetteError(
            f"{path}:{number}: expected an operation of the contract and its status, got {str(line)[:60]!r}; "
            "`tinkerproof operations` lists them"
        )
    return Entry(**{**line, "pending": tuple(line.get("pending", ()))})


DOWNLOAD = "download"
"""What stands as the operation of a file that was fetched by its URL."""
