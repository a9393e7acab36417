"""`Delivery`: when the outcomes of futures show, and as what. The order of their effects never changes.

A rule is a value; the first one that fits a new future decides for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf
from typing import Any

from pydantic import Field, field_validator, model_validator

from contract import QueueState, RequestErrorCategory, RequestFailedResponse, WireModel
from fake_server.futures import Future, Hold
from fake_server.occasions import operations_of
from fake_server.service import Service

__all__ = ["ActiveRule", "Delivery", "DeliveryChoice", "DeliveryRule"]


class DeliveryRule(WireModel):
    """Which futures, and when they show: once everything that is asked for here is met."""

    operation: str = "*"
    """A pattern with `*` and `?`: `optim_step`, `save_*`; `sample` is `asample`."""
    owner: str = "*"
    """A pattern for the model, sampling session or session that a future belongs to."""
    seq_id: int | None = None
    """Only the future of this number."""
    times: int | None = Field(default=None, ge=1)
    """For so many futures; then the rules behind it have their turn."""
    polls: int = Field(default=0, ge=0)
    """So many polls are answered with nothing, at once; the next one waits as usual."""
    seconds: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    """Not before so long after the submission, on the tenant's clock."""
    at: float | None = Field(default=None, allow_inf_nan=False)
    """Not before this time on the tenant's clock, in seconds since the epoch."""
    held: bool = False
    """Not before it is released."""
    never: bool = False
    """Not by itself, nor where all are released: only where it is released by its id."""
    error: str | None = None
    """Shows as a failure with this text. The work is done all the same; a stub fails it without effect."""
    category: RequestErrorCategory | None = None
    """Whose fault the failure is; the server's where absent."""
    queue_state: QueueState = "active"
    """What polls are told while it does not show."""
    queue_state_reason: str | None = None
    """The same, for people."""

    @field_validator("operation")
    @classmethod
    def _check_operation(cls, operation: str) -> str:
        operations_of(operation)
        return operation

    @model_validator(mode="after")
    def _check_category(self) -> "DeliveryRule":
        if self.error is None and self.category is not None:
            raise ValueError("category: expected it beside an error, got no error; say what went wrong")
        return self

    def fits(self, future: Future) -> bool:
        """Whether it is for this future."""
        return (
            future.operation in operations_of(self.operation)
            and fnmatchcase(future.owner, self.owner)
            and self.seq_id in (None, future.seq_id)
        )

    def hold(self, created_at: float) -> Hold:
        """What keeps a future of that time from showing."""
        until = inf if self.never else max(created_at + self.seconds, self.at or -inf)
        failure = None
        if self.error is not None:
            category = self.category or RequestErrorCategory.Server
            failure = RequestFailedResponse(error=self.error, category=category)
        return Hold(polls=self.polls, until=until, held=self.held, failure=failure)


def _every(_: Future) -> bool:
    return True


@dataclass(slots=True, eq=False)
class ActiveRule:
    """A rule that is in force, and what it did."""

    rule: DeliveryRule
    where: Callable[[Future], bool] = _every
    """A predicate beside the rule, which JSON cannot carry."""
    fired: int = 0
    """For how many futures it has decided."""

    def takes(self, future: Future) -> bool:
        """Whether it decides for this future."""
        spent = self.rule.times is not None and self.fired >= self.rule.times
        return not spent and self.rule.fits(future) and self.where(future)


@dataclass(frozen=True, slots=True)
class DeliveryChoice:
    """Futures that were chosen; its methods say when they show."""

    add: Callable[[DeliveryRule], ActiveRule]
    fields: dict[str, Any] = field(default_factory=dict)

    def _add(self, **fields: Any) -> ActiveRule:
        return self.add(DeliveryRule(**self.fields, **fields))

    def at_once(self) -> ActiveRule:
        """As soon as they are computed: as without a rule, whatever the rules behind say."""
        return self._add()

    def after_polls(self, polls: int) -> ActiveRule:
        """After so many polls that are answered with nothing: by `retrieve_future`, or a round of many."""
        return self._add(polls=polls)

    def after(self, seconds: float) -> ActiveRule:
        """So long after their submission, on the tenant's clock."""
        return self._add(seconds=seconds)

    def at(self, time: float) -> ActiveRule:
        """At a time of the tenant's clock, in seconds since the epoch."""
        return self._add(at=time)

    def held(self) -> ActiveRule:
        """When they are released."""
        return self._add(held=True)

    def never(self) -> ActiveRule:
        """Never; the work is done."""
        return self._add(never=True)

    def failed(self, category: str, error: str) -> ActiveRule:
        """As failures. The work is done all the same: for failures without effect take a stub."""
        return self._add(error=error, category=category)

    def paused(
        self, queue_state: QueueState, reason: str | None = None, *, polls: int = 0, seconds: float = 0.0
    ) -> ActiveRule:
        """After so many polls or seconds, when they are released where neither is given.

        Until then polls are told that the queue is paused, and why.
        """
        return self._add(
            queue_state=queue_state,
            queue_state_reason=reason,
            polls=polls,
            seconds=seconds,
            held=not polls and not seconds,
        )


class Delivery:
    """The rules of one tenant, first come first asked, for futures that are submitted from now on."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._rules: list[ActiveRule] = []
        service.futures.plan = self._plan

    def __call__(
        self,
        operation: str = "*",
        *,
        owner: str = "*",
        seq_id: int | None = None,
        times: int | None = None,
        where: Callable[[Future], bool] = _every,
    ) -> DeliveryChoice:
        """Choose futures.

        Args:
            operation: a pattern with `*` and `?`.
            owner: a pattern for their model, sampling session or session.
            seq_id: their number.
            times: how many of them; all where absent.
            where: called with a future that fits everything else; says whether it is meant.
        """
        fields = {"operation": operation, "owner": owner, "seq_id": seq_id, "times": times}
        return DeliveryChoice(lambda rule: self.add(rule, where), fields)

    def add(self, rule: DeliveryRule, where: Callable[[Future], bool] = _every) -> ActiveRule:
        """Put a rule behind the others."""
        active = ActiveRule(rule, where)
        with self._service.lock:
            self._rules.append(active)
        return active

    @property
    def rules(self) -> list[ActiveRule]:
        """Those in force, in the order in which they are asked."""
        return list(self._rules)

    @property
    def unfired(self) -> list[DeliveryRule]:
        """Those that decided for no future: a test that asked for them has not tested them."""
        return [active.rule for active in self._rules if not active.fired]

    def clear(self) -> None:
        """Drop all rules; what is held stays held."""
        with self._service.lock:
            self._rules.clear()

    def _plan(self, future: Future) -> None:
        for active in self._rules:
            if active.takes(future):
                active.fired += 1
                future.hold = active.rule.hold(future.created_at)
                future.queue_state = active.rule.queue_state
                future.queue_state_reason = active.rule.queue_state_reason
                return

    @property
    def held(self) -> list[Future]:
        """Those that wait for their release, oldest first."""
        return [future for future in self._service.futures if future.hold is not None and future.hold.held]

    def release(
        self, *request_ids: str, operation: str = "*", owner: str = "*", seq_id: int | None = None
    ) -> list[str]:
        """Let futures show, one after the other; those that are not computed yet show once they are.

        Args:
            request_ids: which, in this order; all that are held where absent, oldest first.
            operation: of these only those that fit the pattern.
            owner: the same, of their model, sampling session or session.
            seq_id: the same, of their number.

        Returns:
            The ids of those that were released.

        Raises:
            NotFound, Gone: for an id that was never there, or whose result is gone; then none is released.
        """
        chosen = DeliveryRule(operation=operation, owner=owner, seq_id=seq_id)
        with self._service.lock:
            futures = [self._service.futures.get(request_id) for request_id in request_ids] or self.held
            released = [future for future in futures if chosen.fits(future)]
            for future in released:
                self._service.futures.release(future)
        return [future.request_id for future in released]
