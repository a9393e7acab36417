"""The journal over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import NonNegativeInt

from contract import BadRequest, EmptyRequest, Operation, WireModel, WireResponse
from fake_server.control_api.control import Control, control, controls_of
from fake_server.entries import Entry
from fake_server.har import as_har
from fake_server.journal import Journal
from fake_server.journal_files import as_lines
from fake_server.service import Call
from fake_server.wire import Answer

__all__ = ["JOURNAL", "LINES"]

LINES = "application/x-ndjson"


class JournalRequest(WireModel):
    """Which entries."""

    operation: str | None = None
    """Only those of this operation, alias or pattern with `*`."""
    session_id: str | None = None
    """Only those of this session."""
    model_id: str | None = None
    """Only those about this model."""
    seq_id: int | None = None
    """Only those with this number."""
    status: int | None = None
    """Only those that were answered with it."""
    after: int = 0
    """Only those with a higher number."""
    limit: NonNegativeInt = 1000
    """At most so many, the oldest."""


class JournalResponse(WireResponse):
    """Entries of the journal."""

    total: int
    """How many there were, dropped ones included."""
    entries: list[dict[str, Any]]


def get_journal(call: Call, request: JournalRequest) -> JournalResponse:
    """Entries, oldest first; beside their own fields, the model and the session that they belong to."""
    journal = controls_of(call).journal
    chosen = list(_chosen(journal, request))[: request.limit]
    entries = [{**e.fields, "session_id": e.session_id, "model_id": e.model_id} for e in chosen]
    return JournalResponse(total=journal.total, entries=entries)


def _chosen(journal: Journal, request: JournalRequest) -> Iterator[Entry]:
    names = ("session_id", "model_id", "seq_id", "status")
    wanted = {name: value for name in names if (value := getattr(request, name)) is not None}
    try:
        calls = journal.calls(*filter(None, [request.operation]))
    except LookupError as error:
        raise BadRequest(str(error)) from None
    return (entry for entry in calls.where(**wanted) if entry.number > request.after)


def get_lines(call: Call, _request: EmptyRequest) -> Answer:
    """All entries as JSON lines."""
    return Answer(200, as_lines(controls_of(call).journal).encode(), LINES)


def get_har(call: Call, _request: EmptyRequest) -> Answer:
    """All entries as HAR 1.2."""
    return Answer(200, json.dumps(as_har(controls_of(call).journal), ensure_ascii=False).encode())


def clear_journal(call: Call, _request: EmptyRequest) -> None:
    """Forget all entries."""
    controls_of(call).journal.clear()


NOTHING = type(None)
PATH = "/-/journal"
JOURNAL: tuple[Control, ...] = (
    control(
        Operation(
            "journal",
            "GET",
            "Requests and answers, decoded.",
            JournalRequest,
            JournalResponse,
            path=PATH,
            area="journal",
        ),
        get_journal,
        python="journal.calls(operation)",
        command="journal URL\\|FILE",
    ),
    control(
        Operation(
            "journal_lines",
            "GET",
            "The same as JSON lines, a file that is read back.",
            EmptyRequest,
            NOTHING,
            path=f"{PATH}.jsonl",
            area="journal",
        ),
        get_lines,
        python="journal_files.as_lines(journal)",
        command="journal URL --jsonl",
    ),
    control(
        Operation(
            "journal_har",
            "GET",
            "The same as HAR 1.2.",
            EmptyRequest,
            NOTHING,
            path=f"{PATH}.har",
            area="journal",
        ),
        get_har,
        python="har.as_har(journal)",
        command="journal URL --har",
    ),
    control(
        Operation(
            "journal_clear",
            "DELETE",
            "Forget all entries.",
            EmptyRequest,
            NOTHING,
            path=PATH,
            area="journal",
        ),
        clear_journal,
        python="journal.clear()",
    ),
)
