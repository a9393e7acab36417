"""A request that waits is parked on the tenant's clock, and says until when."""

import asyncio

import pytest

from contract.versions import SdkVersion
from tests.fake_server.driver import Driver, exchange


@pytest.fixture
def driver() -> Driver:
    return Driver()


def delay(driver, seconds):
    """Let each request wait, as a fault does."""
    traffic = driver.service.traffic

    async def late(exchange, row, incoming, serve):
        await traffic.park(exchange, driver.clock.now() + seconds)
        return await serve()

    traffic.interceptors.append(late)


async def parked(driver):
    """The one request that waits."""
    while not driver.service.traffic.waits:
        await asyncio.sleep(0)
    (wait,) = driver.service.traffic.waits
    return wait.exchange


def test_a_parked_request_goes_on_when_the_clock_shows_its_time(driver):
    delay(driver, 10)

    async def main():
        request = asyncio.create_task(driver.send("GET", "healthz"))
        waiting = await parked(driver)
        until = waiting.parked_until
        driver.clock.advance(9)
        await asyncio.sleep(0)
        assert not request.done()
        driver.clock.advance(1)
        return until, await request, waiting

    start = driver.clock.now()
    until, reply, waiting = asyncio.run(main())

    assert (until, reply.status) == (start + 10, 200)
    assert (waiting.arrived_at, waiting.answered_at, waiting.parked_until) == (start, start + 10, None)


def test_a_parked_request_whose_client_leaves_is_over(driver):
    delay(driver, float("inf"))
    left = asyncio.Event()

    async def main():
        request = asyncio.create_task(exchange(driver.app, "GET", "/api/v1/healthz", [b""], {}, left))
        waiting = await parked(driver)
        left.set()
        with pytest.raises(IndexError):  # no answer
            await request
        return waiting

    assert asyncio.run(main()).status == 0
    assert not driver.service.traffic.waits


def test_a_wake_does_not_end_the_time_of_a_parked_request(driver):
    delay(driver, 10)

    async def main():
        request = asyncio.create_task(driver.send("GET", "healthz"))
        await parked(driver)
        driver.service.traffic.wake_all()
        await parked(driver)
        driver.clock.advance(10)
        return await request

    assert asyncio.run(main()).status == 200


def test_nobody_is_parked_where_the_server_stops(driver):
    delay(driver, 10)

    async def main():
        request = asyncio.create_task(driver.send("GET", "healthz"))
        await parked(driver)
        driver.app.state.tenants.end_polls()
        return await request, await driver.send("GET", "healthz")

    assert [reply.status for reply in asyncio.run(main())] == [200, 200]


def test_a_wake_that_comes_too_late_is_ignored(driver):
    traffic, wakes = driver.service.traffic, []

    async def main():
        request = traffic.begin("healthz", SdkVersion(0, 38, 0))
        wait = asyncio.create_task(traffic.wait(request, driver.clock.now() + 1, wakes, lambda: False))
        await asyncio.sleep(0)
        wakes.append(wakes[0])
        wakes[0]()
        await wait

    asyncio.run(main())
    wakes[0]()

    assert not traffic.waits
