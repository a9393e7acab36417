"""The report as a page: whole in itself, small, and readable on a phone."""

import re
import shutil
from html.parser import HTMLParser

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from contract.laws.baseline import Excuse
from contract.laws.driver import Trace
from contract.laws.reports.page import as_html
from tests.laws.records import mixed, outcome, record

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
in_a_browser = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver")
FLAGS = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "no-first-run",
    "disable-sync",
    "disable-quic",
    "disable-background-networking",
    "disable-component-update",
    "hide-scrollbars",
)
SHOUT = "<script>document.title='owned'</script>&<img src=http://x.test/a>\"'"


class Tags(HTMLParser):
    """Counts tags and keeps all attributes."""

    def __init__(self, text):
        super().__init__()
        self.opened, self.closed, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.opened.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        self.closed.append(tag)


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
def shown(browser, tmp_path):
    """Shows a record at a width, light or dark."""

    def show(made, width=1200, scheme="light"):
        (tmp_path / "report.html").write_text(as_html(made), encoding="utf-8")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.get((tmp_path / "report.html").as_uri())
        return browser

    return show


def loud(number):
    trace = tuple(Trace("POST", f"/{'&' * 400}", "<&" * 1000, 500, "界\x00" * 1000) for _ in range(3))
    said = f"{'<' * 5000}: expected {'&' * 5000}, got {'界' * 5000}"
    return outcome(f"FUT-{number:02}", "broken", said, trace=trace)


def test_every_tag_is_closed_and_nothing_is_loaded():
    tags = Tags(as_html(mixed()))
    void = {"meta", "input", "br"}

    assert sorted(tag for tag in tags.opened if tag not in void) == sorted(tags.closed)
    assert "script" not in tags.opened
    assert all(value.startswith("#") for name, value in tags.attributes if name in ("href", "src"))


def test_what_a_server_says_is_no_markup():
    trace = (Trace("POST", f"/{SHOUT}", SHOUT, 200, SHOUT),)
    outcomes = [outcome("FUT-01", "broken", SHOUT, trace=trace), outcome("FUT-02", "skipped", SHOUT)]
    made = record(outcomes, about={"model": SHOUT})

    assert not {"script", "img"} & set(Tags(as_html(made)).opened)


def test_it_is_small_however_much_a_server_says():
    many = [loud(number) for number in range(100)]
    skipped = [outcome(f"SES-{number:02}", "skipped", f"{number} {'&' * 5000}") for number in range(99)]

    assert len(as_html(record([*many, *skipped])).encode()) < 1_000_000
    assert len(as_html(record(many[:1])).encode()) < 1_000_000


def test_requests_that_do_not_fit_are_counted():
    text = as_html(record([loud(number) for number in range(90)]))

    assert "earlier ones are in report.json)" in text
    assert "… (2000 characters)" in text


@pytest.mark.parametrize("number", range(390, 400))
def test_a_text_is_not_cut_in_the_middle_of_a_character(number):
    text = as_html(record([outcome("FUT-01", "skipped", "x" * number + "&<界" * 9)]))

    kept = re.findall(r"(x{390,}.*?)… \(\d+ characters\)", text)[0]
    assert set(re.split(r"&amp;|&lt;|x|界", kept)) == {""}


def test_a_run_that_tried_nothing_is_a_page_that_says_so():
    assert "no laws were tried, which proves nothing; 0 skipped" in as_html(record([]))


def test_it_tells_of_known_failures_and_their_reason():
    text = as_html(record([outcome("FUT-01", "broken", trace=())], {"FUT-01": Excuse("issue <12>")}))

    assert '<dd class="known">issue &lt;12&gt;</dd>' in text
    assert "its last" not in text


@in_a_browser
def test_it_shows_score_groups_and_the_first_failure(shown):
    page = shown(mixed()).find_element(By.TAG_NAME, "body").text

    for words in ("25 %", "The run failed", "futures: polls, replays, gaps, order", "1 hold · 1 broken"):
        assert words in page
    assert "got\n'two'" in page
    assert "its last 1 requests" in page


@in_a_browser
def test_a_trace_unfolds_and_the_list_is_filtered_without_a_script(shown):
    browser = shown(mixed())
    browser.find_element(By.CSS_SELECTOR, "details[open] details summary").click()
    browser.find_element(By.ID, "show-skipped").click()
    visible = [
        row.text[:6] for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr") if row.is_displayed()
    ]

    assert '{"request_id": "one"}' in browser.find_element(By.TAG_NAME, "body").text
    assert visible == ["SES-02", "ACC-01"]
    assert browser.get_log("browser") == []


@in_a_browser
@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_is_wider_than_the_screen(shown, width):
    trace = (Trace("POST", f"/{'x' * 300}", "y" * 900, 200, "z" * 900),)
    browser = shown(record([outcome("FUT-01", "broken", "e" * 900, trace=trace), outcome("SES-01")]), width)
    browser.find_element(By.CSS_SELECTOR, "details[open] details summary").click()

    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@in_a_browser
def test_it_is_light_or_dark_as_the_reader_likes(shown):
    colours = [
        shown(mixed(), scheme=scheme)
        .find_element(By.TAG_NAME, "body")
        .value_of_css_property("background-color")
        for scheme in ("light", "dark")
    ]

    assert colours == ["rgba(255, 255, 255, 1)", "rgba(15, 19, 24, 1)"]


def test_details_are_shown_the_long_ones_by_their_end():
    details = {"ended": "exit <1>", "standard error": "&" * 3000 + "the last words"}
    text = as_html(record([outcome(f"FUT-{n:02}", "broken", details=details) for n in range(1, 99)]))

    assert "<dt>ended</dt><dd>exit &lt;1&gt;</dd>" in text
    assert re.search(r"<dt>standard error</dt><dd>… (&amp;)+the last words</dd>", text)
    assert len(text.encode()) < 1_000_000
