"""Sessions: opened, kept alive, ended once, found again."""

import pytest

from contract import RequestFailure
from tests.fake_server.driver import Driver


@pytest.fixture
def driver() -> Driver:
    return Driver()


def finish(driver: Driver, session: str, kind: str = "success", detail: str | None = None) -> int:
    return driver.post(f"sessions/{session}/finish", {"reason": {"type": kind}, "detail": detail}).status


def test_a_heartbeat_keeps_a_session_alive(driver):
    session = driver.session()
    for _ in range(3):
        driver.clock.advance(299)
        assert driver.post("session_heartbeat", {"session_id": session}).json == {"type": "session_heartbeat"}

    assert driver.model(session)


def test_a_session_without_heartbeats_ends(driver):
    session = driver.session()
    model = driver.model(session)
    driver.clock.advance(301)

    assert driver.post("session_heartbeat", {"session_id": session}).status == 410
    reply = driver.post("optim_step", driver.step(model, 1))
    assert reply.status == 400
    assert "has ended (cancelled: no heartbeat for more than 300 s); open a new one" in reply.json["detail"]


def test_a_heartbeat_of_an_unknown_session_is_not_found(driver):
    assert driver.post("session_heartbeat", {"session_id": "nope"}).status == 404


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("create_model", {"model_seq_id": 0, "base_model": "tinkerproof/pico"}),
        ("load_weights", {"model_seq_id": 0, "path": "tinker://a/weights/b", "optimizer": False}),
        ("create_sampling_session", {"sampling_session_seq_id": 0, "base_model": "tinkerproof/pico"}),
    ],
)
def test_operations_in_a_session_that_never_was_are_forbidden(driver, operation, fields):
    reply = driver.post(operation, {"session_id": "nope", **fields})

    assert reply.status == 403
    assert reply.json["detail"] == "Invalid session_id: no session 'nope'; this server has none"


def test_a_finished_session_takes_no_more_operations(driver):
    session = driver.session()
    model = driver.model(session)

    assert finish(driver, session, detail="done") == 204
    reply = driver.post("optim_step", driver.step(model, 1))
    assert reply.status == 400
    assert "has ended (success: done)" in reply.json["detail"]
    assert driver.post("session_heartbeat", {"session_id": session}).status == 410


def test_the_first_end_of_a_session_counts(driver):
    session = driver.session()
    finish(driver, session, "errored")
    finish(driver, session, "success")

    found = driver.answer("sessions/search", {"session_id": session})["sessions"][0]
    assert found["status"] == {"type": "client_finished", "reason": {"type": "errored"}}


def test_sessions_are_listed_newest_first_in_pages(driver):
    ids = [driver.session() for _ in range(5)]

    assert driver.get("sessions?limit=2&offset=1").json == {"sessions": ids[::-1][1:3]}


@pytest.mark.parametrize(
    ("query", "words"), [("limit=0", "limit: expected 1 to"), ("offset=-1", "offset: expected 0")]
)
def test_a_page_out_of_range_is_refused(driver, query, words):
    reply = driver.get(f"sessions?{query}")

    assert reply.status == 400
    assert words in reply.json["detail"]


def test_a_query_of_another_type_is_refused(driver):
    assert driver.get("sessions?limit=many").status == 422


def test_a_session_shows_its_models_and_samplers(driver):
    session = driver.session(user_metadata={"a": 1}, display_name="My run")
    model, sampler = driver.model(session), driver.sampler(session)

    assert driver.get(f"sessions/{session}?access_scope=owned").json == {
        "training_run_ids": [model],
        "sampler_ids": [sampler],
        "user_metadata": {"a": "1"},
        "display_name": "My run",
    }


def test_a_session_moves_to_a_project(driver):
    session = driver.session()

    assert driver.call("PUT", f"sessions/{session}/project", {"project_id": "p2"}).status == 204
    assert driver.call("PUT", f"sessions/{session}/project", {"project_id": ""}).status == 422
    assert driver.answer("sessions/search", {"project_ids": ["p2"]})["sessions"][0]["session_id"] == session


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "cba"),
        ({"display_name": "big run"}, "a"),
        ({"user_metadata": {"k": "1"}}, "b"),
        ({"project_ids": ["p"]}, "c"),
        ({"project_ids": []}, ""),
        ({"statuses": [{"type": "active"}]}, "ba"),
        ({"statuses": [{"type": "client_finished"}]}, "c"),
        ({"statuses": [{"type": "client_finished", "reasons": ["errored"]}]}, ""),
        ({"statuses": [{"type": "cancelled"}, {"type": "failed"}]}, ""),
        ({"owner": {"type": "user", "owner_urns": ["tml:user:fake"]}}, "cba"),
        ({"owner": {"type": "user", "owner_urns": ["tml:user:else"]}}, ""),
        ({"owner": {"type": "accessible"}}, "cba"),
    ],
)
def test_sessions_are_found_by_every_filter(driver, query, found):
    ids = {
        driver.session(display_name="A Big Run"): "a",
        driver.session(user_metadata={"k": "1"}): "b",
        driver.session(project_id="p"): "c",
    }
    finish(driver, list(ids)[2])

    sessions = driver.answer("sessions/search", query)["sessions"]

    assert "".join(ids[session["session_id"]] for session in sessions) == found


def test_a_search_by_id_or_name_finds_either(driver):
    first, second = driver.session(display_name="x"), driver.session()

    found = driver.answer("sessions/search", {"session_id": second, "display_name": "x"})["sessions"]

    assert [session["session_id"] for session in found] == [second, first]


def test_a_search_goes_on_at_its_cursor(driver):
    ids = [driver.session() for _ in range(3)]

    first = driver.answer("sessions/search", {"limit": 2})
    last = driver.answer("sessions/search", {"limit": 2, "cursor": first["next_cursor"]})

    assert [s["session_id"] for s in first["sessions"] + last["sessions"]] == ids[::-1]
    assert "next_cursor" not in last
    lost = {**first["next_cursor"], "last_session_id": "nope"}
    assert driver.post("sessions/search", {"cursor": lost}).status == 404


def test_a_trace_lists_the_operations_of_a_session(driver):
    session = driver.session()
    model, sampler = driver.model(session), driver.sampler(session)
    driver.result("forward_backward", driver.train(model, 1, loss_fn="l2"))
    driver.answer("optim_step", driver.step(model, 3))
    driver.result("asample", driver.sample(sampler, 0))

    export = driver.get(f"sessions/{session}/trace_export").json
    trace = driver.get(export["url"].removeprefix("http://fake.test")).json

    assert export["status"] == "ready"
    assert [(o["operation"], o["state"]) for o in trace["operations"]] == [
        ("create_model", "finished"),
        ("forward_backward", "failed"),
        ("optim_step", "pending"),
        ("asample", "finished"),
    ]


def loaded(driver: Driver, *models: str) -> list[bool]:
    """Whether the backend still has the models."""

    def has(model: str) -> bool:
        try:
            driver.service.backend.save_weights(model, optimizer=False)
        except RequestFailure:
            return False
        return True

    return [has(model) for model in models]


def test_the_end_of_a_session_frees_its_models_after_their_last_operation(driver):
    session = driver.session()
    model, other = driver.model(session), driver.model()
    jobs = []
    driver.service.executor.submit = jobs.append  # type: ignore[method-assign]
    step = driver.answer("optim_step", driver.step(model, 1))["request_id"]
    finish(driver, session)
    for job in jobs:
        job()

    assert "metrics" in driver.poll(step).json
    assert loaded(driver, model, other) == [False, True]


def test_a_session_that_fell_silent_is_wound_up_when_another_one_opens(driver):
    model = driver.model()
    driver.clock.advance(301)

    other = driver.model()

    assert loaded(driver, model, other) == [False, True]


def test_a_model_that_its_client_unloads_is_freed_once(driver, caplog):
    session = driver.session()
    model, jobs = driver.model(session), []
    driver.service.executor.submit = jobs.append  # type: ignore[method-assign]
    unload = driver.answer("unload_model", {"model_id": model})["request_id"]
    finish(driver, session)
    for job in jobs:
        job()

    assert driver.poll(unload).json["model_id"] == model
    assert caplog.text == ""


def test_a_backend_that_cannot_free_a_model_is_told_in_the_log(driver, caplog):
    session = driver.session()
    driver.model(session)
    driver.service.backend.unload_model = lambda model_id: 1 / 0  # type: ignore[method-assign]

    assert finish(driver, session) == 204
    assert f"unloading {session}:train:0 failed" in caplog.text
