"""The page in a real browser: what it shows, its keys, its clock, and how fast it is there."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from contract.versions import SdkVersion
from fake_server.clock import VirtualClock
from fake_server.fake import Fake

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver")
FLAGS = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-sync",
    "disable-background-networking",
    "disable-component-update",
    "window-size=1400,900",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def tinker_clock():
    return VirtualClock()


@pytest.fixture
def trained(tinker_fake: Fake):
    """A world with a model of three passes."""
    raw = tinker_fake.raw
    session = raw.call("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})
    fields = {"session_id": session["session_id"], "model_seq_id": 0, "base_model": "tinkerproof/pico"}
    promise = raw.call("create_model", fields | {"lora_config": {"rank": 4}})
    model = raw.result(promise["request_id"])["model_id"]
    for number in range(1, 4):
        datum = {
            "model_input": {"chunks": [{"tokens": [1, 2], "type": "encoded_text"}]},
            "loss_fn_inputs": {"target_tokens": {"data": [2, 3 + number], "dtype": "int64", "shape": [2]}},
        }
        given = {"data": [datum], "loss_fn": "cross_entropy"}
        body = {"model_id": model, "seq_id": number, "forward_backward_input": given}
        raw.result(raw.call("forward_backward", body)["request_id"])
    return tinker_fake


def shown(browser, fake):
    browser.get(fake.page_url)
    until(browser, lambda: browser.execute_script("return document.documentElement.dataset.ready"))
    return browser.find_element(By.TAG_NAME, "body")


def until(browser, true):
    WebDriverWait(browser, 20, poll_frequency=0.02).until(lambda _: true())


def text(browser, name):
    return browser.find_element(By.ID, name).text


def test_it_shows_sessions_models_and_the_journal(browser, trained):
    shown(browser, trained)

    assert text(browser, "n-sessions") == "1"
    assert browser.find_elements(By.CSS_SELECTOR, "#models .curve")
    assert "forward_backward" in text(browser, "rows")
    assert "retrieve_future" not in text(browser, "rows")


def test_it_says_nothing_to_the_console(browser, trained):
    shown(browser, trained)

    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_keys_move_through_the_journal_and_show_the_bodies(browser, trained):
    body = shown(browser, trained)

    body.send_keys("g", "j", Keys.ENTER)
    until(browser, lambda: "create_model" in text(browser, "detail-head"))

    assert '"base_model": "tinkerproof/pico"' in text(browser, "request")


def test_the_journal_is_filtered(browser, trained):
    body = shown(browser, trained)

    body.send_keys("/")
    browser.switch_to.active_element.send_keys("create_")

    assert text(browser, "n-journal").startswith("2 of ")


def test_a_range_is_copied_as_a_test(browser, trained):
    body = shown(browser, trained)

    body.send_keys("g", Keys.SHIFT + Keys.ARROW_DOWN, Keys.NULL, "c")
    until(browser, lambda: text(browser, "test"))

    assert text(browser, "test").startswith("def test_entries_1_to_2(tinker_fake):")


def test_the_clock_is_advanced_by_a_button(browser, trained, tinker_clock):
    before = tinker_clock.now()
    shown(browser, trained)

    browser.find_element(By.CSS_SELECTOR, "[data-seconds='3600']").click()
    until(browser, lambda: tinker_clock.now() == before + 3600)


def test_a_held_result_is_released_by_a_button(browser, trained):
    trained.delivery("optim_step").held()
    model = trained.service.store.models
    body = {"model_id": next(iter(model)).model_id, "seq_id": 4, "adam_params": {"learning_rate": 0.001}}
    promise = trained.raw.call("optim_step", body)["request_id"]
    shown(browser, trained)

    browser.find_element(By.CSS_SELECTOR, "#futures button").click()

    assert trained.raw.result(promise).status == 200


def test_faults_and_the_verdict_are_shown(browser, trained):
    trained.faults.status("optim_step", 500, times=2)
    shown(browser, trained)

    until(browser, lambda: "status on optim_step, status 500, times 2" in text(browser, "faults"))
    until(browser, lambda: text(browser, "n-verdict"))

    browser.find_element(By.CSS_SELECTOR, "#faults button").click()
    until(browser, lambda: text(browser, "n-faults") == "none")


def test_it_is_light_or_dark(browser, trained):
    body = shown(browser, trained)
    before = body.value_of_css_property("background-color")

    body.send_keys("t")

    assert body.value_of_css_property("background-color") != before


def test_ten_thousand_entries_are_a_few_rows_in_the_page(browser, trained):
    for _ in range(10_000):
        exchange = trained.service.traffic.begin("healthz", SdkVersion(0, 38, 0))
        trained.service.traffic.end(exchange)
    shown(browser, trained)

    assert text(browser, "n-journal") == "10000"
    assert len(browser.find_elements(By.CSS_SELECTOR, "#rows .row")) < 100
