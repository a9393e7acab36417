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


def control_rows() -> list[Row]:
    """A row for each control, with its three faces."""
    head: Row = ("control", "on the fixture", "over HTTP", "command")
    return [
        head,
        *((c.binding.row.summary, f"`{c.python}`" if c.python else "", _url(c), c.command) for c in CONTROLS),
    ]


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
