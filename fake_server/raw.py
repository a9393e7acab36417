"""`Raw`: one call of the API at a time, in JSON, without the SDK and its retries."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

from contract import OPERATIONS, Endpoint
from fake_server.bindings import FIELD

__all__ = ["Raw", "RawReply"]

NOT_YET = 408
ROWS: Mapping[str, Endpoint] = {row.name: row for row in OPERATIONS}


@dataclass(frozen=True, slots=True)
class RawReply:
    """What a call was answered."""

    status: int
    json: Any
    """The decoded body; None where there is none, bytes where it is no JSON."""

    def __getitem__(self, name: str) -> Any:
        """A field of the answer."""
        return self.json[name]


class Raw:
    """A client of one tenant; a connection for each call, so that nothing is left open.

    Args:
        url: base URL of the tenant.
        api_key: sent with each call.
    """

    def __init__(self, url: str, api_key: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._prefix = parts.hostname or "", parts.port or 80, parts.path
        self._headers = {"x-api-key": api_key, "content-type": "application/json"}

    def call(self, operation: str, fields: Mapping[str, Any] | None = None) -> RawReply:
        """Call an operation by its name in the contract; `fields` fill the path, the rest is the body.

        Raises:
            LookupError: for an unknown operation.
            OSError, http.client.HTTPException: if the connection breaks.
        """
        row = ROWS.get(operation)
        if row is None:
            raise LookupError(
                f"operation: expected a name that `tinkerproof operations` lists, got {operation!r}"
            )
        rest = dict(fields or {})
        path = FIELD.sub(lambda found: quote(str(rest.pop(found[1])), safe=""), row.route)
        connection = HTTPConnection(self._host, self._port)
        try:
            body = None if row.method == "GET" and not rest else json.dumps(rest)
            connection.request(row.method, self._prefix + path, body, self._headers)
            answer = connection.getresponse()
            payload = answer.read()
        finally:
            connection.close()
        return RawReply(answer.status, _decoded(payload))

    def result(self, request_id: str) -> RawReply:
        """The outcome of a deferred operation, once there is one: polls until then."""
        while (reply := self.call("retrieve_future", {"request_id": request_id})).status == NOT_YET:
            pass
        return reply


def _decoded(payload: bytes) -> Any:
    if not payload:
        return None
    try:
        return json.loads(payload)
    except ValueError:
        return payload
