"""Lanes: the operations of one model, run in the order of their numbers.

A number that never comes holds its lane. Once the oldest held operation has waited for
`gap_timeout_seconds` on the clock, all held operations fail, naming the number, and the lane goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from contract import RequestErrorCategory, RequestFailedResponse
from fake_server.clock import Clock
from fake_server.futures import Future, FutureStore, Job
from fake_server.ordering import Sequencer

__all__ = ["LaneState", "Lanes"]

LaneState = tuple[int, frozenset[int]]
"""Of a lane that holds nothing: the number whose turn it is, and those ahead that are used up."""


@dataclass(slots=True)
class Lane:
    """One model's order."""

    sequencer: Sequencer[Job] = field(default_factory=lambda: Sequencer())
    stalled_at: float | None = None
    """Since when a number is missing."""


class Lanes:
    """All lanes of a tenant."""

    def __init__(
        self, clock: Clock, futures: FutureStore, run: Callable[[Job], None], gap_timeout_seconds: float
    ) -> None:
        self.clock = clock
        self._futures = futures
        self._run = run
        self._gap_timeout_seconds = gap_timeout_seconds
        self._lanes: dict[str, Lane] = {}

    def next_seq_id(self, owner: str) -> int:
        """The number for an operation of a client that sends none: the next in order of arrival."""
        return self._lane(owner).sequencer.free

    def takes(self, owner: str, seq_id: int) -> bool:
        """Whether a number of the lane is still free."""
        self.tick(owner)
        return self._lane(owner).sequencer.takes(seq_id)

    def push(self, owner: str, seq_id: int, job: Job | None) -> None:
        """Take a job under its number, and run all jobs whose turn has come.

        None marks the number of a request that was rejected: it holds nobody back.
        """
        lane = self._lane(owner)
        ready = lane.sequencer.push(seq_id, job)
        if lane.sequencer.missing is None:
            lane.stalled_at = None
        elif lane.stalled_at is None or ready:
            lane.stalled_at = self.clock.now()
        for item in ready:
            self._run(item)

    @property
    def stalled(self) -> list[str]:
        """Those that wait for a missing number."""
        return [owner for owner, lane in list(self._lanes.items()) if lane.stalled_at is not None]

    def deadline(self, owner: str) -> float | None:
        """When the lane gives up on a missing number; None where it waits for none."""
        lane = self._lanes.get(owner)
        if lane is None or lane.stalled_at is None:
            return None
        return lane.stalled_at + self._gap_timeout_seconds

    def tick(self, owner: str) -> None:
        """Give up on a missing number whose time is over."""
        deadline = self.deadline(owner)
        if deadline is None or self.clock.now() < deadline:
            return
        missing = self._lane(owner).sequencer.missing
        self.fail(
            owner,
            f"expected seq_id {missing} before it, got none within {self._gap_timeout_seconds:g} s; "
            "the operation was not applied, submit it again",
        )

    def fail(self, owner: str, reason: str) -> None:
        """Fail the operations that wait for a missing number, and let the lane go on behind them."""
        lane = self._lane(owner)
        lane.stalled_at = None
        for job in lane.sequencer.give_up():
            error = f"seq_id {job.future.seq_id} of {owner}: {reason}"
            failure = RequestFailedResponse(error=error, category=RequestErrorCategory.User)
            self._futures.resolve(job.future, failure)

    def held(self) -> Iterator[tuple[Future, int | None]]:
        """The operations that are held back, each with the number that it waits for."""
        for lane in self._lanes.values():
            for job in lane.sequencer:
                yield job.future, lane.sequencer.missing

    def state(self) -> dict[str, LaneState]:
        """Where each lane is, by owner; what lanes hold back is not in it."""
        return {
            owner: (lane.sequencer.next_seq_id, lane.sequencer.used_up) for owner, lane in self._lanes.items()
        }

    def restore(self, state: Mapping[str, LaneState]) -> None:
        """Have these lanes in the place of all others; what those held back is forgotten."""
        self._lanes = {owner: Lane(Sequencer(*lane)) for owner, lane in state.items()}

    def _lane(self, owner: str) -> Lane:
        return self._lanes.setdefault(owner, Lane())
