"""How long the page takes until it shows a journal of 10,000 entries, in a headless Chromium."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from selenium import webdriver

from benchmarks.figure import Figure, below
from contract.versions import SdkVersion
from fake_server.fake import Fake, FakeServer
from fake_server.running import find_backend

__all__ = ["measure"]

ENTRIES = 10_000
FLAGS = ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking")
READY = """
const done = arguments[arguments.length - 1];
const ready = () => document.documentElement.dataset.ready;
const look = () => ready() ? done(performance.now()) : requestAnimationFrame(look);
look();
"""


def measure(rounds: int = 9) -> list[Figure]:
    """Milliseconds from the navigation until the page has drawn; nothing where there is no browser."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return []
    with FakeServer(find_backend("scripted")) as server, _browser() as browser:
        fake = Fake(server, "page")
        _fill(fake)
        times = [_load(browser, fake.page_url) for _ in range(rounds)]
        fake.close()
    return [Figure(f"the page, until it shows {ENTRIES:,} entries", median(times), "ms", (below(300),))]


def _fill(fake: Fake) -> None:
    traffic = fake.service.traffic
    for _ in range(ENTRIES):
        exchange = traffic.begin("healthz", SdkVersion(0, 38, 0))
        exchange.status = 200
        traffic.end(exchange)


def _load(browser: webdriver.Chrome, url: str) -> float:
    browser.get(url)
    return float(browser.execute_async_script(READY))  # type: ignore[no-untyped-call]


@contextmanager
def _browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    with tempfile.TemporaryDirectory() as folder:
        for flag in (*FLAGS, f"user-data-dir={folder}"):
            options.add_argument(f"--{flag}")
        browser = webdriver.Chrome(
            options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
        )
        try:
            yield browser
        finally:
            browser.quit()
