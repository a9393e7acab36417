"""What a command asks a running server, by its controls."""

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

__all__ = ["ask", "ask_json"]

PATIENCE_SECONDS = 60.0
"""Ours: a journal of 64 MiB takes a few seconds to write."""


def ask(url: str, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
    """What a server's control answers.

    Args:
        url: of the server, or of a tenant of it.
        path: below it.
        method: of the control.
        body: JSON, or a file's content.

    Raises:
        ValueError: for what is no URL of a server.
        OSError: if it cannot be reached, answers an error, in its words, or does not speak HTTP.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"url: expected one such as http://127.0.0.1:8000, got {url!r}")
    whole = url.rstrip("/") + path
    try:
        request = Request(whole, body, {"content-type": "application/json"}, method=method)
        with urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            content: bytes = answer.read()
            return content
    except HTTPError as error:
        with error:
            told = _detail(error.read().decode(errors="replace"))
            raise OSError(f"{whole}: expected 200, got {error.code}: {told}") from None
    except URLError as error:
        raise OSError(f"{whole}: expected an answer, got {error.reason}; is the server running?") from None
    except (HTTPException, OSError, ValueError) as error:
        told = str(error).strip() or type(error).__name__
        raise OSError(f"{whole}: expected an answer, got {told}; is it a server of tinkerproof?") from None


def ask_json(url: str, path: str, method: str = "GET", body: bytes | None = None) -> dict[str, Any]:
    """The fields of what a server's control answers in JSON.

    Raises:
        ValueError, OSError: as `ask`, and for an answer that is no object of JSON.
    """
    content = ask(url, path, method, body)
    try:
        fields = json.loads(content)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise ValueError(
            f"{url.rstrip('/')}{path}: expected an object of JSON, got {content[:40]!r}; "
            "is it a server of tinkerproof?"
        )
    return fields


def _detail(text: str) -> str:
    """What an error says in words; all of it where it is not one of ours."""
    try:
        return str(json.loads(text)["detail"])
    except (KeyError, TypeError, ValueError):
        return text
