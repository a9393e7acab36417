"""Tables for people: every endpoint, as text or Markdown."""

from contract import OPERATIONS, UNSERVED, Deferred, Endpoint, Unserved
from fake_server.control_api import CONTROLS, Control

__all__ = ["as_markdown", "as_text", "control_rows", "operation_rows"]

Row = tuple[str, ...]
HEAD: Row = ("operation", "method", "path", "request", "response", "deferred", "SDK", "served")


def operation_rows() -> list[Row]:
    """A row for each endpoint, the served ones first."""
    return [HEAD, *map(_row, (*OPERATIONS, *UNSERVED))]


def _row(row: Endpoint) -> Row:
    versions = f"{row.since} - {row.until}" if row.until else f"{row.since} -"
    if isinstance(row, Unserved):
        return (row.name, row.method, row.route, "", "", "", versions, f"no: {row.reason}")
    deferred = isinstance(row, Deferred)
    request, response = _name(getattr(row, "request", None)), _name(getattr(row, "response", None))
    return (row.name, row.method, row.route, request, response, "yes" if deferred else "", versions, "yes")


def _name(type_: object) -> str:
    if type_ is type(None):
        return "nothing"
    return getattr(type_, "__name__", "any outcome")


PARTS_OF_THE_PAGE = {"page_style", "page_script", "rows", "entry"}
"""What the page loads by itself; nobody else needs it."""
ELSEWHERE: tuple[Row, ...] = (
    ("Answer some operations by another server.", "`cassettes.route(url, ...)`", "", "proxy --upstream URL"),
    ("Let nothing get beyond loopback.", "by itself; elsewhere `fake_server.guard.network_guard()`", "", ""),
    ("Shorten the SDK's own waits.", "`fake_server.fast_sdk.fast_sdk()`, fixture `tinker_fast_sdk`", "", ""),
)
"""Controls that act at a server's start, or in the client's process: over HTTP they make no sense."""


def control_rows() -> list[Row]:
    """A row for each control, with its three faces."""
    head: Row = ("control", "on the fixture", "over HTTP", "command")
    listed = (control for control in CONTROLS if control.binding.row.name not in PARTS_OF_THE_PAGE)
    rows = ((c.binding.row.summary, f"`{c.python}`" if c.python else "", _url(c), c.command) for c in listed)
    return [head, *rows, *ELSEWHERE]


def _url(control: Control) -> str:
    row = control.binding.row
    return f"`{row.method} {row.route}`"


def as_text(rows: list[Row]) -> str:
    """Columns padded to line up."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )


def as_markdown(rows: list[Row]) -> str:
    """A Markdown table."""
    head, *body = rows
    lines = [head, tuple("---" for _ in head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
