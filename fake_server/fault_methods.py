"""The faults as methods, for a test that sets them one by one: `fake.faults.status("optim_step", 503)`."""

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Unpack

from pydantic import JsonValue

from contract.codec import JSON
from fake_server.fault import Fault
from fake_server.fault_answers import BillingPause, Empty400, InvalidToken, RateLimit, Status
from fake_server.fault_bodies import (
    BadJson,
    BadProtobuf,
    EmptyBody,
    Garbage,
    NanLiterals,
    WrongContentType,
    WrongEncoding,
    WrongResult,
)
from fake_server.fault_connections import BadHttp, Drip, DropRequest, LoseAnswer, Reset, Stall, Truncate
from fake_server.fault_delays import Duplicate, Latency, Reorder
from fake_server.fault_forgeries import ChangedFields, Edited, Forged
from fake_server.fault_refusals import Refuse
from fake_server.occasions import Occasion, PlainOccasion, When

if TYPE_CHECKING:
    from fake_server.injector import SetFault

__all__ = ["FaultMethods"]


def _when(operation: str, occasion: PlainOccasion) -> When:
    return When.model_validate({"operation": operation, **occasion})


class FaultMethods(ABC):
    """Each method sets a fault: on the operations of a pattern, on the occasions that `When` describes."""

    @abstractmethod
    def set(self, fault: Fault) -> "SetFault":
        """Set a fault."""
        ...

    def latency(
        self, operation: str, seconds: float, *, jitter: float = 0.0, **when: Unpack[Occasion]
    ) -> "SetFault":
        """Late by `seconds`, and up to `jitter` more."""
        return self.set(Latency(when=_when(operation, when), seconds=seconds, jitter=jitter))

    def duplicate(
        self,
        operation: str = "*",
        *,
        copies: int = 2,
        answer: Literal["first", "last"] = "first",
        **when: Unpack[Occasion],
    ) -> "SetFault":
        """Delivered more than once."""
        return self.set(Duplicate(when=_when(operation, when), copies=copies, answer=answer))

    def reorder(
        self, operation: str = "*", *, window: int = 2, patience: float = 1.0, **when: Unpack[Occasion]
    ) -> "SetFault":
        """Served in the reverse of the order in which `window` of them came."""
        return self.set(Reorder(when=_when(operation, when), window=window, patience=patience))

    def status(
        self,
        operation: str,
        status: int,
        *,
        body: JsonValue = None,
        headers: dict[str, str] | None = None,
        work: bool = False,
        **when: Unpack[Occasion],
    ) -> "SetFault":
        """Answered with an error's status; `work`: after the work is done."""
        return self.set(
            Status(when=_when(operation, when), status=status, body=body, headers=headers or {}, work=work)
        )

    def rate_limit(
        self,
        operation: str = "*",
        *,
        retry_after: float | None = None,
        retry_after_ms: float | None = None,
        should_retry: bool | None = None,
        **when: Unpack[Occasion],
    ) -> "SetFault":
        """429, with the headers that are given."""
        return self.set(
            RateLimit(
                when=_when(operation, when),
                retry_after=retry_after,
                retry_after_ms=retry_after_ms,
                should_retry=should_retry,
            )
        )

    def billing_pause(self, operation: str = "*", **when: Unpack[Occasion]) -> "SetFault":
        """402."""
        return self.set(BillingPause(when=_when(operation, when)))

    def invalid_token(self, operation: str = "*", **when: Unpack[Occasion]) -> "SetFault":
        """401 that makes a client with a token fetch a new one."""
        return self.set(InvalidToken(when=_when(operation, when)))

    def empty_400(self, operation: str = "*", **when: Unpack[Occasion]) -> "SetFault":
        """400 without a body: clients take it for a lost connection."""
        return self.set(Empty400(when=_when(operation, when)))

    def bad_json(self, operation: str = "*", **when: Unpack[Occasion]) -> "SetFault":
        """JSON that ends early."""
        return self.set(BadJson(when=_when(operation, when)))

    def bad_protobuf(self, operation: str = "*", **when: Unpack[Occasion]) -> "SetFault":
        """Protobuf that is none."""
        return self.set(BadProtobuf(when=_when(operation, when)))

    def wrong_content_type(
        self, operation: str = "*", media_type: str = "text/html", **when: Unpack[Occasion]
    ) -> "SetFault":
        """The right body under another type."""
        return self.set(WrongContentType(when=_when(operation, when), media_type=media_type))

    def wrong_encoding(
        self,
        operation: str = "*",
        encoding: Literal["gzip", "deflate", "zstd"] = "gzip",
        **when: Unpack[Occasion],
    ) -> "SetFault":
        """Said to be compressed, and not."""
        return self.set(WrongEncoding(when=_when(operation, when), encoding=encoding))

    def wrong_result(
        self, operation: str = "*", *, body: JsonValue = None, **when: Unpack[Occasion]
    ) -> "SetFault":
        """A well-formed answer of another type."""
        return self.set(WrongResult(when=_when(operation, when), body=body))

    def nan(self, operation: str = "*", **when: Unpack[Occasion]) -> "SetFault":
        """NaN for every fraction."""
        return self.set(NanLiterals(when=_when(operation, when)))

    def empty_body(self, operation: str = "*", **when: Unpack[Occasion]) -> "SetFault":
        """The right status, and nothing."""
        return self.set(EmptyBody(when=_when(operation, when)))

    def garbage(self, operation: str = "*", *, size: int = 64, **when: Unpack[Occasion]) -> "SetFault":
        """Random bytes for a body."""
        return self.set(Garbage(when=_when(operation, when), size=size))

    def forged(
        self,
        operation: str = "*",
        body: bytes = b"",
        media_type: str = JSON,
        *,
        status: int = 200,
        **when: Unpack[Occasion],
    ) -> "SetFault":
        """A body that was made up."""
        fields = {"body": b64encode(body), "media_type": media_type, "status": status}
        return self.set(Forged.model_validate({"when": _when(operation, when), **fields}))

    def edited(
        self,
        operation: str = "*",
        *,
        at: float = 1.0,
        drop: int = 0,
        insert: bytes = b"",
        **when: Unpack[Occasion],
    ) -> "SetFault":
        """Some bytes less, and others in their place."""
        fields = {"at": at, "drop": drop, "insert": b64encode(insert)}
        return self.set(Edited.model_validate({"when": _when(operation, when), **fields}))

    def changed_fields(
        self,
        operation: str = "*",
        *,
        answer: Mapping[str, JsonValue] | None = None,
        without: Sequence[str] = (),
        **when: Unpack[Occasion],
    ) -> "SetFault":
        """Fields of the answer by dotted name, and names of fields that it lacks."""
        given, lacking = dict(answer or {}), tuple(without)
        return self.set(ChangedFields(when=_when(operation, when), fields=given, without=lacking))

    def lose_answer(self, operation: str = "*", **when: Unpack[Occasion]) -> "SetFault":
        """The work is done, the answer lost."""
        return self.set(LoseAnswer(when=_when(operation, when)))

    def drop_request(self, operation: str = "*", **when: Unpack[Occasion]) -> "SetFault":
        """Closed without an answer, and no work done."""
        return self.set(DropRequest(when=_when(operation, when)))

    def reset(
        self, operation: str = "*", *, at: float | None = None, work: bool = True, **when: Unpack[Occasion]
    ) -> "SetFault":
        """The connection is reset, after a share `at` of the body."""
        return self.set(Reset(when=_when(operation, when), at=at, work=work))

    def truncate(self, operation: str = "*", *, at: float = 0.5, **when: Unpack[Occasion]) -> "SetFault":
        """Closed after a share `at` of the body."""
        return self.set(Truncate(when=_when(operation, when), at=at))

    def drip(
        self, operation: str = "*", *, chunk: int = 64, every: float = 0.01, **when: Unpack[PlainOccasion]
    ) -> "SetFault":
        """The body comes in pieces of `chunk` bytes, one `every` so many seconds."""
        return self.set(Drip(when=_when(operation, when), chunk=chunk, every=every))

    def stall(
        self,
        operation: str = "*",
        *,
        at: float | None = None,
        seconds: float | None = None,
        **when: Unpack[Occasion],
    ) -> "SetFault":
        """The answer stops, before its head or after a share `at` of its body."""
        return self.set(Stall(when=_when(operation, when), at=at, seconds=seconds))

    def bad_http(self, operation: str = "*", *, size: int = 64, **when: Unpack[Occasion]) -> "SetFault":
        """Random bytes for an answer, then closed."""
        return self.set(BadHttp(when=_when(operation, when), size=size))

    def refuse(
        self,
        operation: str | None = None,
        *,
        seconds: float | None = None,
        work: bool = False,
        **when: Unpack[Occasion],
    ) -> "SetFault":
        """The server is gone for `seconds`, or until the faults are cleared: connections are refused.

        At once, or with the request that strikes it where an operation is given. To be set before the
        url is given to anybody: the tenant gets a port of its own.
        """
        at_once = operation is None
        occasion = _when("*" if operation is None else operation, when)
        return self.set(Refuse(when=occasion, seconds=seconds, work=work, at_once=at_once))
