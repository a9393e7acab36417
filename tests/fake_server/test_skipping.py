"""A virtual clock that moves by itself: to the next event, while everybody waits and nothing is at work."""

import asyncio
import threading
import time
from concurrent.futures import Future as Computation

import pytest

from contract import ClientConfigResponse
from fake_server import skipping
from fake_server.app import create_app
from fake_server.clock import SystemClock, VirtualClock
from fake_server.running import find_backend
from fake_server.scripted import open_scripted
from fake_server.settings import Settings
from tests.fake_server.driver import Driver


@pytest.fixture
def driver() -> Driver:
    driver = Driver(control=True)
    driver.clock.auto = True
    return driver


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(skipping, "IDLE_PAUSE_SECONDS", 1e-9)


def delay(driver, operation, seconds):
    """Let requests of an operation wait, as a fault does."""
    traffic = driver.service.traffic

    async def late(exchange, row, incoming, serve):
        if row.name == operation:
            await traffic.park(exchange, driver.clock.now() + seconds)
        return await serve()

    traffic.interceptors.append(late)


def test_the_time_goes_to_the_end_of_a_delay(driver):
    delay(driver, "healthz", 3600)
    start = driver.clock.now()

    assert driver.get("healthz").status == 200
    assert driver.clock.now() == start + 3600


def test_a_result_that_is_late_on_the_clock_is_polled_to_its_time(driver):
    driver.controls.delivery("optim_step").after(100)
    model, start = driver.model(), driver.clock.now()
    request_id = driver.answer("optim_step", driver.step(model, 1))["request_id"]

    statuses = [driver.poll(request_id).status for _ in range(4)]

    assert (statuses, driver.clock.now()) == ([408, 408, 408, 200], start + 100)


def test_a_missing_number_is_given_up_without_waiting(driver):
    model = driver.model()
    late = driver.answer("optim_step", driver.step(model, 2))["request_id"]

    statuses = [driver.poll(late).status for _ in range(2)]

    assert statuses == [408, 200]


def test_the_time_stands_still_while_a_request_is_served(driver):
    delay(driver, "healthz", 60)
    gate = asyncio.Event()

    async def slow(exchange, row, incoming, serve):
        if row.name == "get_server_capabilities":
            await gate.wait()
        return await serve()

    driver.service.traffic.interceptors.append(slow)

    async def main():
        waiting = asyncio.create_task(driver.send("GET", "healthz"))
        served = asyncio.create_task(driver.send("GET", "get_server_capabilities"))
        await asyncio.sleep(0.05)
        stood = not waiting.done()
        gate.set()
        await served
        return stood, (await waiting).status

    assert asyncio.run(main()) == (True, 200)


def test_the_time_stands_still_while_a_backend_works():
    made = []

    def promising(options):
        made.append(open_scripted(options))
        inner = made[-1].sample
        made[-1].promises = []

        def sample(*request):
            made[-1].promises.append((Computation(), inner(*request)))
            return made[-1].promises[-1][0]

        made[-1].sample = sample
        return made[-1]

    driver = Driver(app=create_app(promising, clocks=lambda: VirtualClock(auto=True), control=True))
    delay(driver, "healthz", 60)
    sampler = driver.sampler(driver.session())
    driver.answer("asample", driver.sample(sampler, 0))

    async def main():
        waiting = asyncio.create_task(driver.send("GET", "healthz"))
        await asyncio.sleep(0.05)
        stood = not waiting.done()
        promise, response = made[0].promises[0]
        promise.set_result(response)
        return stood, (await waiting).status

    assert asyncio.run(main()) == (True, 200)


def test_a_jump_is_not_held_against_the_heartbeats(driver):
    session = driver.session()
    delay(driver, "healthz", 24 * 3600)

    driver.get("healthz")

    assert driver.post("session_heartbeat", {"session_id": session}).status == 200


def test_the_clock_of_the_machine_never_jumps():
    driver = Driver(app=create_app(open_scripted, clocks=SystemClock, control=True))

    assert driver.get("healthz").status == 200
    with pytest.raises(ValueError, match="expected a virtual one, got the machine's"):
        driver.controls.clock.auto()


def test_it_can_be_switched_off_for_a_while(driver):
    delay(driver, "healthz", 60)
    clock = driver.controls.clock

    async def main():
        with clock.auto(False):
            waiting = asyncio.create_task(driver.send("GET", "healthz"))
            await asyncio.sleep(0.05)
            stood = not waiting.done()
        return stood, (await waiting).status

    assert asyncio.run(main()) == (True, 200)
    assert clock.is_auto


def test_calls_of_other_threads_are_events_too(driver):
    seen = []
    delay(driver, "healthz", 60)
    driver.clock.call_at(driver.clock.now() + 10, lambda: seen.append(driver.clock.now()))
    start = driver.clock.now()

    driver.get("healthz")

    assert seen == [start + 10]


def test_polls_for_nothing_are_told_as_a_stall(driver, no_pauses, caplog):
    driver.controls.delivery("optim_step").never()
    request_id = driver.answer("optim_step", driver.step(driver.model(), 1))["request_id"]

    statuses = {driver.poll(request_id).status for _ in range(skipping.IDLE_MOVES)}

    assert (statuses, driver.controls.clock.stalls) == ({408}, 1)
    assert "nothing is to come for those who wait: at 2025-" in caplog.text


def test_a_request_that_waits_for_ever_is_told_and_left(driver, caplog):
    traffic = driver.service.traffic

    async def stalled(exchange, row, incoming, serve):
        await traffic.park(exchange)
        return await serve()

    traffic.interceptors.append(stalled)

    async def main():
        waiting = asyncio.create_task(driver.send("GET", "healthz"))
        while not driver.controls.clock.stalls:
            await asyncio.sleep(0)
        told = driver.controls.clock.report()
        driver.clock.auto = True
        for _ in range(2 * skipping.QUIET_ROUNDS):
            await asyncio.sleep(0)  # it is considered again, and told once
        driver.service.traffic.end_waits()
        return told, await waiting

    told, reply = asyncio.run(main())

    assert "1 open, 0 pieces of work not done\n  #1 healthz, since 0 s: waits for ever" in told
    assert (reply.status, driver.controls.clock.stalls) == (200, 1)


def test_a_client_that_is_submitting_is_waited_for(driver):
    delay(driver, "healthz", 100)
    model = driver.model()
    late = driver.answer("optim_step", driver.step(model, 2))["request_id"]

    async def main():
        waiting = asyncio.create_task(driver.send("GET", "healthz"))
        await asyncio.sleep(0.05)
        stood = not waiting.done()
        await driver.send("POST", "optim_step", driver.step(model, 1))
        return stood, (await waiting).status

    assert asyncio.run(main()) == (True, 200)
    assert "metrics" in driver.poll(late).json


def test_a_client_that_died_while_submitting_holds_nobody_for_ever(driver, monkeypatch):
    monkeypatch.setattr(skipping, "GAP_PAUSE_SECONDS", 1e-9)
    delay(driver, "healthz", 100)
    driver.answer("optim_step", driver.step(driver.model(), 2))

    assert driver.get("healthz").status == 200


def test_a_move_for_nobody_is_none(driver):
    before = driver.clock.now()
    driver.clock.call_at(before + 1, lambda: None)

    driver.service.skipper._move(idle=False)

    assert driver.clock.now() == before


def test_a_backend_that_computes_on_threads_is_waited_for():
    pytest.importorskip("torch")
    driver = Driver(
        app=create_app(find_backend("torch"), clocks=lambda: VirtualClock(auto=True), control=True)
    )
    driver.controls.delivery("optim_step").after(100)
    model, start = driver.model(), driver.clock.now()
    passed = driver.answer("forward_backward", driver.train(model, 1))["request_id"]
    stepped = driver.answer("optim_step", driver.step(model, 2))["request_id"]

    first, at = driver.poll(passed), driver.clock.now()
    statuses = [driver.poll(stepped).status for _ in range(4)]
    passed_seconds = driver.clock.now() - start
    driver.app.state.tenants.close()

    assert (first.status, at) == (200, start)
    assert (statuses, passed_seconds) == ([408, 408, 408, 200], 100)


def test_a_call_that_raises_stops_nothing(driver):
    raised = []

    def fail():
        raised.append(driver.clock.now())
        raise RuntimeError("a call of the test")

    delay(driver, "healthz", 60)
    driver.clock.call_at(driver.clock.now() + 10, fail)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: raised.append(context))
        return await driver.send("GET", "healthz")

    assert asyncio.run(main()).status == 200
    assert len(raised) == 2


def test_who_advances_by_hand_goes_first(driver):
    delay(driver, "healthz", 60)
    inside, go_on = threading.Event(), threading.Event()
    driver.clock.call_at(driver.clock.now() + 1, lambda: (inside.set(), go_on.wait(10)))
    advancing = threading.Thread(target=driver.clock.advance, args=[5])
    advancing.start()
    inside.wait(10)

    async def main():
        waiting = asyncio.create_task(driver.send("GET", "healthz"))
        await asyncio.sleep(0.05)
        stood = not waiting.done()
        go_on.set()
        return stood, (await waiting).status

    assert asyncio.run(main()) == (True, 200)
    advancing.join()


DAY = 24 * 3600


async def until(clock, time):
    """Sleep on the tenant's clock, as a client in process may."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    clock.call_at(time, lambda: loop.call_soon_threadsafe(woken.set))
    await woken.wait()


async def asked(driver, tokens, path, body):
    """The status of a request; a token that has expired is replaced, and the request repeated."""
    reply = await driver.send("POST", path, body)
    if reply.status == 401:
        token = await driver.send("POST", "auth/token", {}, x_api_key="tml-test")
        driver.headers["x-api-key"] = token.json["jwt"]
        tokens.append(driver.clock.now())
        reply = await driver.send("POST", path, body)
    return reply.status


async def beats(driver, tokens, session, end):
    """A heartbeat each 10 s."""
    statuses = []
    while driver.clock.now() < end:
        await until(driver.clock, driver.clock.now() + 10)
        statuses.append(await asked(driver, tokens, "session_heartbeat", {"session_id": session}))
    return statuses


async def polls(driver, tokens, request_id):
    """Polls until the result is there."""
    statuses = []
    while 200 not in statuses:
        statuses.append(await asked(driver, tokens, "retrieve_future", {"request_id": request_id}))
    return statuses


def watch_pauses(monkeypatch, paused):
    """Note every wait for real time that this thread asks for, in place of it; other threads go on."""
    own, sleep, call_later = threading.get_ident(), time.sleep, asyncio.BaseEventLoop.call_later

    def slept(seconds):
        return paused.append(seconds) if threading.get_ident() == own else sleep(seconds)

    def called(loop, *call, **options):
        if threading.get_ident() == own:
            return paused.append(call)
        return call_later(loop, *call, **options)

    monkeypatch.setattr("time.sleep", slept)
    monkeypatch.setattr(asyncio.BaseEventLoop, "call_later", called)


def test_a_day_of_heartbeats_tokens_and_a_thousand_polls_need_no_real_time(monkeypatch):
    settings = Settings(
        client_config=ClientConfigResponse(pjwt_auth_enabled=True), long_poll_seconds=DAY / 1001
    )
    driver = Driver(settings, control=True)
    driver.headers["x-api-key"] = driver.answer("auth/token", {})["jwt"]
    session, tokens, paused = driver.session(), [], []
    model, start = driver.model(session), driver.clock.now()
    driver.controls.delivery("optim_step").after(DAY + 1)
    request_id = driver.answer("optim_step", driver.step(model, 1))["request_id"]
    driver.clock.auto = True
    watch_pauses(monkeypatch, paused)

    async def main():
        return await asyncio.gather(
            beats(driver, tokens, session, start + DAY), polls(driver, tokens, request_id)
        )

    beaten, polled = asyncio.run(main())

    assert (beaten, polled[:1000]) == ([200] * 8640, [408] * 1000)
    assert len(tokens) in (23, 24)
    assert paused == []
    assert driver.clock.now() == start + DAY + 1
