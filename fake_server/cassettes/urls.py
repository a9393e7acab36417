"""URLs: a request's own as its client sees it, and those that answers send clients to."""

import re
from collections.abc import Iterator
from typing import Any

from contract.operations import EXPORT_TRACE, GET_CHECKPOINT_ARCHIVE_URL, GET_EXTERNAL_WEIGHTS_URLS
from fake_server.wire import Incoming

__all__ = ["URL", "WITH_URLS", "own_url", "urls_in"]

WITH_URLS = frozenset(
    {row.name for row in (EXPORT_TRACE, GET_CHECKPOINT_ARCHIVE_URL, GET_EXTERNAL_WEIGHTS_URLS)}
)
"""Operations whose answers send clients to the server's own URLs."""
URL = re.compile(r"https?://\S+\Z")


def own_url(incoming: Incoming) -> str:
    """The URL of a request as its client sees it."""
    query = f"?{incoming.query.decode('latin-1')}" if incoming.query else ""
    return f"http://{incoming.headers.get('host')}{incoming.raw_path.decode('latin-1')}{query}"


def urls_in(value: Any) -> Iterator[str]:
    """All texts of a JSON value that are URLs."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from urls_in(item)
    elif isinstance(value, str) and URL.match(value):
        yield value
