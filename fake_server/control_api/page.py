"""The page, what it reads, and the metrics."""

from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import NonNegativeInt

from contract import BadRequest, EmptyRequest, NotFound, Operation, WireModel, WireResponse
from fake_server.control_api.control import Control, control, controls_of
from fake_server.dashboard.copying import as_test
from fake_server.dashboard.overview import overview, rows
from fake_server.faults import Schedule
from fake_server.journal import as_fields
from fake_server.redaction import redacted_text
from fake_server.service import Call
from fake_server.tenants import DEFAULT
from fake_server.wire import Answer

__all__ = ["PAGE"]

NOTHING = type(None)
MEDIA_TYPES = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript"}


class RowsRequest(WireModel):
    """Which entries of the journal."""

    position: NonNegativeInt = 0
    """How many are known."""


class RowsResponse(WireResponse):
    """Entries without their bodies."""

    position: int
    """To ask with for those that come next."""
    rows: list[list[Any]]
    """Number, operation, status, times of arrival and answer, faults, owner, seq_id of each."""


class EntryRequest(WireModel):
    """One entry of the journal."""

    number: int


class RangeRequest(WireModel):
    """A range of the journal."""

    first: int
    last: int


@cache
def _file(kind: str) -> bytes:
    return files("fake_server.dashboard").joinpath(f"page.{kind}").read_bytes()


def _get_file(kind: str) -> Answer:
    return Answer(200, _file(kind), MEDIA_TYPES[kind])


def get_page(_call: Call, _request: EmptyRequest) -> Answer:
    """The page."""
    return _get_file("html")


def get_style(_call: Call, _request: EmptyRequest) -> Answer:
    """How the page looks."""
    return _get_file("css")


def get_script(_call: Call, _request: EmptyRequest) -> Answer:
    """What the page does."""
    return _get_file("js")


def get_overview(call: Call, _request: EmptyRequest) -> dict[str, Any]:
    """What the tenant has."""
    return overview(controls_of(call))


def get_rows(call: Call, request: RowsRequest) -> RowsResponse:
    """Entries of the journal, without their bodies."""
    controls = controls_of(call)
    with call.service.lock:
        return RowsResponse(position=controls.journal.total, rows=rows(controls, request.position))


def get_entry(call: Call, request: EntryRequest) -> dict[str, Any]:
    """One entry with its bodies."""
    journal = controls_of(call).journal
    for entry in journal:
        if entry.number == request.number:
            return as_fields(entry, journal.secrets)
    raise NotFound(f"no entry {request.number}; the journal keeps the newest ones")


def get_test(call: Call, request: RangeRequest) -> Answer:
    """Entries as a test."""
    controls = controls_of(call)
    journal, schedule = controls.journal, Schedule(faults=tuple(one.fault for one in controls.faults))
    try:
        text = as_test(journal, request.first, request.last, schedule.to_json())
    except (LookupError, ValueError) as error:
        raise BadRequest(str(error)) from None
    return Answer(200, redacted_text(text, journal.secrets).encode(), "text/x-python; charset=utf-8")


def get_metrics(call: Call, _request: EmptyRequest) -> Answer:
    """Metrics of this tenant; of all, where the URL has no tenant in it."""
    from fake_server.dashboard.metrics import MEDIA_TYPE, exposition  # 30 ms, for who looks at metrics

    own = controls_of(call)
    everyone = [service.controls for service in own.tenants if service.controls]
    return Answer(200, exposition(everyone if call.service.name == DEFAULT else [own]), MEDIA_TYPE)


def _row(name: str, summary: str, path: str, request: type[Any] = EmptyRequest) -> Operation[Any, Any]:
    return Operation(name, "GET", summary, request, NOTHING, path=f"/-/{path}", area="page")


PAGE: tuple[Control, ...] = (
    control(_row("page", "The page, to look at.", ""), get_page, python="page_url"),
    control(_row("page_style", "Its style.", "page.css"), get_style, python=""),
    control(_row("page_script", "Its script.", "page.js"), get_script, python=""),
    control(_row("overview", "What the tenant has.", "overview"), get_overview, python="service.store"),
    control(_row("rows", "The journal without bodies.", "rows", RowsRequest), get_rows, python="journal"),
    control(_row("entry", "One entry of the journal.", "entry", EntryRequest), get_entry, python="journal"),
    control(
        _row("copy_as_test", "A range of the journal as a test.", "test", RangeRequest), get_test, python=""
    ),
    control(_row("metrics", "Prometheus metrics.", "metrics"), get_metrics, python=""),
)
