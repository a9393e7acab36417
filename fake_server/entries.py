"""`Entry`: one request of a journal and its answer as plain JSON values, without keys and tokens."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from pydantic_core import from_json, to_json

from contract import ApiError
from contract.codec import JSON
from contract.versions import SdkVersion
from fake_server.redaction import redacted, redacted_text
from fake_server.traffic import Exchange

__all__ = ["Entry", "exchange_of", "fields_of", "plain"]

PENDING = 408


def fields_of(exchange: Exchange, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """An exchange as JSON has it; keys, tokens and `secrets` are redacted.

    Numbers that JSON does not know are texts: `"NaN"`, `"Infinity"`.
    """
    raw = {
        "number": exchange.number,
        "operation": exchange.operation,
        "arrived_at": exchange.arrived_at,
        "answered_at": exchange.answered_at,
        "skipped_seconds": exchange.skipped_seconds,
        "sdk_version": str(exchange.sdk_version) if exchange.says_version else None,
        "retry_count": exchange.retry_count,
        "idempotency_key": exchange.idempotency_key,
        "status": exchange.status,
        "faults": exchange.faults,
        "unknown_fields": exchange.unknown_fields,
        "digest": exchange.digest.hex(),
        "request_bytes": exchange.request_bytes,
        "request_type": exchange.request_type,
        "answer_bytes": exchange.answer_bytes,
        "answer_type": exchange.answer_type,
        "answer_headers": exchange.answer_headers,
        "request": exchange.request,
        "answer": _told(exchange.answer),
    }
    fields: dict[str, Any] = plain(raw, secrets)
    return fields


def plain(value: object, secrets: Iterable[str] = ()) -> Any:
    """A value as JSON has it, redacted."""
    text = to_json(_told(value), inf_nan_mode="strings", bytes_mode="base64", fallback=repr)
    return from_json(redacted(text, secrets))


def _told(answer: object) -> object:
    return {"detail": answer.detail} if isinstance(answer, ApiError) else answer


def exchange_of(fields: Mapping[str, Any]) -> Exchange:
    """The exchange that `fields_of` wrote; its request and answer stay plain.

    Raises:
        KeyError, TypeError, ValueError: if these are not fields of an entry.
    """
    version = fields["sdk_version"]
    return Exchange(
        number=int(fields["number"]),
        arrived_at=float(fields["arrived_at"]),
        operation=str(fields["operation"]),
        sdk_version=SdkVersion.parse(version),
        retry_count=int(fields["retry_count"]),
        idempotency_key=fields["idempotency_key"],
        request=fields["request"],
        unknown_fields=tuple(fields["unknown_fields"]),
        answered_at=fields["answered_at"],
        status=int(fields["status"]),
        answer=fields["answer"],
        faults=list(fields["faults"]),
        digest=bytes.fromhex(fields.get("digest", "")),
        skipped_seconds=float(fields.get("skipped_seconds", 0.0)),
        says_version=version is not None,
        request_bytes=int(fields.get("request_bytes", 0)),
        request_type=fields.get("request_type", JSON),
        answer_bytes=int(fields.get("answer_bytes", 0)),
        answer_type=fields.get("answer_type", JSON),
        answer_headers=dict(fields.get("answer_headers") or {}),
    )


class Entry:
    """One entry. What is expensive to know is made when it is asked for, and kept."""

    def __init__(self, exchange: Exchange, secrets: tuple[str, ...] = ()) -> None:
        self.exchange = exchange
        self._secrets = secrets
        self.number = exchange.number
        self.operation = exchange.operation
        self.status = exchange.status
        self.arrived_at = exchange.arrived_at
        self.answered_at = exchange.answered_at
        self.faults = exchange.faults
        self.retry_count = exchange.retry_count
        self.submission: Entry | None = None
        """Of a poll: the entry that was answered with the promise."""
        self.resolve: Callable[[Entry], Any] = lambda entry: entry.answer
        """Finds the outcome; the journal knows how."""
        self.model_id: str | None = None
        """The model that it is about, as far as the journal tells."""
        self.session_id: str | None = None
        """The session that it belongs to, as far as the journal tells."""

    def __repr__(self) -> str:
        return f"<#{self.number} {self.operation} {self.status or 'no answer'}>"

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The whole entry as JSON has it."""
        return fields_of(self.exchange, self._secrets)

    @property
    def request(self) -> dict[str, Any]:
        """The decoded request; empty where it could not be decoded."""
        value = self.fields["request"]
        return value if isinstance(value, dict) else {}

    @property
    def answer(self) -> Any:
        """The decoded answer; of an error `{"detail": …}`."""
        return self.fields["answer"]

    @property
    def outcome(self) -> Any:
        """What came of it: the answer, or where that was a promise, its outcome; None where unknown."""
        return self.resolve(self)

    @property
    def failure(self) -> str | None:
        """What went wrong, in the answer's or the outcome's words; None where nothing did."""
        answer = self.outcome
        if not isinstance(answer, Mapping):
            return None if self.status < 400 or self.is_pending else f"status {self.status}"
        if self.status >= 400 and not self.is_pending:
            return str(answer.get("detail", f"status {self.status}"))
        return str(answer["error"]) if "error" in answer and "category" in answer else None

    @property
    def seq_id(self) -> int | None:
        """Its number in its model's or sampler's order."""
        number: int | None = self.own("seq_id")
        return number

    @property
    def lived_at(self) -> float:
        """When it arrived, of the time in which clients could act: what was skipped is left out."""
        return self.arrived_at - self.exchange.skipped_seconds

    @property
    def idempotency_key(self) -> str | None:
        """What the client calls this request, however often it sends it."""
        key: str | None = self._clean(self.exchange.idempotency_key)
        return key

    @property
    def sdk_version(self) -> str | None:
        """The client's version; None where it does not say."""
        return str(self.exchange.sdk_version) if self.exchange.says_version else None

    @property
    def request_id(self) -> str | None:
        """The promise that was answered, or that is polled or cancelled."""
        own: str | None = self.own("request_id")
        return own if own is not None else self.answered("request_id")

    def own(self, name: str) -> Any:
        """A field of the request, without the cost of making all of them plain."""
        return self._clean(_attribute(self.exchange.request, name))

    def answered(self, name: str) -> Any:
        """A field of the answer, in the same way."""
        return self._clean(_attribute(self.exchange.answer, name))

    def _clean(self, value: Any) -> Any:
        return redacted_text(value, self._secrets) if isinstance(value, str) else value

    @property
    def is_promise(self) -> bool:
        """Whether it was answered with a promise, that the client may or may not have seen."""
        return self.operation not in POLLS and self.answered("request_id") is not None

    @property
    def is_pending(self) -> bool:
        """Whether it is a poll that was told to come again."""
        return self.status == PENDING or self.answered("type") == "try_again"

    @property
    def is_final(self) -> bool:
        """Whether it is a poll that was answered with an outcome, good or bad."""
        if self.operation != "retrieve_future" or self.status != 200 or self.is_pending:
            return False
        return self.exchange.answer is not None and self.answered("status") != "complete_metadata"


POLLS = ("retrieve_future", "retrieve_futures")


def _attribute(value: object, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)
