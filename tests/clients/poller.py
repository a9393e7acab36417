"""`Poller`: promises, and how their outcomes are fetched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from contract.codec import JSON, PROTOBUF
from tests.clients.caller import Caller
from tests.clients.errors import (
    ClientError,
    Expired,
    RequestFailed,
    SessionEnded,
    Unreachable,
    WrongAnswer,
    failure_of,
)
from tests.clients.readings import Reading
from tests.clients.transport import Ask, Reply

__all__ = ["Pending", "Poller"]

T = TypeVar("T")
LEAST_SECONDS, MOST_PAUSE_SECONDS = 0.5, 0.02
"""Ours: a server that answers a poll sooner, with nothing, does not wait: so we do, at most so long."""
FIRST_NUMBERS: Mapping[str, int] = {"seq_id": 1, "sample": 0, "model_seq_id": 0, "sampling_session_seq_id": 0}
"""Source: sdk 0.38.0 lib/public_interfaces/{training,sampling,service}_client.py."""
REQUEST_TYPES: Mapping[str, str] = {"asample": "Sample"}


@dataclass(slots=True, eq=False)
class Pending(Generic[T]):
    """An operation that was promised."""

    fetch: Callable[["Pending[T]"], T] = field(repr=False)
    operation: str
    owner: str
    """The model, sampler or session that it belongs to."""
    request_id: str
    reading: Reading[T] = field(repr=False)
    protobuf: bool = False
    """Whether the result comes as protobuf."""
    sequence_ids: tuple[str, ...] = ()
    """Of samples."""
    is_read: bool = False
    """Whether its outcome is known, good or bad."""
    _value: Any = None
    _error: ClientError | None = None

    def result(self) -> T:
        """The result, once there is one; the same each time.

        Raises:
            RequestFailed: `UserFailed`, `ServerFailed` or `FailedForUnknownReasons`.
            Expired: if the promise is gone.
            Refused, Unreachable, WrongAnswer: if it cannot be fetched.
        """
        if not self.is_read:
            try:
                self._value = self.fetch(self)
            except ClientError as error:
                self._error = error
            self.is_read = True
        if self._error is not None:
            raise self._error
        return cast("T", self._value)


class Poller(Caller):
    """A client that gets promises and keeps asking after them."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.numbers: dict[tuple[str, str], int] = {}
        """The last number of each kind and owner."""
        self.unsure: set[str] = set()
        """Models with an operation of which nobody knows whether it arrived: nothing can come after it."""
        self.pending: list[Pending[Any]] = []
        """Promises whose outcomes were not fetched yet, oldest first."""
        self.queue_state = "active"
        """What the last poll without an outcome was told; a word of the server's."""

    # Numbers

    def next_number(self, kind: str, owner: str) -> int:
        """The number of the next request of a kind that belongs to an owner."""
        return self.numbers.get((kind, owner), FIRST_NUMBERS[kind] - 1) + 1

    def use_number(self, kind: str, owner: str, number: int) -> None:
        """A request of that number is on its way."""
        self.numbers[kind, owner] = number

    # Promises

    def promise(
        self,
        ask: Ask,
        owner: str,
        reading: Callable[[dict[str, Any]], Reading[T]],
        *,
        kind: str,
        number: int,
        protobuf: bool = False,
    ) -> Pending[T]:
        """Send a numbered request that is answered with a promise.

        Raises:
            SessionEnded: if an operation before it may be missing.
            Refused, Unreachable, WrongAnswer: if there is none.
        """
        if owner in self.unsure:
            raise SessionEnded(
                f"{ask.operation}: expected to know that what came before it on {owner} arrived, got no "
                "answer to that; load its last checkpoint into a new model"
            )
        self.use_number(kind, owner, number)
        try:
            fields = self.fields_of(ask.operation, self.answer(ask))
        except Unreachable:
            if kind == "seq_id":
                self.unsure.add(owner)
            raise
        request_id = fields.get("request_id")
        if not isinstance(request_id, str) or not request_id:
            raise WrongAnswer(f"{ask.operation}: expected a promise, got no request_id")
        pending = Pending(self.outcome, ask.operation, owner, request_id, reading(fields), protobuf)
        pending.sequence_ids = tuple(fields.get("sample_sequence_ids") or ())
        self.pending.append(pending)
        return pending

    def poll_of(self, pending: Pending[Any], number: int, *, metadata: bool) -> Ask:
        """The request of one poll."""
        fields = {"request_id": pending.request_id, "allow_metadata_only": metadata}
        name = REQUEST_TYPES.get(pending.operation) or pending.operation.title().replace("_", "")
        return self.ask_of(
            "retrieve_future",
            fields,
            accept=PROTOBUF if pending.protobuf else JSON,
            headers={"x-tinker-request-type": name, "x-tinker-request-iteration": str(number)},
            seconds=self.patience.poll_seconds,
        )

    def outcome(self, pending: Pending[T]) -> T:
        """Poll until there is an outcome.

        Raises:
            RequestFailed, Expired, Refused, Unreachable, WrongAnswer: if it is no result.
        """
        if pending in self.pending:
            self.pending.remove(pending)
        errors = refused = early = 0
        metadata = True
        for number in range(self.patience.polls):
            asked_at = self.now()
            ask = self.poll_of(pending, number, metadata=metadata)
            reply = self.attempt(ask, 0)
            if reply is not None and self.is_early(reply):
                errors = refused = 0
                early = early + 1 if self.now() - asked_at < LEAST_SECONDS else 0
                self.wait(self.poll_pause(early))
            elif reply is not None and reply.status == 200:
                if not self.is_metadata(reply):
                    return self.read(pending, reply)
                metadata = False
            elif reply is not None and reply.status == 400 and reply.body:
                refused += 1
                if not self.may_poll_after_refusal(refused):
                    raise self.refusal(ask, reply)
            else:
                errors += 1
                self.face(ask, reply, errors)
                self.wait(self.pause(ask, reply, errors - 1))
        raise Unreachable(
            f"{pending.operation}: expected an outcome, got none in {self.patience.polls} polls"
        )

    def poll_pause(self, early: int) -> float:
        """Seconds before the next poll, after so many in a row that the server did not hold."""
        return min(0.001 * 2.0 ** min(early, 10), MOST_PAUSE_SECONDS) if early else 0.0

    def may_poll_after_refusal(self, refused: int) -> bool:
        """Whether to poll again after so many answers of 400."""
        return refused <= self.patience.refused_polls

    def face(self, ask: Ask, reply: Reply | None, errors: int) -> None:
        """Look at a poll that was answered with an error, the `errors`th in a row.

        Raises:
            Expired, Refused: if it is final.
            Unreachable: if there were too many.
        """
        if reply is not None and reply.status == 410:
            raise Expired(f"{ask.operation}: expected an outcome, got that it is gone", 410)
        if not self.passes(reply):
            assert reply is not None
            raise self.refusal(ask, reply)
        if errors >= self.patience.attempts:
            got = "no answer" if reply is None else f"status {reply.status}"
            raise Unreachable(f"{ask.operation}: expected an outcome, got {got} {errors} times in a row")

    def is_early(self, reply: Reply) -> bool:
        """Whether there is no outcome yet; what the queue does is kept, be the word new or known."""
        fields = reply.fields if reply.media_type == JSON else {}
        if reply.status == 408 or (reply.status == 200 and fields.get("type") == "try_again"):
            self.queue_state = str(fields.get("queue_state", "active"))
            return True
        return False

    def is_metadata(self, reply: Reply) -> bool:
        """Whether only the result's size was told, since it is large."""
        return reply.media_type == JSON and reply.fields.get("status") == "complete_metadata"

    def read(self, pending: Pending[T], reply: Reply) -> T:
        """The result in an answer.

        Raises:
            RequestFailed: if the operation failed.
            WrongAnswer: if it is not what was asked for.
        """
        if reply.media_type == JSON and "error" in (fields := reply.fields):
            raise self.failure(pending, fields)
        return pending.reading(reply)

    def failure(self, pending: Pending[Any], fields: Mapping[str, Any]) -> RequestFailed:
        """The error of an operation that failed, by whose fault it was."""
        return failure_of(fields.get("category"))(
            f"{pending.operation} of {pending.owner}: {fields['error']}"
        )
