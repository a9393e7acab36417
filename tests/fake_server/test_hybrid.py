"""Routes: what can be kept apart, what cannot and why; and what the other side is told."""

import asyncio
import socket

import pytest

from contract import BackendOptions
from fake_server.app import create_app
from fake_server.cassettes.routes import Route, sides
from fake_server.clock import VirtualClock
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from fake_server.settings import AuthSettings, Settings
from tests.fake_server.driver import PICO, Driver


def chosen(*routes: str, otherwise="local"):
    return sides([Route.parse(route) for route in routes], otherwise)


def test_the_first_route_that_fits_counts():
    found = chosen("asample=local", "*=upstream")

    assert (found["asample"], found["optim_step"]) == ("local", "upstream")


def test_what_reads_nothing_of_the_world_goes_anywhere():
    found = chosen("get_server_capabilities=upstream", "telemetry=upstream", "get_billing_usage=upstream")

    assert {name for name, side in found.items() if side == "upstream"} == {
        "get_server_capabilities",
        "telemetry",
        "get_billing_usage",
    }


def test_what_shares_a_models_state_cannot_be_kept_apart():
    with pytest.raises(
        ValueError, match=r"route optim_step=upstream: expected local, as create_session; they"
    ):
        chosen("optim_step=upstream")


def test_keys_and_tokens_cannot_be_kept_apart():
    with pytest.raises(
        ValueError, match=r"route auth_token=upstream: expected local, as client_config; what"
    ):
        chosen("auth_token=upstream")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("asample", "expected OPERATION=local or OPERATION=upstream, got 'asample'"),
        ("asample=there", "expected OPERATION=local or OPERATION=upstream"),
        ("=local", "expected OPERATION=local or OPERATION=upstream"),
        ("dance=local", "expected a pattern of an operation, got one of none"),
        ("retrieve_future=local", "expected an operation, got a poll; it goes where its promise was made"),
    ],
)
def test_a_route_that_is_none_is_refused(text, match):
    with pytest.raises(ValueError, match=match):
        Route.parse(text)


@pytest.fixture
def far():
    with LiveServer(create_app(open_scripted, control=True)) as server:
        yield server


def split(url: str, *routes: str, otherwise="local") -> Driver:
    """A driver whose tenant is routed, in one event loop for all of its requests."""
    driver = Driver(Settings(seed=5), control=True)
    driver.controls.cassettes.route(url, *routes, otherwise=otherwise)
    return driver


def in_one_loop(driver: Driver, *requests):
    """The replies of requests, one after the other; each may be made of the ones before it."""

    async def all_of_them():
        replies = []
        for request in requests:
            replies.append(await driver.send(*(request(replies) if callable(request) else request)))
        driver.controls.cassettes.close()
        await asyncio.sleep(0.01)
        return replies

    return asyncio.run(all_of_them())


SESSION = ("POST", "create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})


def sampler(replies):
    body = {"session_id": replies[0].json["session_id"], "sampling_session_seq_id": 0, "base_model": PICO}
    return "POST", "create_sampling_session", body


def sample(number: int):
    def made(replies):
        body = Driver().sample(replies[1].json["sampling_session_id"], number)
        return "POST", "asample", body

    return made


def journal(far: LiveServer):
    return list(far.app.state.tenants.get().controls.journal)


def test_the_other_sides_session_beats_and_ends_with_ours(far):
    def beat(replies):
        return "POST", "session_heartbeat", {"session_id": replies[0].json["session_id"]}

    def end(replies):
        path = f"sessions/{replies[0].json['session_id']}/finish"
        return "POST", path, {"reason": {"type": "success"}, "detail": None}

    replies = in_one_loop(
        split(far.url, "asample=upstream"), SESSION, sampler, beat, sample(0), sample(1), beat, end
    )

    assert [reply.status for reply in replies] == [200, 200, 200, 200, 200, 200, 204]
    told = [entry.operation for entry in journal(far)]
    assert told == [
        "create_session",
        "create_sampling_session",
        "asample",
        "asample",
        "session_heartbeat",
        "finish_session",
    ]


def test_a_promise_is_cancelled_and_polled_where_it_was_made(far):
    def poll(replies):
        return "POST", "retrieve_future", {"request_id": replies[2].json["request_id"]}

    def cancel(replies):
        return "POST", "cancel_future", {"request_id": replies[2].json["request_id"]}

    replies = in_one_loop(split(far.url, "asample=upstream"), SESSION, sampler, sample(0), cancel, poll)

    assert [reply.status for reply in replies] == [200, 200, 200, 204, 200]
    assert [entry.operation for entry in journal(far)][-2:] == ["cancel_future", "retrieve_future"]


def test_a_sampler_that_is_not_ours_is_not_opened_there(far):
    (reply,) = in_one_loop(
        split(far.url, "asample=upstream"), ("POST", "asample", Driver().sample("nobody", 0))
    )

    assert (reply.status, reply.json["detail"]) == (404, "no sampling session 'nobody'; open one first")
    assert journal(far) == []


def test_a_sample_of_an_old_client_goes_as_it_is(far):
    body = {**Driver().sample("x", 0), "base_model": PICO}
    del body["sampling_session_id"], body["seq_id"]

    (reply,) = in_one_loop(split(far.url, "asample=upstream"), ("POST", "asample", body))

    assert reply.json["request_id"].startswith("legacy:sample:")


def test_what_the_other_side_refuses_is_the_samples_answer():
    settings = Settings(auth=AuthSettings(api_keys=("tml-other",)))
    with LiveServer(create_app(open_scripted, settings)) as server:
        replies = in_one_loop(split(server.url, "asample=upstream"), SESSION, sampler, sample(0))

    assert (replies[2].status, "X-API-Key" in replies[2].json["detail"]) == (401, True)


def test_an_upstream_that_is_not_there_is_the_samples_answer():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    replies = in_one_loop(split(url, "asample=upstream"), SESSION, sampler, sample(0))

    assert (replies[2].status, replies[2].json["detail"]) == (
        502,
        f"upstream: expected an answer of {url}, got none",
    )


def test_a_sampler_of_the_other_side_gets_a_namesake_here(far):
    driver = split(far.url, "asample=local", otherwise="upstream")

    replies = in_one_loop(driver, SESSION, sampler, sample(0), sample(1))

    sampler_id = replies[1].json["sampling_session_id"]
    assert [reply.status for reply in replies] == [200] * 4
    assert driver.service.store.samplers.get(sampler_id).base_model == PICO
    assert [entry.operation for entry in journal(far)] == [
        "create_session",
        "create_sampling_session",
        "get_sampler",
    ]


def test_a_sampler_that_nobody_has_gets_no_namesake(far):
    driver = split(far.url, "asample=local", otherwise="upstream")

    (reply,) = in_one_loop(driver, ("POST", "asample", Driver().sample("nobody", 0)))

    assert (reply.status, reply.json["detail"][:28]) == (404, "no sampling session 'nobody'")


def test_downloads_come_from_where_the_checkpoints_are(far):
    there = in_one_loop(split(far.url, "asample=local", otherwise="upstream"), ("GET", "/files/x"))
    here = in_one_loop(split(far.url, "asample=upstream"), ("GET", "/files/x"))

    assert [there[0].status, here[0].status] == [403, 403]


def test_two_samplers_of_a_session_share_one_session_there(far):
    def second(replies):
        method, path, body = sampler(replies)
        return method, path, {**body, "sampling_session_seq_id": 1}

    def other(replies):
        return "POST", "asample", Driver().sample(replies[3].json["sampling_session_id"], 0)

    in_one_loop(split(far.url, "asample=upstream"), SESSION, sampler, sample(0), second, other)

    told = [entry.operation for entry in journal(far)]
    assert (told.count("create_session"), told.count("create_sampling_session")) == (1, 2)


def test_a_base_model_that_is_not_here_is_refused_as_ever():
    options = BackendOptions(base_models=("far/model",))
    with LiveServer(create_app(open_scripted, options=options)) as server:

        def far_sampler(replies):
            method, path, body = sampler(replies)
            return method, path, {**body, "base_model": "far/model"}

        near = create_app(
            open_scripted, clocks=VirtualClock, options=BackendOptions(base_models=(PICO,)), control=True
        )
        driver = Driver(app=near)
        driver.controls.cassettes.route(server.url, "asample=local", otherwise="upstream")
        replies = in_one_loop(driver, SESSION, far_sampler, sample(0))

    assert (replies[2].status, "base_model: expected one of" in replies[2].json["detail"]) == (400, True)
