"""The journal over HTTP."""

from typing import Any

from contract import EmptyRequest, Operation, WireModel, WireResponse
from fake_server.control_api.control import Control, control, controls_of
from fake_server.journal import as_fields
from fake_server.service import Call

__all__ = ["JOURNAL"]


class JournalRequest(WireModel):
    """Which entries."""

    operation: str | None = None
    """Only those of this operation."""
    after: int = 0
    """Only those with a higher number."""
    limit: int = 1000
    """At most so many, the oldest."""


class JournalResponse(WireResponse):
    """Entries of the journal."""

    total: int
    """How many there were, dropped ones included."""
    entries: list[dict[str, Any]]


def get_journal(call: Call, request: JournalRequest) -> JournalResponse:
    """Entries, oldest first."""
    journal = controls_of(call).journal
    chosen = [
        entry
        for entry in journal
        if entry.number > request.after and request.operation in (None, entry.operation)
    ]
    return JournalResponse(
        total=journal.total, entries=[as_fields(entry) for entry in chosen[: request.limit]]
    )


def clear_journal(call: Call, _request: EmptyRequest) -> None:
    """Forget all entries."""
    controls_of(call).journal.clear()


NOTHING = type(None)
JOURNAL: tuple[Control, ...] = (
    control(
        Operation(
            "journal",
            "GET",
            "Requests and answers, decoded.",
            JournalRequest,
            JournalResponse,
            path="/-/journal",
            area="journal",
        ),
        get_journal,
        python="journal",
    ),
    control(
        Operation(
            "journal_clear",
            "DELETE",
            "Forget all entries.",
            EmptyRequest,
            NOTHING,
            path="/-/journal",
            area="journal",
        ),
        clear_journal,
        python="journal.clear()",
    ),
)
