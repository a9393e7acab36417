"""What the mini client raises: one class for each thing that can go wrong."""

__all__ = [
    "BadInput",
    "ClientError",
    "Expired",
    "FailedForUnknownReasons",
    "Refused",
    "RequestFailed",
    "ServerFailed",
    "SessionEnded",
    "Unreachable",
    "UserFailed",
    "WrongAnswer",
    "failure_of",
]


class ClientError(Exception):
    """All that this client raises on purpose."""


class BadInput(ClientError):
    """The caller asked for something that no server could do; nothing was sent."""


class SessionEnded(ClientError):
    """The session was finished, by this client or by the server; nothing was sent."""


class Unreachable(ClientError):
    """No answer, or none but errors that pass, however often the request was sent."""


class Refused(ClientError):
    """An answer that the next attempt would get as well."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Expired(Refused):
    """The promise is gone; whether its work was done, nobody can tell."""


class WrongAnswer(ClientError):
    """The answer is none to the question: unreadable, of another type, or with parts missing."""


class RequestFailed(ClientError):
    """The operation was carried out and failed."""


class UserFailed(RequestFailed):
    """It failed by the caller's fault."""


class ServerFailed(RequestFailed):
    """It failed by the server's fault."""


class FailedForUnknownReasons(RequestFailed):
    """It failed, and the server does not say by whose fault, or in a word that is new."""


def failure_of(category: object) -> type[RequestFailed]:
    """The class of a failed future's category; new words and cases are unknown ones."""
    known: dict[object, type[RequestFailed]] = {"user": UserFailed, "server": ServerFailed}
    return known.get(category, FailedForUnknownReasons)
