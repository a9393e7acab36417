"""Clocks tell the time and call back; the virtual one moves only when it is moved."""

import asyncio
import threading
import time
import weakref

import pytest

from fake_server.clock import SystemClock, VirtualClock


def test_the_system_clock_tells_the_machines_time():
    before = time.time()

    assert before <= SystemClock().now() <= time.time()


def test_the_system_clock_calls_back():
    async def main() -> str:
        called = asyncio.get_running_loop().create_future()
        SystemClock().call_at(SystemClock().now(), lambda: called.set_result("called"))
        return await called

    assert asyncio.run(main()) == "called"


def test_a_call_of_the_system_clock_can_be_cancelled():
    async def main() -> list[str]:
        calls: list[str] = []
        clock = SystemClock()
        clock.call_at(clock.now(), lambda: calls.append("cancelled"))()
        done = asyncio.get_running_loop().create_future()
        clock.call_at(clock.now(), lambda: done.set_result(None))
        await done
        return calls

    assert asyncio.run(main()) == []


def test_the_virtual_clock_stands_still():
    clock = VirtualClock(start=100.0)

    assert clock.now() == clock.now() == 100.0


def test_advancing_makes_the_due_calls_in_order_and_at_their_times():
    clock = VirtualClock(start=0.0)
    seen: list[tuple[str, float]] = []
    clock.call_at(20, lambda: seen.append(("late", clock.now())))
    clock.call_at(10, lambda: seen.append(("early", clock.now())))
    clock.call_at(31, lambda: seen.append(("not yet", clock.now())))

    clock.advance(30)

    assert seen == [("early", 10.0), ("late", 20.0)]
    assert clock.now() == 30.0


def test_a_cancelled_call_is_not_made():
    clock = VirtualClock()
    seen: list[str] = []
    cancel = clock.call_at(clock.now() + 1, lambda: seen.append("called"))

    cancel()
    clock.advance(2)

    assert seen == []


def test_a_call_may_ask_for_another_call():
    clock = VirtualClock(start=0.0)
    seen: list[float] = []
    clock.call_at(1, lambda: clock.call_at(2, lambda: seen.append(clock.now())))

    clock.advance(5)

    assert seen == [2.0]


def test_a_call_for_a_time_that_has_come_is_made_at_once():
    clock = VirtualClock(start=10.0)
    seen: list[str] = []

    clock.call_at(9.0, lambda: seen.append("past"))()
    clock.call_at(10.0, lambda: seen.append("now"))

    assert seen == ["past", "now"]


def test_cancelled_calls_are_forgotten():
    clock = VirtualClock()
    call = Call()
    gone = weakref.ref(call)

    cancel = clock.call_at(clock.now() + 1, call)
    del call
    cancel()
    cancel()

    assert gone() is None


class Call:
    def __call__(self) -> None:
        raise AssertionError("expected no call, got one")


def test_a_call_that_was_made_can_no_longer_be_cancelled():
    clock = VirtualClock(start=0.0)
    seen: list[str] = []
    cancel = clock.call_at(1, lambda: seen.append("first"))
    clock.advance(1)
    clock.call_at(1.5, lambda: seen.append("second"))

    cancel()
    clock.advance(1)

    assert seen == ["first", "second"]


def test_a_call_may_advance_the_clock():
    clock = VirtualClock(start=0.0)
    seen: list[float] = []
    clock.call_at(10, lambda: clock.advance(100))
    clock.call_at(20, lambda: seen.append(clock.now()))

    clock.advance(30)

    assert (seen, clock.now()) == ([20.0], 110.0)


def test_threads_that_advance_add_up():
    clock = VirtualClock(start=0.0)
    inside, go_on = threading.Event(), threading.Event()
    clock.call_at(5, lambda: (inside.set(), go_on.wait(10)))
    first = threading.Thread(target=clock.advance, args=[10])
    second = threading.Thread(target=clock.advance, args=[10])

    first.start()
    inside.wait(10)
    second.start()
    go_on.set()
    first.join()
    second.join()

    assert clock.now() == 20.0


def test_time_does_not_run_backwards():
    with pytest.raises(ValueError, match="seconds: expected 0 or more, got -1"):
        VirtualClock().advance(-1)


def test_a_timer_that_is_early_is_set_again():
    times = iter([1.0, 0.999, 1.0])

    class Early(SystemClock):
        def now(self):
            return next(times)

    async def run():
        called = asyncio.Event()
        Early().call_at(1.0, called.set)
        await asyncio.wait_for(called.wait(), 10)

    asyncio.run(run())
    assert list(times) == []


def test_a_timer_that_was_set_again_can_be_cancelled():
    times = iter([1.0, 0.999])

    class Early(SystemClock):
        def now(self):
            return next(times, 0.999)

    async def run():
        called = []
        cancel = Early().call_at(1.0, lambda: called.append(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cancel()
        return called

    assert asyncio.run(run()) == []


def test_a_call_beyond_the_calendar_is_not_skipped_to():
    clock = VirtualClock()
    clock.call_at(1e300, lambda: None)

    assert not clock.skip()
    assert clock.now() == VirtualClock().now()
