"""What a failed test shows of the server."""

import fake_server.fixtures  # noqa: F401 # or each run in this process would import it anew
from fake_server.unread import unread
from tests.fake_server.driver import Driver

pytest_plugins = ["pytester"]

MANY = """
def test_fails(tinker_fake):
    raw = tinker_fake.raw
    for _ in range(30):
        raw.call("healthz")
    tinker_fake.delivery("create_model").after_polls(5)
    session = raw.call("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})
    model = {"session_id": session["session_id"], "model_seq_id": 0, "base_model": "tinkerproof/pico"}
    raw.result(raw.call("create_model", model | {"lora_config": {"rank": 4}})["request_id"])
    assert False
"""


def test_of_many_requests_a_report_shows_the_last_ones_and_no_polls_that_were_too_early(pytester):
    pytester.makepyfile(MANY)

    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-q")

    shown = ["… 3 earlier ones", "… 5 polls that were answered with 408", "   4 healthz 200 *"]
    result.stdout.fnmatch_lines(shown, consecutive=True)
    result.stdout.fnmatch_lines(["  38 retrieve_future 200 *"])


def test_a_result_that_is_still_to_come_is_unread_unless_it_waits_for_a_number():
    driver = Driver()
    model = driver.model()
    early = driver.answer("optim_step", driver.step(model, 2))["request_id"]
    assert unread(driver.service) == []

    driver.service.futures.get(early).owner = "a model without a lane"

    assert [future.request_id for future in unread(driver.service)] == [early]
