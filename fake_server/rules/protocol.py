"""Rules of the protocol: what a version sends, what nobody knows, and what must not be sent."""

from collections.abc import Iterator, Mapping
from typing import Any

from contract import OPERATIONS
from contract.codec import JSON
from contract.versions import has_trait, is_known, misplaced
from fake_server.entries import Entry
from fake_server.history import History
from fake_server.redaction import HIDDEN_KEY
from fake_server.rules.rule import Found, Rule

__all__ = ["PROTOCOL"]

ROWS = {row.name: row for row in OPERATIONS}
SHOWN = 5
PROTOBUF_RESULTS = ("forward_backward", "asample")


def another_versions(history: History) -> Iterator[Found]:
    """Endpoints and fields that the client's version does not have."""
    told: set[str] = set()
    for entry in history:
        version = entry.exchange.sdk_version
        row = ROWS.get(entry.operation)
        if row is None or not entry.exchange.says_version:
            continue
        wrong = misplaced(row, entry.request, version)
        texts = {f"{version} sends {row.name}{name}" for name in wrong}
        texts |= {
            f"{version} {what} in JSON" for what in _in_json(entry) if has_trait(version, "protobuf_alone")
        }
        if texts - told:
            told |= texts
            yield Found("; ".join(sorted(texts)[:SHOWN]) + ", which it does not have", (entry,))


def _in_json(entry: Entry) -> Iterator[str]:
    """What an entry has in JSON that could be protobuf."""
    if entry.operation == "forward_backward" and entry.exchange.request_type == JSON:
        yield "sends forward_backward"
    polled = entry.submission.operation if entry.submission is not None else ""
    has_result = entry.is_final and not entry.faults and entry.failure is None
    if polled in PROTOBUF_RESULTS and has_result and entry.exchange.answer_type == JSON:
        yield f"reads the result of {polled}"


def untold_version(history: History) -> Iterator[Found]:
    """Sessions whose version is told in the body alone: nobody else can know it."""
    for entry in history:
        said = entry.own("sdk_version")
        if entry.operation == "create_session" and said and not entry.exchange.says_version:
            yield Found(f"a session of {said} was opened without X-Stainless-Package-Version", (entry,))
            break


def unknown(history: History) -> Iterator[Found]:
    """Fields that no version has."""
    told: set[tuple[str, str]] = set()
    for entry in history:
        new = {(entry.operation, name) for name in entry.exchange.unknown_fields} - told
        if new and is_known(entry.exchange.sdk_version):
            told |= new
            names = ", ".join(sorted(name for _, name in new)[:SHOWN])
            yield Found(f"{entry.operation} came with {names}, and it was ignored", (entry,))


def keys(history: History) -> Iterator[Found]:
    """A key or token where others can read it."""
    for entry in history:
        places = list(_places(entry.request, ""))
        if places:
            yield Found(f"{entry.operation} has a key in {', '.join(places[:SHOWN])}", (entry,))


def _places(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if HIDDEN_KEY in name:
                yield f"a name in {path.removeprefix('.') or 'the body'}"
            yield from _places(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list | str):
                yield from _places(item, f"{path}.{index}")
    elif isinstance(value, str) and HIDDEN_KEY in value:
        yield path.removeprefix(".")


PROTOCOL = (
    Rule(
        "CLI-19",
        "warning",
        "another version's protocol",
        "A server may speak to each version as it was, and refuse or misread what that one does not have.",
        "send the version that the client really speaks, or only what that version has",
        another_versions,
    ),
    Rule(
        "CLI-20",
        "warning",
        "unknown fields",
        "What the server does not know it drops: the client asked for something and did not get it.",
        "see `tinkerproof operations` and `tinkerproof openapi` for the names that there are",
        unknown,
    ),
    Rule(
        "CLI-21",
        "error",
        "a key where others can read it",
        "Telemetry, metadata, tags, names and paths are stored and shown; whoever reads them has the key.",
        "strip headers and environment from what is reported, and send the key in X-API-Key alone",
        keys,
    ),
    Rule(
        "CLI-22",
        "note",
        "no version in the header",
        "A server that speaks to each version as it was takes this client for the newest, whatever it is.",
        "send X-Stainless-Package-Version with every request, as create_session sends sdk_version",
        untold_version,
    ),
)
"""Rules 19 to 22."""
