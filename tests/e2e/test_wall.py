"""The wall in a real browser: it fits the screen and the phone, lives without reload, and greys when nothing comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from netmon.clock import Clock
from netmon.web.app import create_app
from netmon.web.server import serve
from tests import wall_state
from tests.conftest import free_port, need, wait_until
from tests.unit.web_app import WORDS, Daemon

pytestmark = [pytest.mark.e2e, pytest.mark.live]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


class Served:
    """The application in a loop of its own thread, which can be stopped and started again on the same port."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.state = wall_state.state(self.clock.now())
        self.daemon = Daemon(self.state)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._stop: asyncio.Event | None = None
        self._task: Future[None] | None = None
        self.start()

    def start(self) -> None:
        ready = threading.Event()

        async def go() -> None:
            self._stop = asyncio.Event()
            app = create_app(self.state, self.daemon, wall_state.config(), WORDS, self.clock)
            async with serve(app, "127.0.0.1", self.port):
                ready.set()
                await self._stop.wait()

        self._task = asyncio.run_coroutine_threadsafe(go(), self._loop)
        assert ready.wait(20)

    def stop(self) -> None:
        if self._task and self._stop:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._task.result(20)
            self._task = None

    def do(self, change: Any, *args: Any) -> None:
        """Change the state within the loop, as the daemon does."""

        async def go() -> None:
            change(*args)

        asyncio.run_coroutine_threadsafe(go(), self._loop).result(20)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    need("chromium", "chromedriver")
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


def show(browser: WebDriver, url: str, width: int = 1920, height: int = 1080) -> None:
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)  # type: ignore[no-untyped-call]
    browser.get_log("browser")  # type: ignore[no-untyped-call]  # what earlier pages complained of
    browser.get(url)


def soon(check: Callable[[], object], what: str) -> object:
    """Wait until ``check`` holds; an element that an update replaces meanwhile is looked for again."""

    def tried() -> object:
        with contextlib.suppress(WebDriverException):
            return check()
        return None

    return wait_until(tried, what=what)


def keep(browser: WebDriver, name: str) -> None:
    """A screenshot, where somebody wants to look: NETMON_SCREENSHOTS names the folder."""
    if folder := os.environ.get("NETMON_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(Path(folder, f"{name}.png")))


def text(browser: WebDriver, css: str) -> str:
    return browser.find_element(By.CSS_SELECTOR, css).text


def complaints(browser: WebDriver) -> list[str]:
    """What the console holds: errors of scripts, refused by the policy, not found."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]  # type: ignore[no-untyped-call]


def outside(browser: WebDriver) -> int:
    """How many tiles are not wholly within the window."""
    found: int = browser.execute_script(
        "return [...document.querySelectorAll('.tile')].filter(e => { const r = e.getBoundingClientRect();"
        "return !r.width || r.bottom > innerHeight || r.right > innerWidth || r.top < 0; }).length"
    )
    return found


@pytest.mark.parametrize("notice", [False, True])
def test_all_sites_are_seen_at_once_on_a_wall(browser, served, notice):
    served.state.health.last_reload_ok = not notice
    served.state.health.reload_refused_at = served.clock.now()
    show(browser, served.url)
    assert len(browser.find_elements(By.CSS_SELECTOR, ".tile")) == 310
    assert outside(browser) == 0
    assert browser.execute_script("return document.documentElement.scrollHeight <= innerHeight")
    assert ("vẫn chạy cấu hình cũ" in text(browser, "#notices")) == notice
    keep(browser, f"wall{'-notice' if notice else ''}")
    assert not complaints(browser)


def test_the_phone_shows_incidents_first_and_scrolls_one_way(browser, served):
    show(browser, served.url, 390, 844)
    keep(browser, "phone")
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    top = {css: browser.find_element(By.CSS_SELECTOR, css).location["y"] for css in ("#incidents", "#sensors", ".area")}
    assert top["#incidents"] < 300
    assert top["#incidents"] < top["#sensors"] < top[".area"]
    assert not browser.find_element(By.CSS_SELECTOR, "#area-tinh .tile").is_displayed()
    browser.find_element(By.CSS_SELECTOR, "#area-tinh summary").click()
    assert browser.find_element(By.CSS_SELECTOR, "#area-tinh .tile").is_displayed()
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    served.do(wall_state.change, served.state, "tinh-05", "down", served.clock.now())
    soon(lambda: browser.find_elements(By.CSS_SELECTOR, "#area-tinh .tile.down"), what="the tile turns red")
    assert browser.find_element(By.CSS_SELECTOR, "#area-tinh .tile").is_displayed()  # stays open through an update


@pytest.mark.parametrize("path", ["/sites/song-ba-00", "/incidents/1050", "/api/docs"])
def test_other_pages_fit_the_phone(browser, served, path):
    show(browser, served.url + path, 390, 844)
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert not complaints(browser)


def test_from_an_incident_to_its_site_and_back(browser, served):
    show(browser, served.url)
    browser.find_element(By.LINK_TEXT, "1051").click()
    soon(lambda: text(browser, "h1") == "1051 UBND xã Tân Phú", what="the incident is shown")
    assert "UPS chạy ắc quy từ 10:05" in text(browser, "main")
    keep(browser, "incident")
    browser.find_element(By.LINK_TEXT, "UBND xã Tân Phú").click()
    soon(lambda: browser.current_url == f"{served.url}/sites/song-ba-04", what="the site is shown")
    soon(lambda: "Mất kết nối" in text(browser, ".lead"), what="its condition is shown")
    keep(browser, "site")
    assert browser.find_elements(By.LINK_TEXT, "1051")
    browser.find_element(By.CSS_SELECTOR, "a.back").click()
    site = "#incidents a.name[href='/sites/song-ba-04']"
    soon(lambda: [browser.find_element(By.CSS_SELECTOR, site).click()], what="the wall is shown again")
    soon(lambda: text(browser, "h1").endswith("UBND xã Tân Phú"), what="the site is shown")
    assert not complaints(browser)


def test_changes_come_without_reload_and_keep_the_focus(browser, served):
    show(browser, served.url)
    browser.execute_script("window.mark = 1; document.querySelector('a[href=\"/sites/tinh-07\"]').focus()")
    assert text(browser, ".score b") == "286"
    served.do(wall_state.change, served.state, "tinh-05", "down", served.clock.now())
    soon(lambda: text(browser, ".score b") == "285", what="the count falls")
    assert "down" in browser.find_element(By.CSS_SELECTOR, "a[href='/sites/tinh-05']").get_attribute("class")
    assert browser.execute_script("return document.activeElement.getAttribute('href')") == "/sites/tinh-07"
    assert browser.execute_script("return window.mark") == 1

    def take() -> None:
        served.state.incidents.pop(1052)
        served.state.health.broker_connected = False
        served.state.revision += 1

    served.do(take)
    soon(lambda: not browser.find_elements(By.LINK_TEXT, "1052"), what="the incident goes")
    assert "MQTT" in text(browser, "#notices")
    assert browser.execute_script("return window.mark") == 1


def test_the_clock_runs_in_the_configured_zone(browser, served):
    show(browser, served.url)
    first = text(browser, "#clock")
    soon(lambda: text(browser, "#clock") != first, what="the clock runs")
    shown, now = text(browser, "#clock"), served.clock.now() + 7 * 3600
    assert any(shown == time.strftime("%H:%M:%S", time.gmtime(now - late)) for late in range(4))


def test_the_page_greys_when_the_stream_stops_and_comes_back_by_itself(browser, served):
    show(browser, served.url)
    first = text(browser, "#clock")
    soon(lambda: text(browser, "#clock") != first, what="the stream runs")
    assert not browser.find_element(By.ID, "lost").is_displayed()
    browser.execute_script("window.mark = 1")
    served.stop()
    soon(lambda: browser.find_element(By.ID, "lost").is_displayed(), what="the page turns grey")
    keep(browser, "wall-grey")
    assert "stale" in browser.find_element(By.TAG_NAME, "body").get_attribute("class").split()
    assert "grayscale(1)" in browser.find_element(By.CSS_SELECTOR, ".board").value_of_css_property("filter")
    since = text(browser, "#lost-since")
    assert since == text(browser, "#clock")  # it says until when its figures hold, and does not pretend a time
    soon(lambda: text(browser, "#lost-age") not in ("5 giây", ""), what="it counts on")
    assert text(browser, "#lost-since") == since
    wall_state.change(served.state, "tinh-05", "down", served.clock.now())  # while nobody could be told
    served.start()
    soon(lambda: not browser.find_element(By.ID, "lost").is_displayed(), what="it comes back by itself")
    soon(lambda: text(browser, ".score b") == "285", what="what happened meanwhile is there")
    assert browser.execute_script("return window.mark") == 1


def test_the_page_greys_when_the_daemon_hangs_with_its_connections_open(browser, served):
    show(browser, served.url)
    first = text(browser, "#clock")
    soon(lambda: text(browser, "#clock") != first, what="the stream runs")
    go_on = threading.Event()
    hang = threading.Thread(target=served.do, args=(go_on.wait, 20))
    hang.start()
    try:
        soon(lambda: browser.find_element(By.ID, "lost").is_displayed(), what="the page turns grey")
    finally:
        go_on.set()
        hang.join()
    soon(lambda: not browser.find_element(By.ID, "lost").is_displayed(), what="it comes back by itself")


def test_taking_an_incident_in_the_browser(browser, served):
    show(browser, f"{served.url}/incidents/1052")
    for name, value in (("who", "Trần B"), ("note", "đi xem"), ("token", "wrong")):
        browser.find_element(By.NAME, name).send_keys(value)
    browser.find_element(By.CSS_SELECTOR, "form button").click()
    soon(lambda: "Mã truy cập sai" in text(browser, "main"), what="the token is refused")
    assert browser.find_element(By.NAME, "who").get_attribute("value") == "Trần B"
    browser.find_element(By.NAME, "token").send_keys(wall_state.TOKEN)
    browser.find_element(By.CSS_SELECTOR, "form button").click()
    soon(lambda: browser.current_url == f"{served.url}/incidents/1052", what="the incident is shown again")
    soon(lambda: "Người nhận\nTrần B" in text(browser, ".facts"), what="it says who took it")
