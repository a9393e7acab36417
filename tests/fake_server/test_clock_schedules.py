"""Random schedules on the virtual clock: no call early, twice or lost, whatever is cancelled or nested."""

from random import Random

import pytest

from fake_server.clock import VirtualClock

SCHEDULES = 10_000


class Schedule:
    """A model of the clock: a plain list of what is to come, beside the clock itself."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.clock = VirtualClock(start=0.0)
        self.due: dict[int, float] = {}
        """Times of the calls that are to come, by number."""
        self.cancels = {}
        self.made: list[tuple[float, int]] = []
        self.left = 12

    def ask(self) -> None:
        """Ask for a call, in the past too; some calls ask, cancel and advance in turn."""
        if not self.left:
            return
        self.left -= 1
        number, when = self.left, self.clock.now() + self.random.choice((-1, 0, 0, 1, 1, 2, 5, 30))
        self.due[number] = max(when, self.clock.now())
        self.cancels[number] = self.clock.call_at(when, lambda: self.call(number))

    def call(self, number: int) -> None:
        """A call is made: at its time, which is the next of all, and once."""
        when = self.due.pop(number)
        assert self.clock.now() == when
        assert all(when <= other for other in self.due.values())
        self.made.append((when, number))
        for _ in range(self.random.choice((0, 0, 1, 2))):
            self.act()

    def cancel(self) -> None:
        """Take back any call, also one that was made."""
        if self.cancels:
            number = self.random.choice(list(self.cancels))
            self.cancels[number]()
            self.due.pop(number, None)

    def act(self) -> None:
        act = self.random.choice((self.ask, self.ask, self.cancel, self.advance, self.clock.skip))
        act()

    def advance(self) -> None:
        end = self.clock.now() + (seconds := self.random.choice((0, 1, 3, 40)))
        self.clock.advance(seconds)
        assert self.clock.now() >= end
        assert all(when > self.clock.now() for when in self.due.values())

    def run(self) -> None:
        for _ in range(10):
            self.act()
        while self.clock.skip():
            pass
        assert self.due == {}
        assert self.clock.calls == 0
        assert self.made == sorted(self.made, key=lambda made: made[0])
        assert len({number for _, number in self.made}) == len(self.made)


@pytest.mark.parametrize("block", range(10))
def test_random_schedules_are_kept(block):
    size = SCHEDULES // 10
    made = 0
    for seed in range(block * size, (block + 1) * size):
        schedule = Schedule(seed)
        schedule.run()
        made += len(schedule.made)

    assert made > size
