"""A journal as HAR 1.2, for the tools that show HTTP traffic.

Source: HTTP Archive 1.2 specification. What is decoded stands where HAR has the text of a body: protobuf
is shown as the JSON of the same values. Names with a leading `_` are ours, as the specification has it.
"""

import json
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from contract import OPERATIONS, UNSERVED
from contract.codec import JSON
from fake_server.entries import Entry
from fake_server.journal import Journal
from fake_server.times import utc

__all__ = ["as_har"]

ROWS = {row.name: row for row in (*OPERATIONS, *UNSERVED)}
HTTP = "HTTP/1.1"
ORIGIN = "http://tinkerproof.invalid"
"""Ours: the journal does not keep under what name a client reached the server."""


def as_har(journal: Journal) -> dict[str, Any]:
    """The `log` object of HAR, in its envelope. No keys, no tokens, no cookies."""
    prefix = f"/t/{journal.tenant}" if journal.tenant else ""
    creator = {"name": "tinkerproof", "version": version("tinkerproof")}
    entries = [_entry(entry, ORIGIN + prefix) for entry in journal.history()]
    return {"log": {"version": "1.2", "creator": creator, "entries": entries}}


def _entry(entry: Entry, origin: str) -> dict[str, Any]:
    ended = entry.arrived_at if entry.answered_at is None else entry.answered_at
    milliseconds = max(0.0, (ended - entry.arrived_at) * 1000)
    return {
        "startedDateTime": utc(entry.arrived_at).isoformat(),
        "time": milliseconds,
        "request": _request(entry, origin),
        "response": _response(entry),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "_number": entry.number,
        "_operation": entry.operation,
        "_faults": list(entry.faults),
    }


def _request(entry: Entry, origin: str) -> dict[str, Any]:
    row, exchange = ROWS[entry.operation], entry.exchange
    values = {name: quote(str(value), safe=":") for name, value in entry.request.items()}
    in_path = {name for name in values if f"{{{name}}}" in row.route}
    path = row.route.format_map(values) if "{" in row.route and in_path else row.route
    query = entry.request if row.method == "GET" else {}
    pairs = [(name, str(value)) for name, value in query.items() if name not in in_path and value is not None]
    text = "&".join(f"{name}={quote(value)}" for name, value in pairs)
    headers = {
        "content-type": exchange.request_type,
        "x-stainless-package-version": entry.sdk_version,
        "x-stainless-retry-count": str(entry.retry_count),
        "x-idempotency-key": entry.fields["idempotency_key"],
    }
    made: dict[str, Any] = {
        "method": row.method,
        "url": origin + path + (f"?{text}" if text else ""),
        "httpVersion": HTTP,
        "cookies": [],
        "headers": _named(headers.items()),
        "queryString": _named(pairs),
        "headersSize": -1,
        "bodySize": exchange.request_bytes,
    }
    if row.method in ("POST", "PUT"):
        made["postData"] = {"mimeType": exchange.request_type, "text": _text(entry.fields["request"])}
    return made


def _response(entry: Entry) -> dict[str, Any]:
    exchange = entry.exchange
    known = entry.status in HTTPStatus.__members__.values()
    headers = {"content-type": exchange.answer_type, **entry.fields["answer_headers"]}
    return {
        "status": entry.status,
        "statusText": HTTPStatus(entry.status).phrase if known else "",
        "httpVersion": HTTP,
        "cookies": [],
        "headers": _named(headers.items()) if entry.status else [],
        "content": {
            "size": exchange.answer_bytes,
            "mimeType": exchange.answer_type or JSON,
            "text": _text(entry.answer),
        },
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": exchange.answer_bytes,
    }


def _named(pairs: Iterable[tuple[str, str | None]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs if value is not None]


def _text(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
