"""Changes of answers that a right client does not mind, for faults that rewrite them."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from contract.codec import JSON, PROTOBUF
from fake_server.fault import Blow
from fake_server.fault_bodies import fields_in
from fake_server.fault_connections import broken_off
from fake_server.wire import Answer

__all__ = [
    "UNKNOWN_FIELD",
    "bad_gateway",
    "closed_after",
    "compressed",
    "grown",
    "newer",
    "of_category",
    "parametrised",
    "paused_anew",
    "repeated_with_200",
]

UNKNOWN_FIELD = b"\xfa\x06\x03new"
"""Field 111, of a newer schema: three bytes of text. Source: protobuf encoding."""
MEGABYTES = 4 << 20
NEWER = {"from_a_newer_release": {"kind": "surprise", "values": [1, None, "two"]}}


def _changed(answer: Answer, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Answer:
    """The answer with its JSON object changed; others are left alone."""
    if answer.media_type != JSON or not answer.body:
        return answer
    fields = fields_in(answer)
    return answer if fields is None else replace(answer, body=json.dumps(change(fields)).encode())


def newer(answer: Answer, _blow: Blow) -> Answer:
    """A field that nobody knows, first in JSON and last in protobuf."""
    if answer.media_type == PROTOBUF:
        return replace(answer, body=answer.body + UNKNOWN_FIELD)
    return _changed(answer, lambda fields: {**NEWER, **fields})


def grown(answer: Answer, _blow: Blow) -> Answer:
    """4 MiB more, in a field that nobody knows."""
    return _changed(answer, lambda fields: {"from_a_newer_release": "x" * MEGABYTES, **fields})


def compressed(answer: Answer, blow: Blow) -> Answer:
    """Compressed with gzip, where the client says that it can read that."""
    if "gzip" not in blow.incoming.headers.get("accept-encoding") or not answer.body:
        return answer
    headers = {**(answer.headers or {}), "content-encoding": "gzip"}
    return replace(answer, body=gzip.compress(answer.body), headers=headers)


def parametrised(answer: Answer, _blow: Blow) -> Answer:
    """A content type with a parameter."""
    return replace(answer, media_type=f"{answer.media_type}; charset=utf-8") if answer.body else answer


def repeated_with_200(answer: Answer, _blow: Blow) -> Answer:
    """`try_again` with status 200, as older servers answer."""
    return replace(answer, status=200) if answer.status == 408 else answer


def paused_anew(answer: Answer, _blow: Blow) -> Answer:
    """A state of the queue that nobody knows."""
    if answer.status != 408:
        return answer
    return _changed(answer, lambda fields: {**fields, "queue_state": "paused_eclipse"})


def of_category(category: str) -> Callable[[Answer, Blow], Answer]:
    """Failures of a category of that name."""

    def change(answer: Answer, _blow: Blow) -> Answer:
        if b'"error"' not in answer.body:
            return answer
        return _changed(answer, lambda told: {**told, "category": category} if "error" in told else told)

    return change


def closed_after(answer: Answer, blow: Blow) -> Answer:
    """The whole answer, and then the end of its connection, of which nothing was said before."""
    return broken_off(answer, blow, 1.0, "close")


def bad_gateway(answer: Answer, _blow: Blow) -> Answer:
    """The page of a proxy before the service."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    return replace(answer, status=502, body=page, media_type="text/html")
