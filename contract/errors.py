"""What can go wrong, as answers and as failed futures.

`STATUSES` is the one table of HTTP statuses. Each is chosen for what the published clients do with it,
not for its dictionary meaning: a status that a client retries turns a mistake into an endless loop.

ApiError
├── BadRequest            400
├── Unauthorized          401
├── Forbidden             403
├── NotFound              404
├── MethodNotAllowed      405
├── Gone                  410
├── PayloadTooLarge       413
├── UnsupportedMediaType  415
├── Unprocessable         422
├── TooManyRequests       429
└── NotServed             501, as 400
RequestFailure            200 and {"error", "category"}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

__all__ = [
    "STATUSES",
    "ApiError",
    "BadRequest",
    "Forbidden",
    "Gone",
    "MethodNotAllowed",
    "NotFound",
    "NotServed",
    "PayloadTooLarge",
    "RequestErrorCategory",
    "RequestFailure",
    "TooManyRequests",
    "Unauthorized",
    "Unprocessable",
    "UnsupportedMediaType",
]


class RequestErrorCategory(StrEnum):
    """Whose fault a failed future is. Clients know these three words, in lower case."""

    Unknown = "unknown"
    Server = "server"
    User = "user"


class ApiError(Exception):
    """An answer other than success: a status and a text that says what to do next."""

    status: ClassVar[int] = 500

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}


class BadRequest(ApiError):
    """The request cannot be carried out as it is."""

    status = 400


class Unauthorized(ApiError):
    """The credential is missing, unknown or expired."""

    status = 401


class Forbidden(ApiError):
    """The credential does not reach this object."""

    status = 403


class NotFound(ApiError):
    """No object, future or path of that name."""

    status = 404


class MethodNotAllowed(ApiError):
    """The path is there, and not for this method; header `Allow` names those that it is for."""

    status = 405


class Gone(ApiError):
    """It was there, and is not any more: an expired future, a finished session."""

    status = 410


class PayloadTooLarge(ApiError):
    """The body, as sent or once decompressed, is larger than the server takes."""

    status = 413


class UnsupportedMediaType(ApiError):
    """The body's type or encoding is one that the operation does not read."""

    status = 415


class Unprocessable(ApiError):
    """The body is well-formed and does not have the operation's type."""

    status = 422


class TooManyRequests(ApiError):
    """Come back later."""

    status = 429


class NotServed(ApiError):
    """The operation exists and this server does not serve it. 501 would be retried for minutes."""

    status = 400


class RequestFailure(Exception):
    """A future that failed: it is answered with status 200 and `{"error", "category"}`."""

    def __init__(self, error: str, category: RequestErrorCategory = RequestErrorCategory.User) -> None:
        super().__init__(error)
        self.error = error
        self.category = category


@dataclass(frozen=True, slots=True)
class StatusRow:
    """What the newest SDK does with a status."""

    meaning: str
    on_submit: str
    """Reaction where an operation is called."""
    on_retrieve: str
    """Reaction where a future is polled."""


STATUSES: Mapping[int, StatusRow] = {
    400: StatusRow("cannot be carried out", "BadRequestError", "3 more polls, then ValueError"),
    401: StatusRow("no valid credential", "AuthenticationError", "ValueError"),
    402: StatusRow("billing pause", "retried every 5 s for an hour", "retried every 5 s for an hour"),
    403: StatusRow("no access", "PermissionDeniedError", "ValueError"),
    404: StatusRow("no such object", "NotFoundError", "ValueError"),
    405: StatusRow("another method's path", "APIStatusError", "ValueError"),
    408: StatusRow("still pending", "retried", "polled again at once"),
    409: StatusRow("never sent: retried for minutes", "retried for 5 minutes", "ValueError"),
    410: StatusRow("was there once", "APIStatusError; ends heartbeats", "samples are sent again"),
    413: StatusRow("body too large", "APIStatusError", "ValueError"),
    415: StatusRow("type or encoding not read", "APIStatusError", "ValueError"),
    422: StatusRow("body of another type", "UnprocessableEntityError", "ValueError"),
    429: StatusRow("come back later", "retried with backoff", "retried with backoff"),
    500: StatusRow("never sent for a lasting problem", "retried for 5 minutes", "polled again at once"),
}
"""Source: wire protocol measured on sdk 0.38.0 by fault injection; `tests/sdk` repeats it."""
