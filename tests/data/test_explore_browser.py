"""The explorer in a real Chromium: keys, narrow and dark screens, and that nothing hostile runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask", reason="needs flask for pages to show in chromium")
pytest.importorskip("PIL", reason="needs Pillow for chromium")
pytest.importorskip("selenium", reason="needs selenium to drive chromium")

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from act_data.explore.site import create_app
from act_data.storage.holdings import find_holdings
from act_data.storage.tables import read_pairs
from act_envs.errors import ActError
from act_envs.listening import listen
from act_envs.webshop import chromium
from tests.data.browsed import HOSTILE, HOSTILE_ID, furnish

try:
    chromium.find_chromium()
    chromium.find_driver()
except ActError as missing:
    pytest.skip(f"needs chromium: {missing}", allow_module_level=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trajectories: Path) -> Path:
    return furnish(tmp_path_factory.mktemp("browsed"), trajectories)


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    server = listen(create_app(*find_holdings(folder), "browsed"), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


class Browser:
    """A browser on the site."""

    def __init__(self, driver: Any, site: str) -> None:
        self.driver, self.site = driver, site

    def open(self, address: str) -> None:
        self.driver.get(self.site + address)

    def script(self, code: str) -> Any:
        return self.driver.execute_script(f"return {code}")

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    @property
    def here(self) -> str:
        return self.driver.current_url.removeprefix(self.site)

    @property
    def focused(self) -> str:
        """Address of the link that has the focus."""
        return self.script("document.activeElement.getAttribute('href') ?? ''")

    def until(self, holds: Callable[[], Any]) -> None:
        """A key may load another page, which takes a while."""
        deadline = time.monotonic() + 30
        while True:
            try:
                if holds():
                    return
            except StaleElementReferenceException:
                pass
            assert time.monotonic() < deadline, (self.here, self.focused)
            time.sleep(0.02)


@pytest.fixture(scope="module")
def running(site: str) -> Iterator[Browser]:
    browser = chromium.Chromium()
    yield Browser(browser.driver, site)
    browser.close()


@pytest.fixture
def browser(running: Browser) -> Browser:
    running.open("/pairs?kind=fetch")
    return running


def test_moving_opening_and_going_back(browser: Browser) -> None:
    links = browser.script("[...document.querySelectorAll('[data-row]')].map(e => "
                           "e.getAttribute('href'))")  # fmt: skip
    assert len(links) == 50
    browser.press("j")
    assert browser.focused == links[0]
    browser.press("j", Keys.ARROW_DOWN, "k")
    assert browser.focused == links[1]
    browser.press(Keys.ARROW_UP)
    assert browser.focused == links[0]
    browser.press("j", Keys.ENTER)
    browser.until(lambda: browser.here == links[1])
    browser.press("j")
    browser.until(lambda: browser.here == links[2])
    browser.press(Keys.ARROW_LEFT)
    browser.until(lambda: browser.here == links[1])
    browser.press("u")
    browser.until(lambda: browser.here.startswith("/pairs?kind=fetch#row-"))
    browser.until(lambda: browser.focused == links[1])


def test_over_the_edge_of_a_page(browser: Browser) -> None:
    links = browser.script("document.querySelectorAll('[data-row]').length")
    browser.press("k")
    at = "[...document.querySelectorAll('[data-row]')].indexOf(document.activeElement)"
    assert browser.script(at) == links - 1
    browser.press("j")
    browser.until(lambda: browser.here == "/pairs?kind=fetch&page=2")
    browser.press("j", "k")
    browser.until(lambda: browser.here == "/pairs?kind=fetch")
    browser.press(Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    browser.until(lambda: browser.here == "/pairs?kind=fetch&page=2")


def test_searching(browser: Browser) -> None:
    browser.press("/")
    assert browser.script("document.activeElement.id") == "q"
    browser.press("j/?u")  # letters, now
    assert browser.script("document.activeElement.value") == "j/?u"
    browser.press(Keys.ESCAPE)
    assert browser.script("document.activeElement.id") == ""
    browser.press("/", "kitchen", Keys.ENTER)
    browser.until(lambda: "q=kitchen" in browser.here and "kind=fetch" in browser.here)
    browser.press("j", Keys.ENTER)
    browser.until(lambda: browser.here.startswith("/pair?"))
    browser.press("/")
    browser.until(lambda: browser.here.startswith("/pairs?"))
    browser.until(lambda: browser.script("document.activeElement.id") == "q")


def test_the_keys_are_told(browser: Browser) -> None:
    shown = "document.getElementById('keys').open"
    assert not browser.script(shown)
    browser.press("?")
    assert browser.script(shown)
    browser.press("j")
    assert not browser.focused  # moves nothing behind the keys
    browser.press("?")
    assert not browser.script(shown)
    browser.script("document.getElementById('help').click()")
    assert browser.script(shown)


def test_filtering_by_regret_keeps_the_rest(browser: Browser) -> None:
    browser.open("/pairs?informed=expert_better&sort=-step")
    browser.driver.find_element("name", "regret_min").send_keys("2", Keys.ENTER)
    browser.until(lambda: "regret_min=2" in browser.here)
    for said in ("informed=expert_better", "sort=-step"):
        assert said in browser.here


def test_nothing_hostile_runs_and_nothing_is_loaded_from_elsewhere(browser: Browser) -> None:
    for address in (
        f"/pairs?q={HOSTILE_ID}",
        f"/pair?id={HOSTILE_ID}",
        "/trajectories?source=evil.parquet",
        "/episode?file=evaluated/recorded.jsonl&line=1",
    ):
        browser.open(address)
        assert HOSTILE in browser.script("document.body.textContent")
        assert not browser.script("'pwned' in window || document.images.length")
        loaded = browser.script("performance.getEntriesByType('resource').map(e => e.name)")
        assert {one.removeprefix(browser.site) for one in loaded} <= {
            "/static/explore.css",
            "/static/explore.js",
        }
    code = "const s = document.createElement('script'); s.textContent = 'window.pwned = 1'; "
    browser.driver.execute_script(code + "document.body.append(s)")
    assert not browser.script("'pwned' in window")  # what got past the escaping would not run


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_screen(browser: Browser, folder: Path, width: int) -> None:
    pair = next(pair for pair in read_pairs(folder / "verified") if pair.state.history)
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    for address in (
        "/",
        "/pairs",
        f"/pair?id={HOSTILE_ID}",
        f"/pair?id={pair.pair_id}",
        "/trajectories",
        "/episode?file=evaluated/recorded.jsonl&line=1",
    ):
        browser.open(address)
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.until(lambda: browser.script("innerWidth") == width)
        browser.script("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert browser.script("document.documentElement.scrollWidth") <= width, address
        sides = browser.script(
            "[...document.querySelectorAll('.side')].map(e => e.getBoundingClientRect().top)"
        )
        if sides:  # beside each other where there is room
            assert (sides[0] == sides[1]) == (width > 1000)


def test_dark_and_light(browser: Browser) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        seen[scheme] = [
            _brightness(browser.script(f"getComputedStyle(document.documentElement).{part}"))
            for part in ("color", "backgroundColor")
        ]
    (ink, paper), (light, dark) = seen["light"], seen["dark"]
    assert ink < 0.2 < 0.8 < paper
    assert dark < 0.2 < 0.8 < light


def _brightness(colour: str) -> float:
    numbers = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(numbers) / (3 * 255)
