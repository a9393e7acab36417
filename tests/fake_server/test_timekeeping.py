"""The tenant's time: the machine's or virtual, switched while it runs, moved by hand, and told."""

import asyncio

import pytest

from contract.versions import SdkVersion
from fake_server.app import create_app
from fake_server.clock import SystemClock, VirtualClock
from fake_server.scripted import open_scripted
from tests.fake_server.driver import Driver


@pytest.fixture
def driver() -> Driver:
    return Driver(app=create_app(open_scripted, clocks=SystemClock, control=True))


@pytest.fixture
def clock(driver):
    return driver.controls.clock


def test_time_goes_on_from_where_it_is_whatever_clock_shows_it(clock):
    real = clock.now()
    clock.virtual()
    stood = clock.now()
    clock.advance(1000)
    clock.system()

    assert real <= stood == stood
    assert stood + 1000 <= clock.now() < stood + 2000
    assert not clock.is_virtual


def test_who_waits_goes_on_by_the_new_clock(driver, clock):
    model = driver.model()
    request_id = driver.answer("optim_step", driver.step(model, 2))["request_id"]

    def switch():
        clock.virtual(auto=True)

    assert driver.poll_while(request_id, switch).status == 408


def test_a_virtual_clock_that_is_chosen_again_is_kept(clock):
    clock.virtual()
    first = clock.virtual_clock

    clock.virtual(auto=True)

    assert (clock.virtual_clock is first, clock.is_auto) == (True, True)


def test_the_clock_of_the_machine_is_not_virtual_and_not_auto(clock):
    assert (clock.is_virtual, clock.is_auto) == (False, False)


def test_an_hour_by_hand_ends_a_session_unless_its_client_counts_as_beating(driver, clock):
    clock.virtual()
    session = driver.session()

    clock.advance(3600, heartbeats=True)
    beaten = driver.post("session_heartbeat", {"session_id": session}).status
    clock.advance(3600)

    assert (beaten, driver.post("session_heartbeat", {"session_id": session}).status) == (200, 410)


def test_the_clock_is_chosen_over_http(driver):
    chosen = driver.call("PUT", "/-/clock", {"virtual": True, "auto": True}).json
    real = driver.call("PUT", "/-/clock", {"virtual": False}).json

    assert (chosen["virtual"], chosen["auto"]) == (True, True)
    assert (real["virtual"], real["auto"]) == (False, False)


def test_the_machines_time_cannot_move_by_itself(driver):
    reply = driver.call("PUT", "/-/clock", {"virtual": False, "auto": True})

    assert (reply.status, "expected it beside virtual" in reply.json["detail"]) == (400, True)


def test_what_waits_is_told_over_http(driver, clock):
    clock.virtual()
    late = driver.answer("optim_step", driver.step(driver.model(), 2))["request_id"]
    traffic = driver.service.traffic

    async def park(exchange, row, incoming, serve):
        await traffic.park(exchange)
        return await serve()

    async def main():
        poll = asyncio.create_task(driver.send("POST", "retrieve_future", {"request_id": late}))
        while not traffic.waits:
            await asyncio.sleep(0)
        traffic.interceptors.append(park)
        other = asyncio.create_task(driver.send("GET", "healthz"))
        while len(traffic.waits) < 2:
            await asyncio.sleep(0)
        told = (await driver.send("GET", "/-/clock")).json
        traffic.end_waits()
        return told, await poll, await other

    told, *_ = asyncio.run(main())
    parked = [(entry["operation"], entry.get("until")) for entry in told["parked"]]
    assert parked == [("retrieve_future", clock.now() + 30), ("healthz", None)]
    assert f"retrieve_future {late}, since 0 s: waits 30 s more" in told["report"]


class Clockwork:
    """Stands for `threading.Timer`: fires when the test says so."""

    made = []

    def __init__(self, seconds, function):
        self.seconds, self.function, self.daemon, self.running = seconds, function, False, False
        Clockwork.made.append(self)

    def start(self):
        self.running = True

    def cancel(self):
        self.running = False


def test_a_watchdog_tells_when_nothing_moves(driver, clock):
    Clockwork.made, told = [], []
    traffic = driver.service.traffic

    with clock.watchdog(5, told.append, Clockwork):
        Clockwork.made[-1].function()  # nobody is there
        request = traffic.begin("healthz", SdkVersion(0, 38, 0))
        Clockwork.made[-1].function()  # somebody came
        Clockwork.made[-1].function()  # nothing moved
    Clockwork.made[-1].function()

    assert len(told) == 2
    assert told[0].startswith("nothing moved for 5 s: at ")
    assert "#1 healthz, since " in told[0]
    assert told[0].endswith("being served")
    assert not Clockwork.made[-1].running
    assert request.number == 1


def test_a_clock_may_be_ahead_of_the_machine():
    assert SystemClock(1000).now() > SystemClock().now() + 900


def test_a_clock_that_has_nothing_to_come_does_not_skip():
    assert VirtualClock().skip() is False
