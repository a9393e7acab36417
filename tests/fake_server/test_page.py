"""What the page reads: the tenant's state, the journal without bodies, metrics, and a range as a test."""

from urllib.request import urlopen

import pytest

from tests.fake_server.driver import Driver, datum

pytest_plugins = ["pytester"]


@pytest.fixture
def driver():
    return Driver(control=True)


def trained(driver, passes=3):
    model = driver.model()
    for number in range(passes):
        driver.result("forward_backward", driver.train(model, 2 * number + 1))
        driver.result("optim_step", driver.step(model, 2 * number + 2))
    return model


@pytest.mark.parametrize(
    ("path", "media_type", "start"),
    [
        ("/-/", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/-/page.css", "text/css", b":root"),
        ("/-/page.js", "text/javascript", b'"use strict"'),
    ],
)
def test_the_page_comes_in_three_files(driver, path, media_type, start):
    reply = driver.get(path)

    assert (reply.headers["content-type"], reply.body[: len(start)]) == (media_type, start)


def test_the_page_needs_nothing_from_elsewhere(driver):
    pages = b"".join(driver.get(f"/-/{name}").body for name in ("", "page.css", "page.js"))

    assert b"//" not in pages.replace(b"http://www.w3.org/2000/svg", b"").replace(b"\n//", b"").split(b"<")[1]
    assert pages.count(b"http") == pages.count(b"http://www.w3.org/2000/svg")


def test_the_overview_has_sessions_models_and_checkpoints(driver):
    model = trained(driver)
    driver.result("save_weights", {"model_id": model, "seq_id": 7, "path": "one", "ttl_seconds": 3600})

    state = driver.get("/-/overview").json

    assert state["counts"] == {"sessions": 1, "models": 1, "checkpoints": 1, "entries": 17}
    assert state["sessions"][0]["status"] == "active"
    assert state["models"][0]["next_seq_id"] == 8
    assert state["checkpoints"][0]["expires_at"] == state["now"] + 3600
    assert (state["virtual"], state["tenants"][0]["name"]) == (True, "default")


def test_a_models_losses_make_a_curve(driver):
    trained(driver)

    (model,) = driver.get("/-/overview").json["models"]

    assert [number for number, _ in model["loss"]] == [1, 3, 5]
    assert model["loss"][0][1] > model["loss"][-1][1]


def test_a_curve_keeps_the_newest_points(driver, monkeypatch):
    monkeypatch.setattr("fake_server.dashboard.curves.MOST_POINTS", 2)
    trained(driver)

    assert [number for number, _ in driver.get("/-/overview").json["models"][0]["loss"]] == [3, 5]


def test_the_overview_tells_how_far_each_future_is(driver):
    model = driver.model()
    driver.answer("optim_step", driver.step(model, 1))
    driver.answer("optim_step", driver.step(model, 3))
    driver.answer("load_weights", {"model_id": model, "seq_id": 2, "path": "tinker://no/weights/x"})
    driver.controls.delivery("optim_step").held()
    driver.answer("optim_step", driver.step(model, 4))

    counts = driver.get("/-/overview").json["future_counts"]

    assert counts == {"read": 1, "ready": 2, "failed": 1, "held": 1}


def test_a_future_that_waits_for_a_number_says_so(driver):
    driver.answer("optim_step", driver.step(driver.model(), 2))

    (future,) = driver.get("/-/overview").json["futures"]

    assert (future["state"], future["seq_id"]) == ("waiting", 2)


def test_the_overview_lists_the_requests_that_wait(driver):
    promise = driver.answer("optim_step", driver.step(driver.model(), 2))["request_id"]
    seen = []

    def act():
        from fake_server.dashboard.overview import overview

        seen.extend(overview(driver.controls)["open"])
        driver.service.traffic.end_waits()

    driver.poll_while(promise, act)

    assert [request["operation"] for request in seen] == ["retrieve_future"]


def test_rows_are_asked_for_from_a_position_on(driver):
    driver.session()
    first = driver.get("/-/rows").json
    driver.get("healthz")

    rest = driver.get(f"/-/rows?position={first['position']}").json

    assert [row[1] for row in first["rows"]] == ["create_session"]
    assert [row[1] for row in rest["rows"]] == ["healthz"]


def test_an_entry_is_fetched_with_its_bodies(driver):
    driver.session(tags=["x"])

    assert driver.get("/-/entry?number=1").json["request"]["tags"] == ["x"]
    assert driver.get("/-/entry?number=2").status == 404


def test_metrics_equal_the_journals_counts(driver):
    trained(driver)
    driver.post("get_info", {"model_id": "nobody"})
    text = driver.get("/-/metrics").body.decode()

    for entry in driver.controls.journal:
        number = sum(
            (other.operation, other.status) == (entry.operation, entry.status)
            for other in driver.controls.journal
        )
        labels = f'operation="{entry.operation}",status="{entry.status}",tenant="default"'
        assert f"tinkerproof_requests_total{{{labels}}} {number:.1f}" in text
    assert 'tinkerproof_records{kind="models",tenant="default"} 1.0' in text
    assert 'tinkerproof_futures{state="read",tenant="default"} 7.0' in text


def test_metrics_tell_of_faults_and_of_every_tenant(driver):
    other = Driver(prefix="/t/other", app=driver.app)
    other.session()
    driver.controls.counts.faults["reset"] += 2

    text = driver.get("/-/metrics").body.decode()

    assert 'tinkerproof_faults_total{fault="reset",tenant="default"} 2.0' in text
    assert 'tenant="other"' in text
    assert 'tenant="default"' not in other.get("/-/metrics").body.decode()


def copied(driver, first, last):
    reply = driver.get(f"/-/test?first={first}&last={last}")
    assert reply.status == 200, reply
    return reply.body.decode()


def test_a_copied_range_reproduces_what_it_was_copied_from(driver, pytester):
    model = trained(driver)
    driver.post("get_info", {"model_id": "nobody-at-all"})
    driver.result("load_weights", {"model_id": model, "seq_id": 7, "path": "tinker://nobody/weights/x"})
    driver.answer("optim_step", driver.step(model, 8))
    pytester.makepyfile(copied(driver, 1, 100))

    pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_copied_test_fails_where_the_server_answers_otherwise(driver, pytester):
    trained(driver)
    pytester.makepyfile(copied(driver, 1, 100).replace("'rank': 8", "'rank': 0"))

    pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider").assert_outcomes(failed=1)


def test_what_an_entry_rests_on_is_copied_along(driver):
    trained(driver)
    last = list(driver.controls.journal)[-2]

    text = copied(driver, last.number, last.number)

    assert last.operation == "optim_step"
    assert text.count('raw.call("forward_backward"') == 3
    assert 'raw.call("create_session"' in text
    assert "tinker_unread" not in text


def test_a_promise_that_nobody_fetched_may_stay_unread_in_the_copy(driver):
    driver.answer("optim_step", driver.step(driver.model(), 1))

    assert "@pytest.mark.tinker_unread" in copied(driver, 1, 100)


def test_clients_own_requests_are_not_copied(driver):
    driver.post("client/config", {"sdk_version": "0.38.0"})

    reply = driver.get("/-/test?first=1&last=9")

    assert (reply.status, reply.json["detail"].partition(";")[0]) == (
        400,
        "entries: expected some to repeat from 1 to 9, got none",
    )


def test_answers_in_lists_are_referred_to(driver):
    model = driver.model()
    driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "one"})
    driver.get("checkpoints")
    run = model
    (row,) = driver.get(f"training_runs/{run}/checkpoints").json["checkpoints"]
    driver.post("weights_info", {"tinker_path": row["tinker_path"]})

    assert '["path"]' in copied(driver, 1, 100)


def test_a_datum_is_copied_with_its_numbers(driver):
    model = driver.model()
    driver.result("forward_backward", driver.train(model, 1, data=[datum((5, 6, 7))]))

    assert "'tokens': [5, 6, 7]" in copied(driver, 1, 100)


def test_a_copied_range_sets_the_faults_that_struck(tinker_fake, pytester):
    tinker_fake.faults.lose_answer("create_session", nth=1)
    tinker_fake.faults.status("create_session", 503, nth=2)
    raw, body = tinker_fake.raw, {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"}
    with pytest.raises(OSError, match="closed"):
        raw.call("create_session", body)
    assert [raw.call("create_session", body).status for _ in range(2)] == [503, 200]
    with urlopen(f"{tinker_fake.page_url}test?first=1&last=3") as answer:
        pytester.makepyfile(answer.read().decode())

    pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_predicate_cannot_be_copied(driver):
    driver.controls.faults.status("create_session", 503, predicate=lambda _: True)
    driver.post("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

    reply = driver.get("/-/test?first=1&last=1")

    assert (reply.status, "got a predicate" in reply.json["detail"]) == (400, True)


def test_a_refusal_is_copied_in_its_words_where_no_id_is_in_them(driver, pytester):
    model = driver.model()
    driver.get("training_runs?limit=0")
    driver.result("save_weights", {"model_id": model, "seq_id": 1, "path": "one"})
    driver.result("load_weights", {"model_id": model, "seq_id": 2, "path": "tinker://nobody/weights/x"})
    text = copied(driver, 1, 100)
    assert "[\"detail\"] == 'limit: expected 1 to 1000, got 0'" in text
    pytester.makepyfile(text)

    pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)
